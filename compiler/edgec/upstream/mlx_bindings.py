"""MLX's serializer, generated beside ExecuTorch: the 1.5.1 wheel ships its generator and not what that writes.

``executorch.backends.mlx.serialization`` refuses to be imported until ``generate.py``, which lies beside it, has run: it
writes into site-packages, which may be read-only. Here it writes into a folder of this process, and the package's path
covers both. Goes away when the wheel holds ``mlx_graph_schema.py``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

PACKAGE = "executorch.backends.mlx.serialization"
SCHEMA = "mlx_graph_schema.py"


def import_mlx() -> Any:
    """Return ``executorch.backends.mlx``'s partitioner module. Raises ImportError where the wheel has no such backend."""
    if PACKAGE not in sys.modules:
        folder = _shipped()
        if (folder / SCHEMA).exists():
            importlib.import_module(PACKAGE)
        else:
            _overlay(folder)
    return importlib.import_module("executorch.backends.mlx.partitioner")


def _shipped() -> Path:
    """The package's folder in the wheel, found without importing it or its parent."""
    backends = importlib.util.find_spec("executorch.backends")
    for place in (backends.submodule_search_locations or ()) if backends else ():
        if (folder := Path(place) / "mlx" / "serialization").is_dir():
            return folder
    raise ImportError("this ExecuTorch has no MLX backend")


def _overlay(shipped: Path) -> None:
    """Import the package from the wheel's folder and one that the generator fills, which this process removes again."""
    made = tempfile.TemporaryDirectory(prefix="edgec-mlx-")
    _generate(shipped, Path(made.name))
    package = ModuleType(PACKAGE)
    package.__path__ = [str(shipped), made.name]
    package.__dict__["generated"] = made  # removed with the module
    sys.modules[PACKAGE] = package
    graph = importlib.import_module(f"{PACKAGE}.mlx_graph_serialize")
    for name in ("deserialize_to_json", "parse_header", "serialize_mlx_graph"):
        package.__dict__[name] = getattr(graph, name)


def _generate(shipped: Path, folder: Path) -> None:
    """Run the wheel's generator with ``folder`` in place of every folder that it writes to."""
    spec = importlib.util.spec_from_file_location("edgec_mlx_generate", shipped / "generate.py")
    assert spec and spec.loader
    generator: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = generator  # its dataclasses look their module up
    try:
        spec.loader.exec_module(generator)
        generator.GENERATED_DIR = folder / "_generated"
        generator.RUNTIME_DIR = folder
        generator.GENERATED_SCHEMA_PY = folder / SCHEMA
        generator.GENERATED_SERIALIZERS = folder / "_generated_serializers.py"
        generator.GENERATED_INSPECTOR = folder / "_generated_inspector.py"
        # The C++ loaders are made from templates that the wheel does not ship, and nothing here compiles them.
        generator.LOADER_H, generator.LOADER_CPP = folder / "MLXLoader.h", folder / "MLXLoader.cpp"
        generator.generate_cpp_loader_h = generator.generate_cpp_loader_cpp = lambda schema: ""
        arguments = ["generate.py", "--flatc", str(_flatc())]
        with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stdout(io.StringIO()) as said:
            generator.main()
    finally:
        del sys.modules[spec.name]
    if not (folder / "_generated" / "mlx_delegate").is_dir():
        raise RuntimeError(f"flatc did not generate the bindings of MLX: {said.getvalue()}")


def _flatc() -> Path:
    """The flatc of the wheel."""
    data = importlib.import_module("executorch.data.bin")
    return Path(next(iter(data.__path__))) / "flatc"
