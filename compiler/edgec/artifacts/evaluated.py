"""What is kept of a bundle's evaluation beside it: sample by sample the truth, the decisions and the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgec.artifacts.document import Json


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """``samples`` are the ids of N samples of the data set at ``path`` (relative to the manifest), in ``format``.

    ``truth``, ``decisions`` and ``reference`` are class indices, one a sample: the label, the artifact's arg-max and eager
    fp32's; None where the task decides on no class, or the data has no labels. ``scores`` has, by metric, one score a
    sample of the artifact, whose mean is the metric.
    """

    format: str
    path: str
    samples: tuple[str, ...]
    truth: tuple[int, ...] | None
    decisions: tuple[int, ...] | None
    reference: tuple[int, ...] | None
    scores: Mapping[str, tuple[float, ...]]


def evaluated_record(found: Evaluated) -> Json:
    """Return the ``evaluation`` of measurements.json (docs/bundle.md)."""
    return {
        "format": found.format,
        "path": found.path,
        "samples": list(found.samples),
        "truth": _listed(found.truth),
        "decisions": _listed(found.decisions),
        "reference": _listed(found.reference),
        "scores": {name: [_short(score) for score in scores] for name, scores in sorted(found.scores.items())},
    }


def evaluated_of(record: Json) -> Evaluated:
    """Return the Evaluated that a record holds; raises ValueError, saying what is wrong with it, where it is none."""
    if not isinstance(record, dict):
        raise ValueError("evaluation is not an object")
    samples = _column(record, "samples", str)
    if samples is None or len(set(samples)) != len(samples):
        raise ValueError("evaluation.samples is no list of different names")
    columns = {name: _column(record, name, int, len(samples)) for name in ("truth", "decisions", "reference")}
    scores = record.get("scores", {})
    if not isinstance(scores, dict):
        raise ValueError("evaluation.scores is not an object")
    kept = {name: _column(scores, name, (int, float), len(samples)) or () for name in scores}
    return Evaluated(
        format=str(record.get("format", "")), path=str(record.get("path", "")), samples=samples, scores=kept, **columns
    )


def _column(record: Json, name: str, kind: Any, count: int | None = None) -> Any:
    """A tuple of values of one kind, as many as there are samples; None for null."""
    found = record.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(item, kind) and not isinstance(item, bool) for item in found):
        raise ValueError(f"evaluation.{name} does not hold what it should")
    if count is not None and len(found) != count:
        raise ValueError(f"evaluation.{name} has {len(found)} values for {count} samples")
    return tuple(found)


def _listed(values: Sequence[int] | None) -> list[int] | None:
    return None if values is None else list(values)


def _short(score: float) -> float | int:
    """A score to seven digits, as float32 has them; right and wrong as 1 and 0."""
    return int(score) if score in (0.0, 1.0) else float(f"{score:.7g}")
