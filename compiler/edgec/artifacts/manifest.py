"""A manifest that passed the schema: every quantity parsed, every shorthand spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgec.artifacts.document import Json, Route
from edgec.artifacts.quantity import span
from edgec.diagnostics import Location

Options = Mapping[str, Json]
Extent = Literal["model", "pipeline"]
BudgetKind = Literal["accuracy", "latency", "throughput", "size", "memory", "delegation"]
Objective = Literal["latency", "size", "memory"]
Sense = Literal["min", "max", "max_drop", "max_flips"]


def filled(schema: Json, options: Options) -> dict[str, Json]:
    """Return ``options``, and for what they leave out the defaults of their JSON Schema."""
    defaults = {name: item["default"] for name, item in schema.get("properties", {}).items() if "default" in item}
    return {**defaults, **options}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A plugin that the manifest names, with the options given to it (``NAME`` or ``{name, options}``)."""

    name: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One axis of a tensor; fixed when ``minimum == maximum``, else dynamic between the two."""

    minimum: int
    maximum: int

    @property
    def fixed(self) -> bool:
        """Whether the axis has one size."""
        return self.minimum == self.maximum

    @property
    def middle(self) -> int:
        """The size halfway between minimum and maximum."""
        return (self.minimum + self.maximum) // 2


@dataclass(frozen=True, kw_only=True)
class Image:
    """How pictures become the input: RGB NHWC in 0..255; ``(x / 255 - mean) / std`` is compiled into the model."""

    width: int
    height: int
    fit: Literal["stretch", "cover", "contain"] = "cover"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A window over a stream of samples, ``rate`` a second, which moves on by ``hop`` samples each time."""

    rate: float
    hop: int


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Log-mel features that are compiled into the model; ``window``, ``hop`` and ``fft`` in samples, ``fmin`` in hertz.

    ``stages/sound.py`` says how they are computed.
    """

    bands: int
    window: int
    hop: int
    fft: int
    fmin: float
    fmax: float
    scale: Literal["htk", "slaney"] = "htk"
    norm: Literal["none", "slaney"] = "none"
    floor: float = 1e-6
    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Audio:
    """Sound of one channel in -1..1, ``rate`` samples a second; the model gets ``features`` of it, or it as it is."""

    rate: int
    features: LogMel | None = None


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input of the artifact, as the device feeds it: an image is float32 [1, height, width, 3], sound [1, samples].

    The last axis of one with a ``stream``, as sound always has, counts samples in time, the one before it channels.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...]
    image: Image | None = None
    stream: Stream | None = None
    audio: Audio | None = None


@dataclass(frozen=True, kw_only=True)
class Data:
    """One data set of the manifest: ``role`` is calibration, evaluation or training."""

    role: str
    format: str
    options: Options


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of the evaluation data: one class, or all below the folders of one name; no name means each class in turn."""

    by: Literal["class", "folder"]
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Budget:
    """One limit. ``limit`` is in base units: seconds, hertz, bytes, or a share of 1 for accuracy shares and delegation.

    ``statistic`` is the percentile (``p90``) of a latency, the metric's name of an accuracy, else ``""``.
    ``sense`` says which side is allowed: ``max`` (at most), ``min`` (at least), ``max_drop`` (at most this far under fp32),
    ``max_flips`` (at most this share of decisions other than fp32's).
    ``text`` is the limit as the user wrote it; ``route`` is where. ``options`` are those of an accuracy's metric.
    ``slice`` is the part of the evaluation data that an accuracy is held to, None for the whole.
    Latency and throughput are ``of`` the execution alone or of the whole pipeline, ``after`` seconds of continuous load.
    """

    kind: BudgetKind
    statistic: str
    sense: Sense
    limit: float
    text: str
    route: Route
    options: Options = field(default_factory=dict)
    slice: Slice | None = None
    of: Extent = "model"
    after: float = 0.0

    @property
    def name(self) -> str:
        """A stable name: ``latency.pipeline.p90[after 10min]``, ``accuracy.top1.max_drop``, ``accuracy.top1.min[class 7]`` …"""
        extent = "pipeline" if self.of == "pipeline" else ""
        parts = [self.kind, extent, self.statistic, self.sense if self.kind == "accuracy" else ""]
        whole = ".".join(part for part in parts if part)
        if self.after:
            return f"{whole}[after {span(self.after)}]"
        return f"{whole}[{self.slice.by} {self.slice.name or '*'}]" if self.slice else whole


@dataclass(frozen=True, kw_only=True)
class Search:
    """What to try in place of one recipe on one delegate: each of ``recipes`` on each of ``delegates``, in this order.

    No recipes means that the manifest leaves them to edgec. ``time_limit`` is in seconds. ``beside`` are keys of the
    manifest that say what the search is there to find; a rule refuses them.
    """

    recipes: tuple[Choice, ...]
    delegates: tuple[tuple[Choice, ...], ...]
    objective: Objective = "latency"
    time_limit: float | None = None
    route: Route = ("search",)
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TargetChoice:
    """One entry of ``targets``: a row by name, with the manifest's and its target files' overrides; None: not overridden.

    ``clock`` in Hz, ``bandwidth`` in bytes a second. ``places`` are those of the keys that target files gave, ``files``
    these files relative to the root.
    """

    name: str
    base: str
    cpu: str | None = None
    memory: int | None = None
    flash: int | None = None
    threads: int | None = None
    delegate: tuple[Choice, ...] | None = None
    quantization: Choice | None = None
    budgets: tuple[Budget, ...] | None = None
    cores: int | None = None
    clock: float | None = None
    bandwidth: float | None = None
    glibc: str | None = None
    route: Route = ()
    places: Mapping[str, Location] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One validated manifest; paths inside options are as written, relative to the manifest's folder.

    Where it has a ``search``, ``quantization`` and ``delegate`` are not asked for and hold the defaults.
    """

    name: str
    version: str
    description: str
    model: Choice
    inputs: tuple[Input, ...]
    task: Choice
    data: tuple[Data, ...]
    quantization: Choice
    delegate: tuple[Choice, ...]
    targets: tuple[TargetChoice, ...]
    threads: int | None
    budgets: tuple[Budget, ...]
    search: Search | None = None

    def dataset(self, role: str) -> Data | None:
        """Return the data set of that role, or None."""
        return next((data for data in self.data if data.role == role), None)


def truth_names(options: Options, role: str) -> tuple[str, ...]:
    """Return the names by which a task's options tell several truths of a sample apart; calibration needs no truth."""
    return () if role == "calibration" else tuple(options.get("names", ()))
