"""Accuracy of a bundle's own runner on a folder of images, one subfolder a class."""

from __future__ import annotations

from pathlib import Path

import click

from edgec.artifacts.document import Json
from edgec.diagnostics import Diagnostic, Failure, nearest
from edgec.runtime.verification import Place, classify
from edgec.stages.judge import FEWEST_SAMPLES
from edgec.store.bundles import OpenBundle

ENDINGS = (".png", ".jpg", ".jpeg")


def accuracy(
    bundle: OpenBundle, place: Place, record: dict[str, Json], chosen: list[tuple[Path, str]]
) -> dict[str, Json]:
    """Return ``record`` with ``evaluation`` (top-1 over the labelled images) and, for a budget, its verdict."""
    lines = classify(bundle, place, [path for path, _ in chosen])
    correct = sum(line["label"] == label for line, (_, label) in zip(lines, chosen, strict=True))
    value = correct / len(chosen)
    figure = {"value": value, "unit": "share", "evidence": place.evidence, "samples": len(chosen)}
    others = [verdict for verdict in record.get("verdicts", []) if verdict["budget"] != "accuracy.top1.min"]
    judged = [
        {
            "budget": budget["name"],
            "status": _status(value, len(chosen), budget["limit"]),
            "limit": budget["limit"],
            **figure,
        }
        for budget in bundle.facts["budgets"]
        if budget["name"] == "accuracy.top1.min"
    ]
    found = {
        "metric": "top1",
        "accuracy": value,
        "correct": correct,
        "samples": len(chosen),
        "evidence": place.evidence,
    }
    return {**record, "evaluation": found, "verdicts": [*judged, *others]}


def labelled(task: Json, folder: Path) -> list[tuple[Path, str]]:
    """Return every image below ``folder`` with the class that its subfolder names, sorted.

    Raises a usage error where the bundle does not classify, and Failure where the folder's classes are not its labels.
    """
    if task["name"] != "classification" or not task["labels"]:
        message = f"--evaluation needs a bundle that classifies; this one's task is {task['name']}"
        raise click.UsageError(message)
    unknown = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in task["labels"])
    if unknown:
        raise Failure(*(_unknown(name, folder, task["labels"]) for name in unknown))
    found = [
        (path, label)
        for label in sorted(task["labels"])
        for path in sorted((folder / label).rglob("*"))
        if path.is_file() and path.suffix.lower() in ENDINGS
    ]
    if not found:
        message = f"{folder} has no PNG or JPEG image in a subfolder named like one of the labels"
        raise Failure(Diagnostic(code="data-empty", message=message))
    return found


def evenly(items: list[tuple[Path, str]], count: int | None) -> list[tuple[Path, str]]:
    """Return at most ``count`` of the items, evenly spaced; all of them for None."""
    if count is None or count >= len(items):
        return items
    return [items[position * len(items) // count] for position in range(count)]


def _status(value: float, samples: int, limit: float) -> str:
    if samples < FEWEST_SAMPLES:
        return "inconclusive"
    return "met" if value >= limit else "missed"


def _unknown(name: str, folder: Path, labels: list[str]) -> Diagnostic:
    close = nearest(name, labels)
    message = f"the subfolder {name!r} of {folder} is not one of the bundle's labels"
    return Diagnostic(code="data-labels", message=message, hint=f"did you mean {close!r}?" if close else None)
