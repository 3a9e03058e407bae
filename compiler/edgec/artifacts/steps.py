"""What a delegate asks of a lowering beside its partitioners."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any


def _nothing() -> AbstractContextManager[dict[str, float]]:
    return nullcontext({})


@dataclass(frozen=True, kw_only=True)
class Steps:
    """``edge`` is the EdgeCompileConfig, ``backend`` the ExecutorchBackendConfig; None means ExecuTorch's own.

    ``after`` takes the partitioned EdgeProgramManager and returns the one that becomes the program.
    ``kernels`` is the namespace of operators that are the delegate's own though they stay kernel calls (``cortex_m``).
    ``estimating`` makes a context: what the delegate's compiler estimates inside it is in the mapping that it yields, by
    figure name in base units (``latency.npu`` in seconds, ``memory.sram`` in bytes, ``cycles.npu``).
    """

    edge: Any = None
    after: Callable[[Any], Any] | None = None
    backend: Any = None
    kernels: str = ""
    estimating: Callable[[], AbstractContextManager[dict[str, float]]] = field(default=_nothing)
