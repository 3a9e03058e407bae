"""Raw heads of a YOLOv3 to boxes in the source picture's pixels: the only definition in Python of decoding and suppression.

``templates/runner/tasks/detection.h`` holds the same in C++, equal box for box; change both or neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgec.artifacts.manifest import Image, Options
from edgec.datasets.pixels import Placement, placement

if TYPE_CHECKING:
    from numpy.typing import NDArray

CANDIDATES = 1000
"""More than this many candidates are cut off at the lowest scores before they are compared with each other."""

LARGEST_LOGARITHM = 8.0
"""Of a width or height, against overflow: 2,981 times the anchor."""


@dataclass(frozen=True, kw_only=True)
class Detections:
    """``boxes`` [N, 4] are x, y, width and height in pixels, ``scores`` [N] descend, ``classes`` [N] are indices."""

    boxes: NDArray[Any]
    scores: NDArray[Any]
    classes: NDArray[Any]


def detections(
    heads: Sequence[NDArray[Any]], options: Options, classes: int, image: Image, source: tuple[int, int]
) -> Detections:
    """Return what ``heads`` (an array [anchors * (5 + classes), rows, columns] each) hold of a picture of size ``source``.

    ``options`` are the task's. Of equal scores the one that comes first in the heads is first.
    """
    import numpy as np

    least = float(options.get("score_threshold", 0.25))
    decoded = [
        _decoded(head, anchors, classes, image, least) for head, anchors in zip(heads, options["anchors"], strict=True)
    ]
    corners, scores, kinds = (np.concatenate(column) for column in zip(*decoded, strict=True))
    order = np.argsort(-scores, kind="stable")[:CANDIDATES]
    kept = _suppressed(corners[order], kinds[order], float(options.get("iou_threshold", 0.45)))
    chosen = order[kept]
    boxes = _in_source(corners[chosen], placement(source, image), source)
    seen = np.flatnonzero((boxes[:, 2] > 0) & (boxes[:, 3] > 0))[: int(options.get("max_detections", 100))]
    return Detections(boxes=boxes[seen], scores=scores[chosen][seen], classes=kinds[chosen][seen])


def _decoded(
    head: NDArray[Any], anchors: Any, classes: int, image: Image, least: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Corners [N, 4] in the input's pixels, scores and classes of all pairs of box and class that reach the threshold.

    Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018, section 2.1 and figure 2.
    """
    import numpy as np

    rows, columns = head.shape[-2:]
    values = head.reshape(len(anchors), 5 + classes, rows * columns).astype("float64").transpose(0, 2, 1)
    scores = _sigmoid(values[..., 4:5]) * _sigmoid(values[..., 5:])
    anchor, cell, kinds = np.nonzero(scores >= least)
    found = values[anchor, cell]
    size = np.exp(np.minimum(found[:, 2:4], LARGEST_LOGARITHM)) * np.asarray(anchors, dtype="float64")[anchor]
    corner = np.stack((cell % columns, cell // columns), 1)
    centre = (_sigmoid(found[:, :2]) + corner) * np.array([image.width / columns, image.height / rows])
    return np.concatenate((centre - size / 2, centre + size / 2), 1), scores[anchor, cell, kinds], kinds


def _sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    with np.errstate(over="ignore", under="ignore"):  # exp(-logit) may be infinite, and the sigmoid then 0
        found: NDArray[Any] = 1 / (1 + np.exp(-logits))
    return found


def _suppressed(corners: NDArray[Any], kinds: NDArray[Any], most: float) -> list[int]:
    """The indices of boxes, best first, that no better one of the same class overlaps by more than ``most``."""
    kept: list[int] = []
    by_class: dict[int, list[int]] = {}
    for index, kind in enumerate(kinds.tolist()):
        better = by_class.setdefault(kind, [])
        if not better or float(_overlap(corners[better], corners[index]).max()) <= most:
            better.append(index)
            kept.append(index)
    return kept


def _overlap(boxes: NDArray[Any], one: NDArray[Any]) -> NDArray[Any]:
    """Intersection over union of each of ``boxes`` [N, 4] (corners) with ``one`` [4]; 0 where they do not meet."""
    import numpy as np

    sides = np.minimum(boxes[:, 2:], one[2:]) - np.maximum(boxes[:, :2], one[:2])
    shared = np.where((sides > 0).all(1), sides.prod(1), 0.0)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (one[2:] - one[:2]).prod() - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def _in_source(corners: NDArray[Any], place: Placement, source: tuple[int, int]) -> NDArray[Any]:
    """The boxes [N, 4] as x, y, width and height of what of them lies within the source picture."""
    import numpy as np

    scale, shift = np.array([place.across, place.down] * 2), np.array([place.left, place.upper] * 2)
    found = np.clip(corners * scale + shift, 0.0, np.array([*source, *source], dtype="float64"))
    return np.concatenate((found[:, :2], found[:, 2:] - found[:, :2]), 1)
