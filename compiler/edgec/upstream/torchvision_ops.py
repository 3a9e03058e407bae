"""torchvision beside a torch it was not built for: importable all the same, for models without native operators.

The registry's torchvision for x86-64 Linux is the CUDA build. Beside a CPU-only torch its native extension does not
load, and ``import torchvision`` then fails with "operator torchvision::nms does not exist"
(https://github.com/pytorch/vision/issues/9085): the fake kernels of two operators are registered without a schema.
Declaring those two schemas first lets the import pass. Detection models that call them still cannot run.
Goes away when torchvision registers its fake kernels only where ``_HAS_OPS`` is true, or ships a CPU wheel to PyPI.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def import_torchvision() -> ModuleType:
    """Return torchvision, imported with or without its native extension; ImportError where it is not installed."""
    declared_operators()
    return importlib.import_module("torchvision")


@functools.cache
def declared_operators() -> Any:
    """Declare the operators that the native extension would have, only where it does not load; return their Library.

    The Library must outlive the import (its operators go when it does), which the cache sees to.
    """
    if native_extension_loads():
        return None
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    return library


@functools.cache
def native_extension_loads() -> bool:
    """Return whether torchvision's compiled operators can be loaded beside this torch; does not import torchvision."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed", name="torchvision")
    extensions = sorted(Path(spec.origin).parent.glob("_C*.so"))
    try:
        for extension in extensions:
            torch.ops.load_library(str(extension))
    except (OSError, RuntimeError):
        return False
    return bool(extensions)


@contextlib.contextmanager
def serving(url: str, state: Mapping[str, Any]) -> Iterator[None]:
    """Inside, torchvision's own weights of ``url`` come from ``state``, fetched and verified before; no other loads.

    torchvision loads weights through ``torch.hub.load_state_dict_from_url``: unpickling with ``weights_only=False``,
    checking eight digits of the sha256, and not even those for a file that lies in its cache. Its builders take no
    state dict, and some choose arguments by the weights (input size, auxiliary heads), so they cannot be bypassed.
    Goes away when torchvision's ``WeightsEnum.get_state_dict`` takes ``weights_only`` and a full sha256.
    """
    from unittest import mock  # brings asyncio

    import torchvision.models._api as api

    def served(asked: str, *args: object, **keywords: object) -> Mapping[str, Any]:
        if asked != url:
            raise ValueError(f"torchvision asked for {asked}, which the manifest does not name")
        return state

    with mock.patch.object(api, "load_state_dict_from_url", served):
        yield
