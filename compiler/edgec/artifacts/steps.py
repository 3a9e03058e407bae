"""What a delegate asks of a lowering beside its partitioners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Steps:
    """``edge`` is the EdgeCompileConfig, ``backend`` the ExecutorchBackendConfig; None means ExecuTorch's own.

    ``after`` takes the partitioned EdgeProgramManager and returns the one that becomes the program. ``channels_last``
    asks for example inputs and weights in that memory format before the export.
    """

    edge: Any = None
    after: Callable[[Any], Any] | None = None
    backend: Any = None
    channels_last: bool = False
