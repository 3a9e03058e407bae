"""OpenVINO's own libraries, which its ExecuTorch delegate opens by name: the hash-checked files of one pinned wheel.

The delegate opens ``libopenvino_c.so`` beside itself; that library and those below find each other through ``$ORIGIN``.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgec.diagnostics import Diagnostic, Failure
from edgec.store.cache import used
from edgec.store.files import sha256_of

VERSION = "2025.4.1"
BACKEND = "OpenvinoBackend"
LIBRARIES: Mapping[str, tuple[str, str]] = {
    "libopenvino_c.so": (
        "libopenvino_c.so.2541",
        "f3c8a55cc4d95623576826d196faaf1bca20b451cb7316ace7e0923a41f27453",
    ),
    "libopenvino.so.2541": (
        "libopenvino.so.2541",
        "6f68cb5cb473572236964aba14914bfe16b5b31925ba1dc456f5da55ae1bf758",
    ),
    "libopenvino_intel_cpu_plugin.so": (
        "libopenvino_intel_cpu_plugin.so",
        "c801b57152bb84d5bc0ee2328d7943ce7f1a889e7af833ee9499980bbf8b85ff",
    ),
    "libopenvino_ir_frontend.so.2541": (
        "libopenvino_ir_frontend.so.2541",
        "9571cfdea6f07b5584fd1b1ef1fea15701b03caffb62e7ed408212f2047a5e34",
    ),
    "libtbb.so.12": ("libtbb.so.12", "6781dc6aa8b2ca237d0164258e70266a44667756c02a9a039782ec1d1a67b653"),
}
"""Name in the bundle to (name in the wheel, sha256): what reading a compiled model and running it on the CPU takes."""


def openvino_libraries(cache: Path) -> dict[Path, str]:
    """Return the libraries under the names that they have in a bundle, from the installed wheel by way of ``cache``, and
    the sha256 of each.

    Raises Failure ``tool-missing`` where OpenVINO is not installed, ``digest-mismatch`` where it is another version.
    """
    folder = cache / "runtime" / f"openvino-{VERSION}-x86_64"
    if _whole(folder):
        used(folder)
    else:
        _copy(_installed(), folder)
    return {folder / name: digest for name, (_, digest) in LIBRARIES.items()}


def _whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and sha256_of(folder / name) == digest for name, (_, digest) in LIBRARIES.items()
    )


def _installed() -> Path:
    spec = importlib.util.find_spec("openvino")
    if spec is None or not spec.submodule_search_locations:
        hint = "run: pip install 'edgec[openvino]'"
        message = "the libraries of OpenVINO that go into the bundle are not installed"
        raise Failure(Diagnostic(code="tool-missing", message=message, hint=hint))
    return Path(next(iter(spec.submodule_search_locations))) / "libs"


def _copy(libs: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".openvino-", dir=folder.parent) as name:
        staged = Path(name) / "pack"
        staged.mkdir()
        for library, (source, _) in LIBRARIES.items():
            if (libs / source).is_file():
                shutil.copyfile(libs / source, staged / library)
        if not _whole(staged):
            message = f"the OpenVINO that is installed is not {VERSION}, whose libraries bundles ship"
            hint = f"run: pip install 'openvino=={VERSION}'"
            raise Failure(Diagnostic(code="digest-mismatch", message=message, hint=hint))
        if folder.exists():
            shutil.rmtree(folder)
        staged.rename(folder)
