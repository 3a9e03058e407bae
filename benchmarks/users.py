"""What a user's environment is, where the benchmarks' own may differ."""

import os


def environment(cache: str | None = None) -> dict[str, str]:
    """Return this environment with compiled modules kept, as by default, and ``cache`` as edgec's cache."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **({"EDGEC_CACHE": cache} if cache else {})}
