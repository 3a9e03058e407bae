"""Written releases of a made-up camera, torch-free, whose evaluations, figures and inputs a test chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bundle_parts import lowered, measured, plan, runner, verdicts
from edgec.artifacts.bundle import Written
from edgec.artifacts.evaluated import Evaluated
from edgec.artifacts.measured import Figure, Measured
from edgec.stages.render import render
from edgec.stages.write import write

TRUTH = tuple(index % 2 for index in range(100))
SAMPLES = tuple(f"{truth}/{index:03}.png" for index, truth in enumerate(TRUTH))
DATA = "data/test"


def flipped(*positions: int) -> tuple[int, ...]:
    """The truth of every sample, but for those at ``positions``."""
    return tuple(1 - truth if index in positions else truth for index, truth in enumerate(TRUTH))


def evaluated(decisions: Sequence[int] = TRUTH, **changes: object) -> Evaluated:
    """One hundred samples of two classes, and fp32 always right."""
    scores = {"top1": tuple(float(decided == truth) for decided, truth in zip(decisions, TRUTH, strict=False))}
    found = Evaluated(
        format="image-folder",
        path=DATA,
        samples=SAMPLES,
        truth=TRUTH,
        decisions=tuple(decisions),
        reference=TRUTH,
        scores=scores,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def files(**others: str) -> Mapping[str, str]:
    """The evaluation data's files by digest, as a plan has them; ``others`` replaces or adds some, by path."""
    digests = {f"manifests/{DATA}/{sample}": f"{index:064x}" for index, sample in enumerate(SAMPLES)}
    return {**digests, "manifests/weights/camera.safetensors": "2" * 64, **others}


def figures(*changes: Figure, accuracy: float = 1.0) -> Measured:
    """The usual figures, those of ``changes`` in the place of their namesakes."""
    new = {figure.name: figure for figure in changes}
    usual = [replace(figure, value=accuracy) if figure.name == "accuracy.top1" else figure for figure in measured().figures]
    named = {figure.name for figure in usual}
    kept = tuple(new.get(figure.name, figure) for figure in usual)
    return Measured(figures=(*kept, *(figure for figure in changes if figure.name not in named)))


def latency(value: float, spread: float = 0.05, cpu: str = "A Certain CPU", threads: int = 2) -> Figure:
    """A latency at the 90th percentile, its interval ``spread`` of it to either side."""
    interval = (value * (1 - spread), value * (1 + spread))
    detail = {"threads": threads, "cpu": cpu}
    return Figure(
        name="latency.p90", value=value, unit="s", evidence="host", samples=256, interval=interval, clocked=True, detail=detail
    )


def release(
    place: Path,
    kept: Evaluated | None = None,
    found: Measured | None = None,
    *,
    states: Mapping[str, str] | None = None,
    **changes: object,
) -> Written:
    """A release written below ``place`` (which must not exist yet); ``states`` are verdicts by budget kind."""
    found = found or figures()
    changes.setdefault("files", files())
    job = place / "job"
    artifact, made = lowered(job), runner(place / "runner")
    bundle = render(plan(**changes), artifact, job, made, found, verdicts(found, **(states or {})), False, evaluated=kept)
    return write(bundle, place / "out")
