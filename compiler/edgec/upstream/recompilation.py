"""Graph modules compiled to Python when they are called, not whenever a pass has touched them: most never are.

``GraphModule.recompile`` (torch 2.13) prints the whole graph as Python source and compiles it. A lowering does so some
five hundred times, after each pass, and then interprets the graph node by node: a seventh of its time for nothing.
torch has the same idea as ``torch.fx._lazy_graph_module``, for modules of its own tracer only. The ``.pte`` bytes are
the same, which tests/torch/test_upstream.py holds. Goes away when ExecuTorch's passes make lazy graph modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def compiled_late() -> Iterator[None]:
    """Inside it, ``recompile`` only notes that the code is stale; calling or printing the module renews it."""
    from torch.fx import GraphModule

    module: Any = GraphModule
    genuine = {name: getattr(module, name) for name in ("recompile", "code", "__str__")}

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        genuine["recompile"](self)
        return self(*args, **kwargs)

    def recompile(self: Any) -> None:
        codegen = self._graph._codegen
        if hasattr(codegen, "pytree_info"):
            self._in_spec, self._out_spec = codegen.pytree_info.in_spec, codegen.pytree_info.out_spec
        type(self).forward = forward

    def current(self: Any) -> Any:
        if type(self).forward is forward:
            genuine["recompile"](self)
        return self

    module.recompile = recompile
    module.code = property(lambda self: genuine["code"].fget(current(self)))
    module.__str__ = lambda self: genuine["__str__"](current(self))
    try:
        yield
    finally:
        for name, value in genuine.items():
            setattr(module, name, value)
