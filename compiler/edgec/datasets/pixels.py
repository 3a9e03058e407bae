"""One picture (PNG or JPEG) to the pixels that the model is fed: the only definition in Python of decode and fit.

``templates/runner`` holds the same in C++, equal pixel for pixel on PNG; change both or neither.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgec.artifacts.manifest import Image
from edgec.diagnostics import Diagnostic, Failure, Location

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

SUFFIXES = (".png", ".jpg", ".jpeg")
UNREAD = (".bmp", ".gif", ".heic", ".tif", ".tiff", ".webp", ".avif", ".jfif", ".jpe", ".ppm", ".pgm")
PIXEL_LIMIT = 64_000_000
"""Largest picture that is decoded: 64 megapixels, 192 MB as RGB."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a point of the fitted picture lies in the source: ``x * across + left``, ``y * down + upper``."""

    across: float
    down: float
    left: float
    upper: float


def pixels(picture: Path | bytes, image: Image, name: str | None = None) -> NDArray[np.uint8]:
    """Return ``picture`` (a path or a file's bytes) as RGB [image.height, image.width, 3].

    ``name`` is what a message calls the picture. Raises Failure ``data-unreadable`` for anything that is not a whole
    PNG or JPEG of at most PIXEL_LIMIT pixels.
    """
    import numpy as np

    return np.array(fit(decode(picture, name), image.width, image.height, image.fit), dtype=np.uint8)


def decode(picture: Path | bytes, name: str | None = None) -> PIL.Image.Image:
    """Return the picture in mode RGB: 16 bits keep their high byte, alpha is dropped, EXIF rotation is not applied."""
    import PIL.Image

    shown = name or (str(picture) if isinstance(picture, Path) else "the picture")
    try:
        content = picture.read_bytes() if isinstance(picture, Path) else picture
        with warnings.catch_warnings():
            # Pillow warns of its own pixel limit; ours, which is lower, is enforced below before a pixel is decoded.
            warnings.simplefilter("ignore")
            opened = PIL.Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
            if opened.width * opened.height > PIXEL_LIMIT:
                raise PIL.Image.DecompressionBombError
            opened.load()
            return _rgb(opened)
    except PIL.UnidentifiedImageError:
        raise _unreadable(shown, "it is neither a PNG nor a JPEG picture") from None
    except PIL.Image.DecompressionBombError:
        raise _unreadable(shown, "it has more pixels than the limit of 64 megapixels") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # Pillow reports a broken PNG chunk as SyntaxError and a truncated stream as OSError, EOFError or ValueError.
        raise _unreadable(shown, str(error) or type(error).__name__) from None


def picture_size(path: Path, name: str) -> tuple[int, int]:
    """Return the width and height that a picture's header says. Raises Failure ``data-unreadable``."""
    import PIL.Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(path, formats=("PNG", "JPEG")) as opened:
                return opened.size
    except PIL.UnidentifiedImageError:
        raise _unreadable(name, "it is neither a PNG nor a JPEG picture") from None
    except (PIL.Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise _unreadable(name, str(error) or type(error).__name__) from None


def fit(picture: PIL.Image.Image, width: int, height: int, how: Literal["stretch", "cover", "contain"]) -> Any:
    """Return ``picture`` at ``width`` x ``height``, resized by antialiased bilinear (Pillow's BILINEAR).

    ``stretch`` ignores the aspect ratio; ``cover`` crops the centre (a float box, single precision inside Pillow,
    whose edges still take in the pixels just outside it); ``contain`` fits the whole picture and centres it on black.
    A picture that has the size already is left as it is.
    """
    import PIL.Image

    if how == "cover":
        return _resized(picture, (width, height), cover_box(picture.size, (width, height)))
    if how == "stretch":
        return _resized(picture, (width, height), (0.0, 0.0, *picture.size))
    inner = contain_size(picture.size, (width, height))
    canvas = PIL.Image.new("RGB", (width, height))
    corner = ((width - inner[0]) // 2, (height - inner[1]) // 2)
    canvas.paste(_resized(picture, inner, (0.0, 0.0, *picture.size)), corner)
    return canvas


def cover_box(source: tuple[int, int], target: tuple[int, int]) -> Box:
    """Return the centred box (left, upper, right, lower) of ``source`` that has the aspect ratio of ``target``."""
    (width, height), (wide, high) = source, target
    if width * high > height * wide:
        cropped = height * wide / high
        left = (width - cropped) / 2
        return left, 0.0, min(left + cropped, float(width)), float(height)
    cropped = width * high / wide
    upper = (height - cropped) / 2
    return 0.0, upper, float(width), min(upper + cropped, float(height))


def contain_size(source: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Return the largest size with the aspect ratio of ``source`` inside ``target``, rounded half up, at least 1."""
    (width, height), (wide, high) = source, target
    if width * high >= height * wide:
        return wide, max(1, (2 * height * wide + width) // (2 * width))
    return max(1, (2 * width * high + height) // (2 * height)), high


def placement(source: tuple[int, int], image: Image) -> Placement:
    """Return where ``fit`` takes the pixels of a picture of size ``source`` (width, height) from."""
    (width, height), target = source, (image.width, image.height)
    if image.fit == "stretch":
        return Placement(across=width / target[0], down=height / target[1], left=0.0, upper=0.0)
    if image.fit == "contain":
        wide, high = contain_size(source, target)
        across, down = width / wide, height / high
        left, upper = -((target[0] - wide) // 2) * across, -((target[1] - high) // 2) * down
        return Placement(across=across, down=down, left=left, upper=upper)
    (left, upper, _, _), wider = cover_box(source, target), width * target[1] > height * target[0]
    across = (height * target[0] / target[1] if wider else width) / target[0]
    down = (height if wider else width * target[1] / target[0]) / target[1]
    return Placement(across=across, down=down, left=left, upper=upper)


def _resized(picture: PIL.Image.Image, size: tuple[int, int], box: Box) -> PIL.Image.Image:
    """Resize the box across and then down, in two calls: Pillow 13 takes the two passes in the order that it finds
    cheaper, 12 and older always across first, and the rounding between them is seen in the result.
    """
    import PIL.Image

    (left, upper, right, lower), bilinear = box, PIL.Image.Resampling.BILINEAR
    across = picture.resize((size[0], picture.height), bilinear, box=(left, 0, right, picture.height))
    return across.resize(size, bilinear, box=(0, upper, size[0], lower))


def _rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    import numpy as np
    import PIL.Image

    if picture.mode.startswith("I"):  # 16-bit grey: Pillow's own convert() clips at 255 instead of scaling
        return PIL.Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")


def _unreadable(name: str, why: str) -> Failure:
    return Failure(
        Diagnostic(
            code="data-unreadable",
            message=f"{name} cannot be read: {why}",
            where=Location(file=name),
            hint="replace or remove the file; pictures are PNG or JPEG",
        )
    )
