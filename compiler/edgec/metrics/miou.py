"""Mean intersection over union: how well the predicted area of each class covers the true one, 1 at best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.samples import Evaluation
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.metrics.bootstrap import drawn

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "mean over the classes of intersection over union, with all pixels of the data together"
OPTIONS: Json = {"type": "object", "title": "miou", "additionalProperties": False, "properties": {}}
NEEDS: tuple[str, ...] = ()
SHARE = True
HIGHER_IS_BETTER = True
NEEDS_LABELS = True
PAIRED = False
RESAMPLED = True

IGNORED = -1
"""A true class below 0 marks a pixel that counts for nothing."""


def value(evaluation: Evaluation, options: Options) -> float:
    """Return the mean over the classes that occur (in the truth or in an answer) of intersection / union.

    Both are counted over all samples, as in the PASCAL VOC challenge (doi:10.1007/s11263-014-0733-5): outputs
    [N, classes, height, width] against masks [N, rows, columns]. Raises Failure ``data-labels``, also where every pixel
    is ignored.
    """
    return float(_mean(*(counts.sum(axis=0) for counts in _counts(evaluation.outputs[0], evaluation))))


def resampled(evaluation: Evaluation, options: Options) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return it for the artifact and for eager fp32 over bootstrap samples of the pictures, the same for both.

    A resample of nothing but ignored pixels has no such mean, and is left out.
    """
    counts = [_counts(output, evaluation) for output in (evaluation.outputs[0], evaluation.reference[0])]
    draws = drawn(len(evaluation.ids))
    draws = draws[draws @ counts[0][1].sum(axis=1) > 0]
    actual, before = (_mean(draws @ inter, draws @ union) for inter, union in counts)
    return actual, before


def detail(evaluation: Evaluation, options: Options) -> Mapping[str, Json]:
    """Return each class's own intersection over union, null for one that does not occur."""
    inter, union = (counts.sum(axis=0) for counts in _counts(evaluation.outputs[0], evaluation))
    return {"classes": [float(i / u) if u else None for i, u in zip(inter, union, strict=True)]}


def scores(outputs: tuple[NDArray[Any], ...], evaluation: Evaluation, options: Options) -> None:
    """Return None: it is no mean over samples."""
    return


def _counts(output: NDArray[Any], evaluation: Evaluation) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the pixels of intersection and of union [N, classes], by sample and class."""
    import numpy as np

    truth, classes = _truth(output, evaluation), output.shape[1]
    inter, union = np.zeros((len(output), classes)), np.zeros((len(output), classes))
    for index, (planes, mask) in enumerate(zip(output, truth, strict=True)):
        guess = _scaled(planes.argmax(axis=0), mask.shape)
        known = mask != IGNORED
        inter[index] = np.bincount(mask[known & (guess == mask)], minlength=classes)
        both = np.bincount(mask[known], minlength=classes) + np.bincount(guess[known], minlength=classes)
        union[index] = both - inter[index]
    return inter, union


def _scaled(guess: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a map of classes at the mask's size, by nearest neighbour: many networks answer at a quarter of the input's."""
    import numpy as np

    rows, columns = ((np.arange(size) * 2 + 1) * given // (2 * size) for size, given in zip(shape, guess.shape, strict=True))
    found: NDArray[Any] = guess[np.ix_(rows, columns)]
    return found


def _truth(output: NDArray[Any], evaluation: Evaluation) -> NDArray[Any]:
    """Return the masks [N, rows, columns] as integers, IGNORED where a pixel counts for nothing."""
    import numpy as np

    labels = evaluation.labels
    if labels is None or labels.dtype.kind not in "iub" or labels.ndim != 3:
        shown = "none" if labels is None else f"{labels.dtype} {list(labels.shape[1:])}"
        raise _unfit(f"the truth of a segmentation is a mask, an integer for each pixel of a sample; here it is {shown}")
    masks = labels.astype(np.int64)
    if (largest := int(masks.max(initial=0))) >= output.shape[1]:
        raise _unfit(f"a mask holds the class {largest}, and the model has the classes 0 to {output.shape[1] - 1}")
    if (masks == IGNORED).all():
        raise _unfit("every pixel of the masks is one to ignore: nothing tells what is where", "check the masks and `ignore`")
    return masks


def _mean(inter: NDArray[Any], union: NDArray[Any]) -> Any:
    """The mean of inter / union over the last axis, of the classes that occur; some class does."""
    import numpy as np

    share = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return share.sum(axis=-1) / (union > 0).sum(axis=-1)


def _unfit(message: str, hint: str = "use the format segmentation-folder") -> Failure:
    return Failure(Diagnostic(code="data-labels", message=message, where=Location(file="", route=()), hint=hint))
