"""The target sweep: the camera for every target and delegate that can be built here, and each bundle verified.

A cell is a target, a delegate and a recipe, and becomes one JSON line. Where this machine is not the target itself, its
bundle's verify.sh runs under qemu-user with the target's own CPU. ``--table`` writes the matrix into docs/targets.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from targets_table import write

HERE = Path(__file__).parent
ROOT = HERE.parent
EVERY = ("int8", "fp32", "fp16", "int8-dynamic")
"""Recipes tried on XNNPACK, whose rounding differs between processors; other delegates get the first that they run."""

Record = dict[str, Any]
Cell = tuple[str, str, str]


def main() -> int:
    given = arguments()
    known = read(given.results)
    if not given.table:
        swept(given, known)
    if not given.no_table:
        write(read(given.results), list(cells()))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=HERE / "targets.jsonl", help="one JSON line a cell")
    parser.add_argument("--targets", nargs="+", default=(), help="these targets only")
    parser.add_argument("--delegates", nargs="+", default=(), help="these delegates only")
    parser.add_argument("--recipes", nargs="+", default=(), help="these recipes only")
    parser.add_argument("--again", action="store_true", help="also cells that have a line already")
    parser.add_argument("--table", action="store_true", help="write docs/targets.md from the results, and build nothing")
    parser.add_argument("--no-table", action="store_true", help="leave docs/targets.md as it is")
    return parser.parse_args()


def read(results: Path) -> dict[Cell, Record]:
    """Return the records by cell; the last line of a cell counts."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    records = (json.loads(line) for line in lines)
    return {(record["target"], record["delegate"], record["recipe"]): record for record in records}


def cells() -> Iterator[Cell]:
    """Yield target, delegate and recipe for every delegate that a row allows and edgec knows."""
    from edgec.registry import names, plugin
    from edgec.targets.table import TARGETS

    for delegate in names("delegates"):
        runnable = [recipe for recipe in EVERY if recipe in plugin("delegates", delegate).RECIPES]
        for recipe in runnable if delegate == "xnnpack" else runnable[:1]:
            for row in TARGETS.values():
                if delegate in row.delegates:
                    yield row.name, delegate, recipe


def swept(given: argparse.Namespace, known: dict[Cell, Record]) -> None:
    wanted = [cell for cell in cells() if asked(cell, given) and (given.again or cell not in known)]
    groups: dict[tuple[str, str], list[str]] = {}
    for target, delegate, recipe in wanted:
        groups.setdefault((delegate, recipe), []).append(target)
    given.results.parent.mkdir(parents=True, exist_ok=True)
    for (delegate, recipe), targets in groups.items():
        for record in built(delegate, recipe, targets):
            with given.results.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(record) + "\n")
            shown = record.get("code") or record.get("verified") or ""
            print(f"{time.strftime('%H:%M:%S')} {record['target']} {delegate} {recipe}: {shown}", file=sys.stderr, flush=True)


def asked(cell: Cell, given: argparse.Namespace) -> bool:
    wanted = (given.targets, given.delegates, given.recipes)
    return all(not names or part in names for part, names in zip(cell, wanted, strict=True))


def built(delegate: str, recipe: str, targets: list[str]) -> Iterator[Record]:
    """Build the camera once for all ``targets``, verify each bundle, and yield their records."""
    with tempfile.TemporaryDirectory(prefix="edgec-targets-") as name:
        project = Path(name) / "manifests"
        shutil.copytree(ROOT / "manifests", project)
        manifest = project / "camera.yaml"
        manifest.write_text(changed(manifest.read_text(encoding="utf-8"), delegate, recipe, targets), encoding="utf-8")
        done = edgec("build", str(manifest), "--root", str(project), "--out", str(Path(name) / "out"))
        outcomes = {outcome["target"]: outcome for outcome in done["outcomes"]}
        for target in targets:
            base = {"target": target, "delegate": delegate, "recipe": recipe, "edgec": digest()}
            outcome = outcomes.get(target, {"diagnostics": done["diagnostics"]})
            yield {**base, **told(outcome)}


def changed(text: str, delegate: str, recipe: str, targets: list[str]) -> str:
    """Return the camera's manifest with another recipe, delegate and targets, and without the budgets that one is made for."""
    import yaml

    data = yaml.safe_load(text)
    data |= {"quantization": recipe, "delegate": delegate, "targets": targets}
    data["budgets"] = {"accuracy": data["budgets"]["accuracy"]}
    return str(yaml.safe_dump(data))


def told(outcome: Record) -> Record:
    """Return what a cell is: the artifact's figures and its bundle's verification, or the diagnostic in their place."""
    if not outcome.get("folder"):
        found = next(item for item in outcome["diagnostics"] if item["severity"] == "error")
        return {"code": found["code"], "message": found["message"]}
    figures = {figure["name"]: figure["value"] for figure in outcome["figures"]}
    cell = {"bytes": figures["size"], "delegation": figures["delegation"], "top1": figures.get("accuracy.top1")}
    checked = [verified(Path(outcome["folder"]))]
    if checked[0].get("evidence") == "host":
        checked.append(verified(Path(outcome["folder"]), "--emulate"))
    return {**cell, "verified": checked}


def verified(bundle: Path, *options: str) -> Record:
    """Return what a bundle's own verification says here, and how far its golden vectors were off."""
    record = edgec("verify", str(bundle), "--no-bench", *options)
    if record.get("status") == "not-run":
        return {"evidence": "none", "not_run": record["not_run"], "checked": record["checked"]}
    if "golden" not in record:
        found = record["diagnostics"][0]
        return {"code": found["code"], "message": found["message"]}
    worst = record["golden"]["worst"] or {"error": 0.0, "allowed": 0.0}
    facts = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    return {
        "evidence": record["evidence"],
        "cpu": facts["hardware"]["qemu_cpu"] if record["evidence"] == "emulated" else "",
        "passed": record["golden"]["passed"],
        "error": worst["error"],
        "allowed": worst["allowed"],
        "vectors": record["golden"]["vectors"],
    }


def edgec(*arguments: str) -> Record:
    """Return what a command of edgec says as JSON, whatever its exit code."""
    command = [sys.executable, "-m", "edgec", *arguments, "--output", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    found: Record = json.loads(done.stdout)
    return found


def digest() -> str:
    """Return the digest of edgec's source."""
    from edgec.versions import source_digest

    return source_digest()


if __name__ == "__main__":
    raise SystemExit(main())
