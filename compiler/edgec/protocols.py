"""The shape of each kind of plugin: a module of plain functions whose top level imports no torch.

Every plugin module holds SUMMARY (one line for `edgec list`), OPTIONS (the JSON Schema of its options: an object schema
with ``additionalProperties: false``, titles, descriptions and defaults) and NEEDS (import names of optional packages).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgec.artifacts.bundle import File, Layout, Requirement
from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Input, Options
from edgec.artifacts.material import Material
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Evaluation, Sample
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target
from edgec.diagnostics import Diagnostic

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from edgec.artifacts.lowered import Lowered
    from edgec.artifacts.measured import Figure
    from edgec.artifacts.parts import Parts
    from edgec.artifacts.plan import Plan


class Plugin(Protocol):
    """What every plugin has."""

    SUMMARY: str
    OPTIONS: Json
    NEEDS: tuple[str, ...]


class Source(Plugin, Protocol):
    """Where a model comes from. OPTIONS describes the keys of ``model`` beside ``source``."""

    RUNS_CODE: bool

    def missing(self) -> str | None:
        """Return what must be installed before this source can load here, or None; imports nothing heavy."""

    def check(self, options: Options, project: Project) -> list[Diagnostic]:
        """Return what can be known wrong without torch; locations are routes relative to ``model``."""

    def files(self, options: Options, project: Project) -> list[Path]:
        """Return the project's files that loading reads (weights, code), sorted; they are hashed into the plan."""

    def trust(self, options: Options) -> str | None:
        """Return the entry (``module:callable``, ``file.pt2``) that must be trusted before it loads, or None."""

    def trust_digest(self, options: Options, project: Project) -> str:
        """Return the sha256 over all code that loading may run, which a policy names beside the entry; else ``""``."""

    def load(self, options: Options, project: Project) -> torch.nn.Module:
        """Return the float32 model in evaluation mode. Raises Failure with exit code 4 (8 for the network).

        Code of the project runs only as ``project.files`` has it: Failure ``digest-mismatch``.
        """

    def weights_digest(self, options: Options, project: Project) -> str:
        """Return the full sha256 of the weights' file, else ``""``; called after ``load``, which has fetched it."""


class Dataset(Plugin, Protocol):
    """A format of data on disk. OPTIONS describes the keys of a ``data`` entry beside ``format``.

    TRUTHS are the kinds of truth that a sample may have (``Task.TRUTH``).
    """

    TRUTHS: tuple[str, ...]

    def check(
        self, options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
    ) -> list[Diagnostic]:
        """Return what can be known wrong without decoding every sample; routes are relative to the data entry."""

    def files(self, options: Options, project: Project) -> list[Path]:
        """Return every file that ``samples`` reads, sorted, as absolute paths."""

    def labelled(self, options: Options, project: Project, labels: Sequence[str]) -> bool:
        """Return whether samples have a truth, at no more cost than names and headers. Raises Failure ``data-…``."""

    def samples(
        self, options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
    ) -> Sequence[Sample]:
        """Return the samples in a stable order, decoded when indexed. Raises Failure ``data-…`` on a bad sample.

        ``labels`` are the task's classes, ``names`` what it calls the numbers of a truth, in order; () where it says neither.
        The sequence also has ``identities()``: the id and the truth of each sample, with nothing decoded.
        """


class Recipe(Plugin, Protocol):
    """A way to trade precision for speed and size. PRECISION is what the delegate computes in; of one that is ``fp16`` a
    float16 copy of the model is exported, of any other the float32 model.


    NEEDS_DATA are the roles of data that it cannot do without (``calibration``, ``training``).
    OPERATORS are the kinds of operators that it makes smaller. FEATURES name, by architecture, the CPU features (as in
    /proc/cpuinfo, and in words) without which it saves size and hardly any time.
    LIMITS says how far ``exported``, ``quantized`` and ``pte`` may each be from the step before, and how far the artifact
    may be from eager (``total``). TOLERANCE is (absolute, relative) for golden vectors on any CPU, WITHOUT what suffices on
    an Arm core that lacks a feature, the last that fits.
    """

    PRECISION: str
    NEEDS_DATA: tuple[str, ...]
    OPERATORS: tuple[str, ...]
    FEATURES: Mapping[str, Mapping[str, str]]
    LIMITS: Mapping[str, Limit]
    TOLERANCE: tuple[float, float]
    WITHOUT: Mapping[str, tuple[float, float]]

    def quantize(self, program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
        """Return the ExportedProgram to lower; the same program where the recipe quantizes nothing."""


class Delegate(Plugin, Protocol):
    """A backend that runs parts of the graph. Hooks are called by stages/lower.py in the order they stand here.

    RECIPES are those it can run; BACKENDS the delegate ids that it leaves in the artifact. AVAILABLE is False where it is
    known and can be had nowhere that edgec installs from: manifests that name it are told what ``missing`` says.
    FOLDS says whether it takes weights as integers, which ``convert_pt2e`` makes of them, or quantizes floats itself.
    SELECTIVE says whether its quantizer can be told to leave a part of the graph alone.
    SCHEME are the options of a recipe, among ``scheme.OPTIONS``, that its quantizer heeds; another than the default of the
    rest is refused.
    NOT_RUN says why its artifact does not run on a build machine, "" where it does; then ``stand_in`` answers for it.
    CPU_FEATURES are, by architecture, the features without which its artifact does not run (names as in /proc/cpuinfo).
    ARITHMETIC says, by precision, how far its own arithmetic may be from the graph's where that is further than the
    recipe allows, and the (absolute, relative) tolerance for golden vectors that goes with it.
    One whose options may be none for a target has ``unfit(options, target)`` too: why, or None (``delegates/ethos_u.py``).
    One that computes beside the cores at their clock has ``accelerator(options)``: its name, and its multiply-accumulates a
    cycle by precision, for the bound of ``stages/predict.py``.
    One whose quantizer fails on known models has ``remedy(options)``: what to try then, or None (``delegates/openvino.py``).
    """

    RECIPES: tuple[str, ...]
    BACKENDS: tuple[str, ...]
    AVAILABLE: bool
    FOLDS: bool
    SELECTIVE: bool
    SCHEME: tuple[str, ...]
    NOT_RUN: str
    CPU_FEATURES: Mapping[str, tuple[str, ...]]
    ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]]

    def missing(self) -> str | None:
        """Return what must be installed before this delegate can lower here, or None; imports nothing heavy."""

    def settled(self, options: Options, target: Target) -> Options:
        """Return ``options`` with what the target decides where they leave it open; torch-free."""

    def quantizer(self, scheme: Scheme, options: Options) -> Any:
        """Return the PT2E quantizer whose patterns this delegate takes."""

    def partitioners(self, precision: str, options: Options) -> list[Any]:
        """Return the partitioners for ``to_edge_transform_and_lower``, in order."""

    def steps(self, precision: str, options: Options) -> Steps:
        """Return what else the lowering must do; of several delegates the first has the word."""

    def stand_in(self, program: Any, precision: str, options: Options) -> Any:
        """Return a callable that answers as the artifact of ``program`` (an ExportedProgram) would, outputs in a tuple.

        None where there is no reference of the device here. Called only where NOT_RUN says something.
        """


class Metric(Plugin, Protocol):
    """One figure of merit. SHARE: its value is a share of 1, written in percent. NEEDS_LABELS: it compares with truth.

    PAIRED: it is a mean of ``scores``, so that a drop against fp32 can be judged sample by sample. One that is no mean may
    have ``RESAMPLED = True`` and ``resampled(evaluation, options)``, which returns the artifact's and eager fp32's values
    over bootstrap samples of the data: intervals, also of the drop, come from these. ``detail(evaluation, options)``, where
    it has that, is recorded with its figure. One with NEEDS has ``missing()``, as
    sources have it. RECORDINGS, where it is there and true, asks for windows of recordings, whose truth is NO_CLASS, beside
    the samples; ``interval(evaluation, options)``, where it is there, returns the value's 95 % interval. A figure whose
    ``detail`` has ``events`` counted in ``hours`` is judged by that interval: few events say little. BEST, where it is
    there, is a value that no model is beyond. OF_TASK, where it is there, names the options that are the task's too, and
    says whether one of the two must have it.
    """

    SHARE: bool
    HIGHER_IS_BETTER: bool
    NEEDS_LABELS: bool
    PAIRED: bool

    def value(self, evaluation: Evaluation, options: Options) -> float:
        """Return the metric of the artifact's outputs."""

    def scores(self, outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> NDArray[Any] | None:
        """Return one score a sample whose mean is the metric, or None where it is not such a mean."""


class Task(Plugin, Protocol):
    """What the outputs mean. METRICS are those that make sense for it; the first is the default.

    TRUTH is the kind of truth of a sample that they are compared with: a ``class``, a ``number`` or an array of them,
    ``boxes``, a ``mask``; ``""`` where there is none.
    DECIDES says what the arg-max over the classes of the first output decides: the class of the ``sample``, or of each
    ``place`` in it; ``""`` where there is no such decision.
    """

    METRICS: tuple[str, ...]
    TRUTH: str
    DECIDES: str

    def check(self, options: Options, project: Project) -> list[Diagnostic]:
        """Return what can be known wrong without torch; routes are relative to ``task``."""

    def labels(self, options: Options, project: Project) -> tuple[str, ...]:
        """Return the class names in index order, or () where the task has none."""

    def unfit(self, options: Options, labels: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str | None:
        """Return why outputs of these shapes (of one inference) are none of this task, or None."""


class Rewrite(Protocol):
    """A change of an exported graph that computes the same and lowers better. It has no options and no key of its own.

    DELEGATES are those it helps, () where it helps with any. RECIPES are those by name that it is for alone, and then it wants
    one of DELEGATES to quantize, the first of the plan's; () where ``suits`` says enough.
    """

    SUMMARY: str
    DELEGATES: tuple[str, ...]
    RECIPES: tuple[str, ...]

    def suits(self, precision: str, static: bool) -> bool:
        """Return whether it helps a recipe of that PRECISION; ``static``: one whose activation ranges are observed."""

    def rewrite(self, program: Any) -> list[Any]:
        """Edit the ExportedProgram in place; return the new nodes, one a place, [] where it fits nowhere."""


class BundleKind(Protocol):
    """What a bundle for one kind of device holds beside the artifact and the records. A target's row names its kind.

    RUNNER: it carries edgec's own runner. JUDGES: it has a verify.sh, which judges on the device, after a load too.
    SELF_TEST: a build has this machine compile and run the bundle's own sources, for its figures.
    PLANNED is the figure that may meet a memory budget, ``""`` where planned memory can only miss one.
    UNRUN are the parts of the bundle that no build machine runs.
    DTYPES are the types of tensors that its sources make and read; none are named where they take all that a model can have.
    """

    SUMMARY: str
    RUNNER: bool
    SELF_TEST: bool
    JUDGES: bool
    LAYOUT: Layout
    PLANNED: str
    UNRUN: tuple[str, ...]
    DTYPES: tuple[str, ...]

    def requirements(self, parts: Parts) -> tuple[Requirement, ...]:
        """Return what the bundle's own build takes from elsewhere."""

    def figures(self, plan: Plan, lowered: Lowered, folder: Path, cache: Path, offline: bool) -> list[Figure]:
        """Return what can be found out here about an artifact that has no runner; ``folder`` is its job's."""

    def files(self, parts: Parts) -> dict[str, File]:
        """Return every file beside the artifact, the golden vectors and the records, by its path in the bundle."""

    def check(self, folder: Path, facts: Json) -> list[Diagnostic]:
        """Return what is wrong in a bundle whose digests hold: its parts against its bundle.json. Nothing is run."""
