"""Optional packages that a plugin needs: whether they are installed, found without importing them."""

from __future__ import annotations

import importlib.util

DISTRIBUTIONS = {
    "ethosu": "ethos-u-vela",
    "model_converter": "ai-ml-sdk-model-converter",
    "tosa_reference_model": "tosa-tools",
}
"""What a package is called by pip, where that is not what it is imported by."""


def distribution(name: str) -> str:
    """Return pip's name of the package that is imported as ``name``."""
    return DISTRIBUTIONS.get(name, name.replace("_", "-"))


def missing_extra(needs: tuple[str, ...], extra: str) -> str | None:
    """Return which of the packages ``needs`` is absent, and the extra of edgec that brings it; None where all are here."""
    absent = [name for name in needs if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    are = "is" if len(absent) == 1 else "are"
    return f"{' and '.join(map(distribution, absent))} {are} not installed; run: pip install 'edgec[{extra}]'"
