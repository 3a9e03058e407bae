"""One mask (PNG, a class index a pixel) to the size that its picture is fed at: the only definition of what is true there."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.manifest import Image
from edgec.datasets.pixels import PIXEL_LIMIT, contain_size, cover_box
from edgec.diagnostics import Diagnostic, Failure, Location

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORED = -1
"""What stands in a mask for pixels that count for nothing."""
GREY = 0
"""The colour type of grey in a PNG's header (PNG specification, section 11.2.1, IHDR)."""
STRETCHED = {2: 85, 4: 17}
"""By what Pillow multiplies grey of so many bits, so that it fills 0 to 255."""


def read_mask(path: Path, name: str) -> NDArray[Any]:
    """Return the class indices [height, width] of a PNG in grey or palette, of any depth.

    ``name`` is its path in the project. Raises Failure ``data-unreadable`` there for anything else: the indices of a
    colour picture are anybody's guess.
    """
    import numpy as np
    import PIL.Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = path.read_bytes()
            opened = PIL.Image.open(io.BytesIO(content), formats=("PNG",))
            if opened.width * opened.height > PIXEL_LIMIT:
                raise ValueError("it has more pixels than the limit of 64 megapixels")
            if opened.mode not in ("L", "P", "1") and not opened.mode.startswith("I"):
                raise _unreadable(name, f"it is a picture in {opened.mode}", "save a class index a pixel: grey or palette")
            opened.load()
            bits, colour = content[24:26]
            indices: NDArray[Any] = np.asarray(opened).astype(np.int32)
            return indices // STRETCHED.get(bits, 1) if colour == GREY else indices
    except PIL.UnidentifiedImageError:
        raise _unreadable(name, "it is no PNG", "masks are PNG, a class index a pixel: JPEG would change them") from None
    except (PIL.Image.DecompressionBombError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise _unreadable(name, str(error) or type(error).__name__, "replace the file") from None


def check_mask(mask: NDArray[Any], size: tuple[int, int], classes: int, ignore: int, name: str) -> None:
    """Raise Failure where a mask is not of its picture's ``size`` (width, height) or holds no class of the task's.

    ``data-mismatch`` and ``data-labels`` at ``name``, its path in the project; ``classes`` is 0 where the task names none.
    """
    import numpy as np

    height, width = mask.shape
    if (width, height) != size:
        message = f"the mask {name!r} has {width} x {height} pixels, its picture {size[0]} x {size[1]}"
        raise _wrong("data-mismatch", message, name, "a mask has a pixel for each of its picture")
    bad = np.argwhere((mask != ignore) & (mask >= classes))
    if classes and len(bad):
        row, column = (int(at) for at in bad[0])
        message = f"the mask {name!r} holds class {int(mask[row, column])}, first at column {column}, row {row}"
        hint = f"the task's {classes} labels are the classes 0 to {classes - 1}; `ignore` is {ignore}"
        raise _wrong("data-labels", message, name, hint)


def fitted_mask(mask: NDArray[Any], image: Image, ignore: int) -> NDArray[Any]:
    """Return the mask [image.height, image.width] where its picture's pixels come from, by nearest neighbour.

    IGNORED stands for ``ignore``, and for the border of ``contain``, which the picture does not cover.
    """
    import numpy as np

    height, width = mask.shape
    target = (image.width, image.height)
    box = cover_box((width, height), target) if image.fit == "cover" else (0.0, 0.0, float(width), float(height))
    inner = contain_size((width, height), target) if image.fit == "contain" else target
    columns = _nearest(box[0], box[2], inner[0], width)
    rows = _nearest(box[1], box[3], inner[1], height)
    found = np.full((image.height, image.width), IGNORED, np.int16)
    left, upper = (target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2
    part = mask[np.ix_(rows, columns)]
    found[upper : upper + inner[1], left : left + inner[0]] = np.where(part == ignore, IGNORED, part)
    return found


def _nearest(low: float, high: float, count: int, size: int) -> NDArray[Any]:
    """The pixel under the centre of each of ``count`` equal parts from ``low`` to ``high``."""
    import numpy as np

    centres = low + (np.arange(count) + 0.5) * ((high - low) / count)
    indices: NDArray[Any] = np.clip(np.floor(centres).astype(np.int64), 0, size - 1)
    return indices


def _unreadable(name: str, why: str, hint: str) -> Failure:
    return _wrong("data-unreadable", f"the mask {name!r} cannot be read: {why}", name, hint)


def _wrong(code: str, message: str, name: str, hint: str) -> Failure:
    return Failure(Diagnostic(code=code, message=message, where=Location(file=name), hint=hint))
