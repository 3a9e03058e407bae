"""Where the files that ship beside the code lie: in the wheel inside the package, in a checkout at its top."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def resource(*parts: str) -> Path:
    """Return the path of a shipped file or folder, such as ``resource("schemas", "manifest.schema.json")``."""
    installed = PACKAGE.joinpath(*parts)
    return installed if installed.exists() else PACKAGE.parents[1].joinpath(*parts)
