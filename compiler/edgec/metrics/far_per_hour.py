"""False accepts per hour: how often a keyword is told in recordings in which none is said, by the runner's own rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import NO_CLASS, Evaluation
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.metrics.interval import poisson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "keywords told per hour of recordings in which none is said"
OPTIONS: Json = {"type": "object", "title": "far-per-hour", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
UNIT = ""
SHARE = False
HIGHER_IS_BETTER = False
BEST = 0.0
NEEDS_LABELS = True
PAIRED = False
RECORDINGS = True
"""It looks at windows of recordings, which no other metric does."""


def value(evaluation: Evaluation, options: Options) -> float:
    """Return false accepts over the recordings' time, their number of windows times the hop. Raises Failure ``data-labels``."""
    return _false_accepts(evaluation) / _hours(evaluation)


def interval(evaluation: Evaluation, options: Options) -> tuple[float, float]:
    """Return the 95 % interval of the rate: false accepts are taken for a Poisson process."""
    low, high = poisson_interval(_false_accepts(evaluation))
    return low / _hours(evaluation), high / _hours(evaluation)


def detail(evaluation: Evaluation, options: Options) -> Mapping[str, Json]:
    """Return how many false accepts there were, in how many hours."""
    return {"events": _false_accepts(evaluation), "hours": _hours(evaluation)}


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> None:
    """Return None: it is no mean over samples."""
    return


def told(probabilities: NDArray[Any], keywords: list[int], task: Options, hop: float) -> list[tuple[int, int]]:
    """Return (window, class) of each keyword that is told in ``probabilities`` [windows, classes] of one recording.

    ``templates/runner/tasks/keyword_spotting.h`` tells by the same rules. Posteriors are smoothed, and one threshold holds
    for all keywords, as in Chen, Parada and Heigold, "Small-footprint keyword spotting using deep neural networks", 2014.
    """
    found: list[tuple[int, int]] = []
    width, pause = task.get("smoothing", 3), math.ceil(task.get("refractory", 1.0) / hop - 1e-9)
    for window in range(len(probabilities)):
        if found and window - found[-1][0] < pause:
            continue
        mean = probabilities[max(0, window - width + 1) : window + 1].mean(axis=0)
        best = int(mean.argmax())
        if best in keywords and mean[best] >= task.get("threshold", 0.8):
            found.append((window, best))
    return found


def _false_accepts(evaluation: Evaluation) -> int:
    background = evaluation.task.get("background", [])
    keywords = [index for index, name in enumerate(evaluation.classes) if name not in background]
    assert evaluation.hop is not None  # _hours refused it
    return sum(len(told(rows, keywords, evaluation.task, evaluation.hop)) for rows in _recordings(evaluation))


def _hours(evaluation: Evaluation) -> float:
    labels = evaluation.labels
    windows = 0 if labels is None or labels.dtype.kind not in "iu" else int((labels == NO_CLASS).sum())
    if not windows or not evaluation.hop:
        message = "far-per-hour is taken of recordings, and the evaluation data has none"
        hint = "give audio-folder `recordings:`, a folder of sound in which no keyword is said"
        raise Failure(Diagnostic(code="data-labels", message=message, where=Location(file="", route=()), hint=hint))
    return windows * evaluation.hop / 3600


def _recordings(evaluation: Evaluation) -> Iterator[NDArray[Any]]:
    """Yield the probabilities [windows, classes] of each recording, in the order of time."""
    import numpy as np

    assert evaluation.labels is not None
    places: dict[str, list[int]] = {}
    for index in np.flatnonzero(evaluation.labels == NO_CLASS):
        places.setdefault(evaluation.ids[index].rpartition("#")[0], []).append(int(index))
    logits = evaluation.outputs[0].reshape(len(evaluation.ids), -1).astype("float64")
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    for rows in places.values():
        yield probabilities[rows]
