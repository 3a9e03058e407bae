"""Optional packages that a plugin needs: whether they are installed, found without importing them."""

from __future__ import annotations

import importlib.util


def missing_extra(needs: tuple[str, ...], extra: str) -> str | None:
    """Return which of the packages ``needs`` is absent, and the extra of edgec that brings it; None where all are here."""
    absent = [name for name in needs if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    are = "is" if len(absent) == 1 else "are"
    return f"{' and '.join(absent)} {are} not installed; run: pip install 'edgec[{extra}]'"
