"""Graph modules compiled to Python when they are called, not whenever a pass has touched them: most never are.

``GraphModule.recompile`` (torch 2.13) prints the whole graph as Python source and compiles it. A lowering does so some five
hundred times, after each pass, and interprets the graph node by node instead of calling that code: a sixth of its time.
torch has the same idea as ``torch.fx._lazy_graph_module``, for modules made by its own tracer only. The ``.pte`` bytes
are the same, which tests/torch/test_upstream.py holds. Goes away when ExecuTorch's passes make lazy graph modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def compiled_late() -> Iterator[None]:
    """Inside it, ``recompile`` notes that the code is stale; calling the module or reading ``code`` brings it up to date."""
    from torch.fx import GraphModule

    module: Any = GraphModule
    genuine, code = module.recompile, module.code

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        genuine(self)
        return self(*args, **kwargs)

    def recompile(self: Any) -> None:
        codegen = self._graph._codegen
        if hasattr(codegen, "pytree_info"):
            self._in_spec, self._out_spec = codegen.pytree_info.in_spec, codegen.pytree_info.out_spec
        type(self).forward = forward

    def current(self: Any) -> Any:
        if type(self).forward is forward:
            genuine(self)
        return code.fget(self)

    module.recompile, module.code = recompile, property(current)
    try:
        yield
    finally:
        module.recompile, module.code = genuine, code
