"""What changed between two releases of one bundle, and which of the thresholds that were named it crosses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgec.artifacts.measured import Status
from edgec.artifacts.release import OperatorCount, Reading

Held = Literal["kept", "crossed", "unknown"]
Turn = Literal["lost", "won", "wrong", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two: what it is, and where it was read from."""

    path: str
    name: str
    version: str
    target: str
    bundle_sha256: str


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that differs, as text; None on the side that has no such thing."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, kw_only=True)
class FigureChange:
    """One figure of both. ``change`` is new less old, ``relative`` its share of old; None where they cannot be compared.

    ``interval`` is the 95 % interval of ``change``: paired sample by sample for accuracy; of clocked figures the widest
    that the two runs' own intervals allow. ``worse`` says whether the change is for the worse, None where it is neither.
    ``note`` says why the two are not compared, or what to bear in mind.
    """

    name: str
    unit: str
    old: Reading | None
    new: Reading | None
    change: float | None = None
    relative: float | None = None
    interval: tuple[float, float] | None = None
    worse: bool | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One sample that the two decide differently, by class name. ``truth`` is None where the data has no labels.

    ``float_flipped`` says whether the float32 models differ on it too, so that the model changed and not its lowering.
    """

    sample: str
    truth: str | None
    old: str
    new: str
    turn: Turn
    float_flipped: bool | None


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """One class of the truth: its samples, how many of them each release gets right, and which way the others went."""

    label: str
    samples: int
    old: int
    new: int
    lost: int
    won: int


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Decisions on the ``common`` samples. ``p_value`` is McNemar's exact test of lost against won, None without labels."""

    common: int
    flips: tuple[Flip, ...]
    classes: tuple[ClassChange, ...]
    p_value: float | None


@dataclass(frozen=True, kw_only=True)
class Samples:
    """How the two evaluations lie to each other: ids in both with equal content, in one only, with other content or label.

    ``refused`` says why nothing was compared sample by sample, "" where it was.
    """

    common: int = 0
    only_old: int = 0
    only_new: int = 0
    changed: int = 0
    relabelled: int = 0
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Golden vectors with the same input in both: how many, how many have the same bits, and the largest difference of an
    output as a share of the largest output."""

    common: int
    equal: int
    worst: float


@dataclass(frozen=True, kw_only=True)
class PartChange:
    """Bytes of one part; None on the side that does not have it."""

    name: str
    old: int | None
    new: int | None


@dataclass(frozen=True, kw_only=True)
class OperatorChange:
    """Calls of one operator that differ, or run elsewhere."""

    name: str
    old: OperatorCount | None
    new: OperatorCount | None


@dataclass(frozen=True, kw_only=True)
class VerdictChange:
    """One budget whose limit or verdict changed; a ``text`` or status is None where that side has no such budget."""

    budget: str
    old_text: str | None
    old_status: Status | None
    new_text: str | None
    new_status: Status | None
    worse: bool


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Input files by name: those with other content, those that came and those that went."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """One ``--fail-on``: ``text`` as it was written, and how it was held; ``reason`` is a sentence a person reads."""

    text: str
    held: Held
    reason: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Everything that changed; what is equal on both sides is left out, but for figures, which are all there."""

    old: Side
    new: Side
    identical: bool
    notes: tuple[str, ...]
    identity: tuple[Fact, ...]
    tools: tuple[Fact, ...]
    inputs: Inputs
    samples: Samples
    decisions: Decisions | None
    answers: Answers | None
    figures: tuple[FigureChange, ...]
    parts: tuple[PartChange, ...]
    operators: tuple[OperatorChange, ...]
    verdicts: tuple[VerdictChange, ...]
    thresholds: tuple[Threshold, ...] = ()

    def figure(self, name: str) -> FigureChange | None:
        """Return the change of the figure of that name, or None."""
        return next((item for item in self.figures if item.name == name), None)
