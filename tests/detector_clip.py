"""Makes a moving clip for the detector: held-out pictures in a row that slide past, each standing still for a moment.

Usage: python tests/detector_clip.py FILE.mp4   (twelve seconds of 480×360; needs ffmpeg)
manifests/data/detector/clip.mp4 is what it writes.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

PICTURES = Path(__file__).parents[1] / "manifests" / "data" / "detector" / "evaluation"
COUNT = 10
SIZE = (480, 360)
RATE = 25
STILL, SLIDING = 18, 12


def strip() -> Image.Image:
    """Return the pictures side by side, the first again at the end: the clip can be played round and round."""
    paths = sorted(PICTURES.glob("*.jpg"))[:COUNT]
    made = Image.new("RGB", ((COUNT + 1) * SIZE[0], SIZE[1]))
    for number, path in enumerate([*paths, paths[0]]):
        made.paste(ImageOps.fit(Image.open(path), SIZE, Image.Resampling.BICUBIC), (number * SIZE[0], 0))
    return made


def frames() -> Iterator[bytes]:
    """Yield the clip's frames, RGB."""
    row = strip()
    for number in range(COUNT):
        for step in (*[0] * STILL, *range(SLIDING)):
            share = step / SLIDING
            left = round((number + share * share * (3 - 2 * share)) * SIZE[0])
            yield row.crop((left, 0, left + SIZE[0], SIZE[1])).tobytes()


def main() -> None:
    """Write the clip."""
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{SIZE[0]}x{SIZE[1]}", "-framerate", str(RATE), "-i", "-"]
    encoded = ["-pix_fmt", "yuv420p", "-crf", "30", "-movflags", "faststart", sys.argv[1]]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *raw, *encoded], input=b"".join(frames()), check=True)


if __name__ == "__main__":
    main()
