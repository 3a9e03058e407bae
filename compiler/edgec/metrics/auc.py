"""Area under the ROC curve: the chance that a fault scores above what is normal; 0.5 is what guessing gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.metrics.faults import scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "area under the ROC curve of the scores, 1 at best"
OPTIONS: Json = {"type": "object", "title": "auc", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
UNIT = ""
SHARE = False
HIGHER_IS_BETTER = True
BEST = 1.0
NEEDS_LABELS = True
PAIRED = False


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the Mann-Whitney statistic over all pairs of a fault and a normal sample; equal scores count half.

    Hanley and McNeil, "The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve", 1982.
    """
    import numpy as np

    scores, faulty = scored(evaluation)
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # of equal scores, their mean rank
    faults = int(faulty.sum())
    above = ranks[faulty].sum() - faults * (faults + 1) / 2
    return float(above / (faults * (len(scores) - faults)))


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> None:
    """Return None: it is no mean over samples."""
    return
