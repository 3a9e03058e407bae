"""A release as it is compared with another: what its bundle says of itself, and what was measured beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgec.artifacts.evaluated import Evaluated
from edgec.artifacts.measured import Status


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One figure as one record has it. ``cpu`` and ``threads`` are those it was clocked with, None where nothing says so."""

    name: str
    value: float
    unit: str
    evidence: str
    samples: int | None = None
    interval: tuple[float, float] | None = None
    clocked: bool = False
    cpu: str | None = None
    threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class OperatorCount:
    """How many calls of one operator run on a delegate and outside; ``reason`` is why outside."""

    delegated: int
    left: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class GoldenAnswer:
    """The raw inputs (their sha256) and output tensors of one golden vector, with the outputs' types."""

    inputs: tuple[str, ...]
    outputs: tuple[bytes, ...]
    dtypes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Release:
    """``path`` is what the user named. ``materials`` maps each input file to its digest, ``tools`` each package and each
    part of the toolchain to its version or digest.

    ``budgets`` are limits as text (``≥ 85%``), ``verdicts`` how those stand that anything judged.
    ``signature`` is inputs and outputs as text; ``parts`` are bytes by what they hold (of model.pte, then file by file).
    ``evaluated`` is None where nothing was kept, and ``unevaluated`` says why.
    """

    path: str
    name: str
    version: str
    target: str
    digest: str
    model_sha256: str
    release: bool
    blockers: tuple[str, ...]
    task: str
    labels: tuple[str, ...]
    signature: Mapping[str, str]
    recipe: str
    delegates: tuple[str, ...]
    threads: int
    tools: Mapping[str, str]
    materials: Mapping[str, str]
    budgets: Mapping[str, str]
    verdicts: Mapping[str, Status]
    readings: tuple[Reading, ...]
    operators: Mapping[str, OperatorCount]
    parts: Mapping[str, int]
    golden: Mapping[str, GoldenAnswer]
    evaluated: Evaluated | None
    unevaluated: str = ""

    @property
    def title(self) -> str:
        """What people call it: ``camera 1.0.0 for jetson-nano``."""
        return f"{self.name} {self.version} for {self.target}"
