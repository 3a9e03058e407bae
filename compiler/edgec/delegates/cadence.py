"""Cadence Tensilica processors: known; the toolchain is a vendor's, and the reference answers wrongly."""

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

SUMMARY = "Cadence Tensilica DSP (Xtensa)"
OPTIONS: Json = {"type": "object", "title": "cadence", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
RECIPES: tuple[str, ...] = ()
BACKENDS: tuple[str, ...] = ()
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
        "it needs Cadence's Xtensa toolchain and kernel libraries, which no package registry has, to run anything; "
        "the reference kernels that come with ExecuTorch 1.5.1 gave int8 answers of the wrong sign, so edgec does not offer it"
    )


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Never comes to be called: rules refuse this delegate. Raises Failure ``tool-missing``."""
    raise unreachable("cadence", missing())


def partitioners(precision: str, options: Options) -> list[Any]:
    """Never comes to be called: rules refuse this delegate. Raises Failure ``tool-missing``."""
    raise unreachable("cadence", missing())


def steps(precision: str, options: Options) -> Steps:
    """Never comes to be called: rules refuse this delegate. Raises Failure ``tool-missing``."""
    raise unreachable("cadence", missing())


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Never comes to be called: rules refuse this delegate. Raises Failure ``tool-missing``."""
    raise unreachable("cadence", missing())
