"""What one lowering job produced: the artifact's digest, its signature, what is inside it, and how it compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.artifacts.profile import Profile
from edgec.artifacts.target import Target

LEFT_OUT = "left out"
"""The name in ``Lowered.resolved`` of what the model gives that is no tensor."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One input or output of the artifact; ``shape`` has the upper bound where an axis is dynamic."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One kind of compute operator in the graph; ``reason`` is the partitioner's, where it gave one.

    ``where`` are source lines of the model that calls outside the delegates come from, where torch knows them.
    """

    name: str
    delegated: int
    left: int
    reason: str
    where: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes by kind: planned arenas, delegate blobs (code and packed constants), named weights, constants."""

    arenas: tuple[int, ...]
    delegate_blobs: int
    weights: int
    constants: int


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """One comparison on real inputs: ``before`` against ``after``, over ``samples`` inputs.

    ``sqnr`` is 10*log10(signal power / error power) in decibels over all samples; ``agreement`` the share of samples
    whose arg-max is unchanged; ``worst`` the id of the sample with the largest absolute error.
    """

    before: str
    after: str
    samples: int
    max_abs_error: float
    max_relative_error: float
    sqnr: float
    agreement: float
    worst: str


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """One rewrite of the exported graph at ``places`` places, with the graph's figures before and after it.

    ``operators`` are calls of operators, ``weight_bytes`` those of all tensors that the graph holds.
    ``max_relative_error`` is a share of the largest output, against the exported graph on the parity inputs; None where
    there was no answer to compare. ``dropped`` says why the rewrite was not kept, ``""`` where it was.
    """

    name: str
    places: int
    operators: tuple[int, int]
    weight_bytes: tuple[int, int]
    max_relative_error: float | None
    dropped: str = ""


@dataclass(frozen=True, kw_only=True)
class Golden:
    """One golden vector: raw little-endian tensors, one file an input and an output, relative to the job's folder.

    ``picture`` is a copy of the PNG or JPEG file that its input was decoded from, None where there was none or no room.
    """

    sample: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    picture: str | None = None


@dataclass(frozen=True, kw_only=True)
class Lowered:
    """The record beside ``model.pte`` in a job's folder (``lowered.json``); figures hold no clock and no host name.

    ``recipe`` is the name of the recipe that made it, never ``auto``.
    ``kernels`` are the operators that run outside the delegates (``aten::permute_copy.out`` …), ``backends`` the
    delegate ids (``XnnpackBackend``). ``resolved`` records what ``auto`` became. ``evaluation`` is the .npz with, for
    every evaluation sample, ``ids``, ``labels`` (where the task has them), ``output.<i>`` of the artifact and
    ``reference.<i>`` of eager fp32.
    ``profile`` is what the float model computes. ``rewrites`` are those of the exported graph that fitted somewhere, in order.
    ``not_run`` says why the artifact itself was not run, "" where it was: then ``resolved["answered by"]`` names what stood
    in for it. ``estimates`` are what the delegate's compiler estimates of the device, by figure name in base units.
    ``tolerance`` is (absolute, relative) for the golden vectors on any CPU; ``without`` are those that suffice on an Arm
    core that lacks a feature.
    ``versions`` maps package name to version; ``output_range`` is the largest absolute golden output.
    ``weights_sha256`` is over every tensor of the model as it was lowered (name, dtype, shape, bytes);
    ``weights_file_sha256`` is the file's that they were loaded from, fetched or given: "" where there was none.
    """

    recipe: str
    pte_sha256: str
    pte_bytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    kernels: tuple[str, ...]
    backends: tuple[str, ...]
    operators: tuple[Operator, ...]
    memory: Memory
    boundaries: tuple[Boundary, ...]
    golden: tuple[Golden, ...]
    tolerance: tuple[float, float]
    output_range: float
    evaluation: str | None
    resolved: Mapping[str, str]
    parameters: int
    versions: Mapping[str, str]
    weights_sha256: str
    weights_file_sha256: str = ""
    rewrites: tuple[Rewritten, ...] = ()
    profile: Profile | None = None
    without: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    not_run: str = ""
    estimates: Mapping[str, float] = field(default_factory=dict)

    def tolerance_on(self, target: Target) -> tuple[float, float]:
        """Return (absolute, relative) for the golden vectors on ``target``: one core's where it is one, else any core's."""
        found = self.tolerance
        if target.architecture == "aarch64" and not target.generic:
            for feature, tolerance in self.without.items():
                found = found if feature in target.features else tolerance
        return found

    @property
    def delegation(self) -> float:
        """Share of compute operators that run on a delegate, 0..1."""
        delegated = sum(operator.delegated for operator in self.operators)
        total = delegated + sum(operator.left for operator in self.operators)
        return delegated / total if total else 0.0
