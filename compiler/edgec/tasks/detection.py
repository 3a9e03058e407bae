"""Detection: boxes with a class and a score, from the raw heads of a YOLOv3; one picture in, one head a stride out."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic
from edgec.store.files import collected
from edgec.tasks.label_names import LABELS, label_names

SUMMARY = "boxes around what a picture shows, each with a class and a score"
NEEDS: tuple[str, ...] = ()
METRICS = ("map50", "map", "sqnr", "max-abs-error")
TRUTH = "boxes"
DECIDES = ""
SIZE: Json = {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 2, "maxItems": 2}
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["labels", "anchors"],
    "properties": {
        "labels": {**LABELS, "minItems": 1},
        "anchors": {
            "type": "array",
            "minItems": 1,
            "maxItems": 8,
            "items": {"type": "array", "items": SIZE, "minItems": 1, "maxItems": 16},
            "title": "Anchors",
            "description": "For each output of the model, in order, the widths and heights of its anchors in pixels of the "
            "input. The output is [1, anchors * (5 + classes), rows, columns]: offsets x and y, logarithms of width and "
            "height, objectness, and a logit a class, as YOLOv3 gives them, nothing decoded.",
            "examples": [[[[81, 82], [135, 169], [344, 319]], [[10, 14], [23, 27], [37, 58]]]],
        },
        "score_threshold": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "title": "Score threshold",
            "description": "Boxes below it are dropped; a score is objectness times class. Metrics count what is left.",
            "default": 0.25,
        },
        "iou_threshold": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "title": "IoU threshold",
            "description": "Of two boxes of one class whose intersection over union is above it, the better one is kept.",
            "default": 0.45,
        },
        "max_detections": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "title": "Most detections",
            "description": "At most this many boxes a picture, the best ones.",
            "default": 100,
        },
    },
}


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return what is wrong with the labels: no file, not UTF-8, an empty or a repeated name."""
    return collected(lambda: labels(options, project))


def labels(options: Options, project: Project) -> tuple[str, ...]:
    """Return the class names in index order. Raises Failure ``labels-invalid`` or ``path-outside-root``."""
    return label_names(options["labels"], project, least=1)


def unfit(options: Options, labels: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return a message where the outputs are not the heads that labels and anchors describe."""
    wanted = [len(head) * (5 + len(labels)) for head in options["anchors"]]
    if len(shapes) == len(wanted) and all(
        len(shape) == 4 and shape[0] == 1 and shape[1] == channels for shape, channels in zip(shapes, wanted, strict=True)
    ):
        return None
    heads = ", ".join(f"[1, {channels}, rows, columns]" for channels in wanted)
    given = ", ".join(str(list(shape)) for shape in shapes)
    return f"detection takes {heads} for its anchors and {len(labels)} labels; the model gives {given}"
