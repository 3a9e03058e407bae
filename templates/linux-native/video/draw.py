"""Boxes and labels onto the pixels of a frame, for recordings."""

import colorsys
from typing import Any, Dict, List, Tuple

from font import dots
from frames import Frame

DARK, LIGHT = bytes((11, 14, 19)), bytes((232, 236, 241))
KEPT_TEXTS = 256
ROWS_A_SCALE = 160
TOP = 3


class Painter:
    """Remembers each label's colour, and texts as they are drawn."""

    def __init__(self) -> None:
        self.colours: Dict[str, bytes] = {}
        self.texts: Dict[Tuple[str, int, bytes, bytes], List[bytes]] = {}

    def painted(self, frame: Frame, line: Dict[str, Any]) -> bytearray:
        """Return the frame as a PPM with what the line says drawn on it: boxes, or the best classes, or the error."""
        data = bytearray(frame.data)
        canvas = Canvas(data, frame.width, frame.height)
        scale = max(1, frame.height // ROWS_A_SCALE)
        for seen in sorted(line.get("detections", ()), key=lambda seen: float(seen["score"])):
            self._box(canvas, seen, scale)
        rows = written(line)[:TOP]
        texts = [self._text(row, scale, LIGHT, DARK) for row in rows]
        y = frame.height - sum(map(len, texts)) - 2 * scale
        for text in texts:
            canvas.paste(2 * scale, y, text)
            y += len(text)
        return data

    def _box(self, canvas: "Canvas", seen: Dict[str, Any], scale: int) -> None:
        x, y, width, height = (round(value) for value in seen["box"])
        colour = self._colour(seen["label"])
        thick = scale + 1
        canvas.fill(x, y, x + width, y + thick, colour)
        canvas.fill(x, y + height - thick, x + width, y + height, colour)
        canvas.fill(x, y, x + thick, y + height, colour)
        canvas.fill(x + width - thick, y, x + width, y + height, colour)
        text = self._text(labelled(seen), scale, DARK, colour)
        wide = len(text[0]) // 3
        canvas.paste(max(0, min(x, canvas.width - wide)), y - len(text) if y >= len(text) else max(0, y), text)

    def _colour(self, label: str) -> bytes:
        # As on the page: the angle goes round by the golden ratio, so that neighbours differ.
        if label not in self.colours:
            angle = (len(self.colours) * 222.5 + 145) % 360 / 360
            self.colours[label] = bytes(round(255 * part) for part in colorsys.hls_to_rgb(angle, 0.68, 0.85))
        return self.colours[label]

    def _text(self, text: str, scale: int, ink: bytes, ground: bytes) -> List[bytes]:
        key = (text, scale, ink, ground)
        if key not in self.texts:
            if len(self.texts) >= KEPT_TEXTS:
                self.texts.clear()
            rows = [b"".join((ink if dot else ground) * scale for dot in row) for row in dots(text)]
            self.texts[key] = [row for row in rows for _ in range(scale)]
        return self.texts[key]


class Canvas:
    """Pixels of a PPM, whose header is left alone; what lies outside the picture is not drawn."""

    def __init__(self, data: bytearray, width: int, height: int) -> None:
        self.data, self.width, self.height = data, width, height
        self.start = len(data) - width * height * 3

    def fill(self, left: int, top: int, right: int, bottom: int, colour: bytes) -> None:
        """Fill a rectangle."""
        row = colour * max(0, min(right, self.width) - max(left, 0))
        self.paste(max(left, 0), max(top, 0), [row] * max(0, min(bottom, self.height) - max(top, 0)))

    def paste(self, left: int, top: int, rows: List[bytes]) -> None:
        """Put rows of pixels at a place that is not left of the picture."""
        room = 3 * max(0, self.width - left)
        for y, row in enumerate(rows, top):
            if 0 <= y < self.height:
                at = self.start + 3 * (y * self.width + left)
                part = row[:room]
                self.data[at : at + len(part)] = part


def written(line: Dict[str, Any]) -> List[str]:
    """Return the rows at the foot of the picture: what the task's line holds beside boxes."""
    if "error" in line:
        return [str(line["error"])]
    if "classes" in line:
        return [labelled({"label": seen["label"], "score": seen["share"]}) for seen in line["classes"]]
    if "values" in line:
        return [f"{seen['name']} {seen['value']:.4g} {seen.get('unit', '')}".rstrip() for seen in line["values"]]
    return [labelled(row) for row in line.get("top", ())]


def labelled(seen: Dict[str, Any]) -> str:
    """Return a label with its score in percent."""
    return f"{seen['label']} {100 * seen['score']:.0f} %"
