"""MediaTek's neural processors through NeuroPilot: known, and not to be had from any package registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target
from edgec.delegates.vendor import unreachable

SUMMARY = "MediaTek NPU (NeuroPilot)"
OPTIONS: Json = {"type": "object", "title": "mediatek", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
RECIPES: tuple[str, ...] = ()
BACKENDS: tuple[str, ...] = ("NeuropilotBackend",)
FOLDS = True
SELECTIVE = True
SCHEME: tuple[str, ...] = ()
AVAILABLE = False
NOT_RUN = "it cannot be had"
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {}


def missing() -> str:
    """Return what this delegate needs, whether or not some of it is here."""
    return (
        "it needs mtk_neuron and mtk_converter of MediaTek's NeuroPilot Express SDK, which no package registry has; "
        "edgec does not lower for it"
    )


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Never comes to be called: rules refuse this delegate. Raises Failure ``tool-missing``."""
    raise unreachable("mediatek", missing())


def partitioners(precision: str, options: Options) -> list[Any]:
    """Never comes to be called: rules refuse this delegate. Raises Failure ``tool-missing``."""
    raise unreachable("mediatek", missing())


def steps(precision: str, options: Options) -> Steps:
    """Never comes to be called: rules refuse this delegate. Raises Failure ``tool-missing``."""
    raise unreachable("mediatek", missing())


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Never comes to be called: rules refuse this delegate. Raises Failure ``tool-missing``."""
    raise unreachable("mediatek", missing())
