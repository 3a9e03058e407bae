"""The truth of a detection sample, the boxes of one picture, as the array that evaluation data carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = 6


@dataclass(frozen=True, kw_only=True)
class Box:
    """One object: class index, and its box in pixels of the picture. ``crowd``: several that are not told apart."""

    label: int
    x: float
    y: float
    width: float
    height: float
    crowd: bool = False


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A picture of ``size`` (width, height) and its boxes, none of them or many."""

    size: tuple[int, int]
    boxes: tuple[Box, ...]


def packed(truth: Truth, most: int) -> NDArray[Any]:
    """Return ``truth`` as float64 [1 + most, 6]: width, height and number of boxes first, then a box a row, then zeros."""
    import numpy as np

    array = np.zeros((1 + most, COLUMNS))
    array[0, :3] = (*truth.size, len(truth.boxes))
    for row, box in enumerate(truth.boxes, 1):
        array[row] = (box.label, box.x, box.y, box.width, box.height, box.crowd)
    return array


def unpacked(array: NDArray[Any]) -> Truth:
    """Return the Truth that ``packed`` made the array of. Raises ValueError for any other array."""
    rows = array.tolist()
    if array.ndim != 2 or array.shape[1] != COLUMNS or not 0 <= rows[0][2] < len(rows):
        raise ValueError(f"an array {list(array.shape)} holds no boxes of a picture")
    boxes = [Box(label=int(row[0]), x=row[1], y=row[2], width=row[3], height=row[4], crowd=bool(row[5])) for row in rows[1:]]
    return Truth(size=(int(rows[0][0]), int(rows[0][1])), boxes=tuple(boxes[: int(rows[0][2])]))

