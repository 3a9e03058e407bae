"""docs/coverage.md from the records of the coverage sweep: a summary a recipe, and a row a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coverage_models import RECIPES

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
POINTLESS = "recipe-brings-nothing"
HEAD = """# Coverage

What `make sweep` built: every classification and segmentation model of torchvision and ten of timm, in four recipes, for
`linux-x86_64` on XNNPACK. Each cell is edgec's own job: exported, quantized, lowered, loaded in a fresh process and compared
with the original on 24 pictures. Pictures are of the smallest size of 32, 48, 64 … that the model accepts; they are crops of
scikit-learn's two photographs.

The weights are random (seed 0), with batch-norm statistics re-estimated on 32 pictures, because nothing is downloaded here.
**Random networks amplify every rounding**, so a low SQNR in int8 says little of the same network with trained weights: what
a cell shows is that the model exports, lowers, runs, and answers nearer to the original than silence would (SQNR above 0 dB,
the limit for trials). A float32 export is held to 60 dB all the same. The last batch norm of each residual branch begins at a
quarter of its weight, as training often begins it at zero: of noise at -80 dB EfficientNet-B4 makes -15 dB without that,
and -50 dB with it. Cells with a star were built before, with branches as loud as what they are added to.

A cell reads *size of the artifact · share delegated · SQNR against the float32 original*. A cell that failed names the
diagnostic; its reason stands below. *Not run* says that nothing is known yet. `benchmarks/coverage.jsonl` holds each
cell's record, with the digest of the edgec that built it and the operators that stayed outside the delegate.
"""

COLUMNS = (
    "recipe",
    "built",
    "of those where it makes sense",
    "nothing to work on",
    "failed",
    "no time or memory",
    "not run",
)


def write(models: list[dict[str, Any]], records: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Write the page."""
    parts = [HEAD, "## Summary", "", *summary(models, records), "", "## Models", "", *table(models, records)]
    reasons = reasons_of(models, records)
    if reasons:
        parts += [
            "",
            "## What failed, and why",
            "",
            "| model | recipe | what edgec says | the way out |",
            "|---|---|---|---|",
            *reasons,
        ]
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")


def summary(models: list[dict[str, Any]], records: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """Return the table of how many cells were built; a recipe that has nothing to work on is no failure of it."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for recipe in RECIPES:
        found = [records.get((row["name"], recipe)) for row in models]
        known = [record for record in found if record]
        built = sum(record["status"] == "built" for record in known)
        pointless = sum(record.get("code") == POINTLESS for record in known)
        failed = sum(record["status"] in ("failed", "bug") for record in known) - pointless
        limits = sum(record["status"] in ("time", "memory") for record in known)
        share = f"{built / (built + failed):.0%}" if built + failed else "–"
        missing = len(models) - len(known)
        lines.append(f"| {recipe} | {built} of {len(models)} | {share} | {pointless} | {failed} | {limits} | {missing} |")
    return lines


def table(models: list[dict[str, Any]], records: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """Return a row a model, smallest first."""
    lines = [f"| model | parameters | picture | {' | '.join(RECIPES)} |", "|---|---|---|" + "---|" * len(RECIPES)]
    for row in models:
        cells = [shown(records.get((row["name"], recipe))) for recipe in RECIPES]
        name = row["name"] if row["source"] == "torchvision" else f"{row['name']} (timm)"
        lines.append(f"| {name} | {row['parameters'] / 1e6:.1f} M | {row['size']}² | {' | '.join(cells)} |")
    return lines


def shown(record: dict[str, Any] | None) -> str:
    """Return what a cell reads."""
    if record is None:
        return "not run"
    if record["status"] == "built":
        star = "" if record.get("quiet") else " *"
        return f"{record['pte_bytes'] / 1e6:.2f} MB · {record['delegation']:.0%} · {record['sqnr']:.0f} dB{star}"
    if record["status"] == "failed":
        return f"`{record['code']}`"
    return {"time": "out of time", "memory": "out of memory", "bug": "**bug**"}[record["status"]]


def reasons_of(models: list[dict[str, Any]], records: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """Return a row for each cell that was not built, with edgec's own words."""
    lines = []
    for row in models:
        for recipe in RECIPES:
            record = records.get((row["name"], recipe))
            if record and record["status"] != "built":
                texts = [" ".join((record.get(key) or "").split()).replace("|", "\\|") for key in ("message", "hint")]
                lines.append(f"| {row['name']} | {recipe} | {texts[0]} | {texts[1]} |")
    return lines
