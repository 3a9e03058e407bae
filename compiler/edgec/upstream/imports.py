"""ExecuTorch imported in half the time: what its modules do on import and a lowering or an inference has no use for.

``executorch.runtime`` (1.5.1) needs ``executorch.exir._warnings`` and with it gets the whole compiler: two thousand
modules for an inference. ``executorch.exir.dialects.edge._ops`` reads its table with ruamel's parser in Python, 0.7 s,
where libyaml takes 0.06 s for the same table. And the cyclic collector goes over all that was imported so far, again
and again. The table is the same and no ``.pte`` changes, which tests/torch/test_upstream_imports.py holds. Goes away
when the runtime's bindings stand alone and the table is read with libyaml or not on import.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

EXIR = "executorch.exir"


def import_runtime() -> Any:
    """Return ``executorch.runtime``, imported without the compiler; for a process that never compiles."""
    if EXIR in sys.modules:
        import executorch.runtime

        return executorch.runtime
    found = importlib.util.find_spec(EXIR)
    shell = ModuleType(EXIR)
    shell.__path__ = list(found.submodule_search_locations or ()) if found else []
    sys.modules[EXIR] = shell
    try:
        with uncollected_imports():
            import executorch.runtime
    finally:
        # An import of the compiler, should one come after all, finds it whole.
        for name in [name for name in sys.modules if name == EXIR or name.startswith(f"{EXIR}.")]:
            del sys.modules[name]
    return executorch.runtime


def import_compiler() -> None:
    """Import what every lowering needs of torch, torchao and ExecuTorch."""
    with uncollected_imports(), _parsed_by_libyaml():
        importlib.import_module("torchao.quantization.pt2e.quantize_pt2e")
        importlib.import_module("executorch.backends.xnnpack.partition.xnnpack_partitioner")


@contextmanager
def uncollected_imports() -> Iterator[None]:
    """Inside it the cyclic collector rests, and what was imported is left out of its later rounds: it stays anyway."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


@contextmanager
def _parsed_by_libyaml() -> Iterator[None]:
    """Inside it ``ruamel.yaml.YAML(typ="safe").load`` is PyYAML's, with libyaml, where PyYAML has it."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", None)
    if loader is None:
        yield
        return
    ruamel: Any = importlib.import_module("ruamel.yaml")

    class Fast:
        def __init__(self, *, typ: str) -> None:
            if typ != "safe":
                raise ValueError(f"only the safe loader is stood in for, not {typ}")

        def load(self, text: str) -> Any:
            return yaml.load(text, Loader=loader)

    genuine = ruamel.YAML
    ruamel.YAML = Fast
    try:
        yield
    finally:
        ruamel.YAML = genuine
