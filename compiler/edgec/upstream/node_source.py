"""torch.fx provenance shared instead of copied: graph passes stop spending a tenth of their time in ``copy.deepcopy``.

Every node that a pass creates gets a ``NodeSource``, whose constructor (torch 2.13, torch/fx/traceback.py) deep-copies
the whole history of the node it came from; over the dozens of passes of a lowering the histories grow, and the copies
with them. A history is never changed once it is made, so sharing it shows no difference: ``.pte`` bytes are the same,
which tests/torch/test_upstream.py holds. Goes away when that constructor takes the list as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any


@contextmanager
def shared_provenance() -> Iterator[None]:
    """Inside it, ``torch.fx.traceback`` copies histories shallowly; the ``copy`` of every other module is untouched."""
    from torch.fx import traceback

    module: Any = traceback
    genuine = module.copy
    module.copy = SimpleNamespace(copy=genuine.copy, deepcopy=genuine.copy)
    try:
        yield
    finally:
        module.copy = genuine
