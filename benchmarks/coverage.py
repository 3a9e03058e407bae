"""The coverage sweep: every model of benchmarks/coverage_models.py in every recipe, one process a model, smallest first.

Each finished cell is one line in benchmarks/coverage.jsonl, with the edgec that built it; a cell that has a line is not
built again unless asked for, so that a sweep goes on where another stopped, on this machine or another. ``--table``
writes docs/coverage.md from the lines that there are.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from coverage_models import RECIPES
from coverage_table import write

HERE = Path(__file__).parent
FLOOR = 1 << 30
"""Bytes of free memory below which the running cell is stopped, before the kernel picks a process itself."""

Record = dict[str, Any]


def main() -> int:
    given = arguments()
    results = Results(given.results)
    if given.table:
        write(rows(), results.records)
        return 0
    ends = time.monotonic() + given.hours * 3600
    pending = list(wanted(rows(), results.records, given))
    print(f"{sum(len(recipes) for _, recipes in pending)} cells to build, {len(results.records)} known", file=sys.stderr)
    with ThreadPoolExecutor(given.workers) as workers:
        for row, recipes in pending:
            workers.submit(guarded, row, recipes, given, ends, results)
    print(summary(results.records), file=sys.stderr)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=HERE / "coverage.jsonl", help="one JSON line a cell")
    parser.add_argument("--workers", type=int, default=1, help="models at once")
    parser.add_argument("--cell-minutes", type=float, default=20, help="time limit of one cell")
    parser.add_argument("--hours", type=float, default=24, help="time limit of the sweep; the rest is left for the next")
    parser.add_argument("--recipes", nargs="+", default=RECIPES, choices=RECIPES)
    parser.add_argument("--models", nargs="+", default=(), help="these models only")
    parser.add_argument("--again", nargs="+", default=(), choices=("failed", "stale"), help="cells to build once more: "
                        "those that failed, those of another edgec")  # fmt: skip
    parser.add_argument("--table", action="store_true", help="write docs/coverage.md from the results, and build nothing")
    return parser.parse_args()


class Results:
    """The results file: appended line by line, the last line of a cell counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.records: dict[tuple[str, str], Record] = {}
        for line in lines:
            # A sweep that was killed may have left half a line.
            with contextlib.suppress(json.JSONDecodeError):
                record = json.loads(line)
                self.records[record["name"], record["recipe"]] = record

    def add(self, record: Record) -> None:
        self.records[record["name"], record["recipe"]] = record
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(record) + "\n")
        told = record.get("code") or (f"{record['sqnr']} dB" if "sqnr" in record else record.get("message", ""))
        shown = f"{record['name']} {record['recipe']}: {record['status']} {told} ({record['seconds']} s)"
        print(f"{time.strftime('%H:%M:%S')} {shown}", file=sys.stderr, flush=True)


def rows() -> list[Record]:
    """Return the models' rows; they are probed once and kept."""
    known = Path("out/coverage/models.json")
    if not known.exists():
        known.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-W", "ignore", str(HERE / "coverage_models.py")]
        known.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout, encoding="utf-8")
    found: list[Record] = json.loads(known.read_text(encoding="utf-8"))
    return found


def wanted(
    models: list[Record], records: dict[tuple[str, str], Record], given: argparse.Namespace
) -> Iterator[tuple[Record, list[str]]]:
    """Yield each model with the recipes to build: those without a record, and those that are to be built again."""
    digest = edgec_digest()
    for row in models:
        if given.models and row["name"] not in given.models:
            continue
        recipes = [name for name in given.recipes if again(records.get((row["name"], name)), digest, given.again)]
        if recipes:
            yield row, recipes


def again(record: Record | None, digest: str, which: Sequence[str]) -> bool:
    """Return whether a cell is to be built: ``failed`` ones if edgec has changed since, or the machine was what failed."""
    if record is None:
        return True
    stale, failed = record.get("edgec") != digest, record["status"] != "built"
    return ("failed" in which and failed and (stale or record["status"] in ("memory", "time"))) or ("stale" in which and stale)


def edgec_digest() -> str:
    """Return the digest of edgec's source as it is on the disk now, as records have it."""
    from edgec.versions import source_digest

    return source_digest.__wrapped__()[:12]


def guarded(row: Record, recipes: list[str], given: argparse.Namespace, ends: float, results: Results) -> None:
    """Build one model's cells if time and memory allow, and add their records."""
    limit = min(given.cell_minutes * 60, ends - time.monotonic())
    if limit < 60:
        return None
    base = {key: row[key] for key in ("source", "name", "size")}
    needed = 1.5e9 + 4 * row["parameters"] * 6
    for _ in range(30):
        if free_memory() > needed:
            break
        time.sleep(20)
    else:
        message = f"about {needed / 1e9:.0f} GB of memory are needed, {free_memory() / 1e9:.0f} GB were free"
        return missed(base, recipes, "memory", message, results)
    try:
        done, why = built(row, recipes, limit, results)
    # One model that goes wrong in an unforeseen way must not end the sweep.
    except Exception as error:
        return missed(base, recipes, "bug", f"{type(error).__name__}: {error}", results)
    left = [recipe for recipe in recipes if recipe not in done]
    return missed(base, left, "memory" if why == "memory" else "bug", why, results)


def missed(base: Record, recipes: Sequence[str], status: str, message: str, results: Results) -> None:
    """Add a record for each recipe that was not come to."""
    for recipe in recipes:
        results.add({**base, "recipe": recipe, "status": status, "message": message, "seconds": 0.0, "edgec": edgec_digest()})


def built(row: Record, recipes: Sequence[str], limit: float, results: Results) -> tuple[list[str], str]:
    """Add the records of a model as its process tells them; return the recipes that came, and why others did not."""
    child = subprocess.Popen(
        [sys.executable, str(HERE / "coverage_cells.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert child.stdin and child.stdout and child.stderr
    out, words = child.stdout, child.stderr
    said: list[str] = []
    done: list[str] = []

    def listen() -> None:
        for line in out:
            record = json.loads(line)
            results.add(record)
            done.append(record["recipe"])

    threads = [threading.Thread(target=listen), threading.Thread(target=lambda: said.extend(words))]
    for thread in threads:
        thread.start()
    with child.stdin as stdin:
        stdin.write(json.dumps({"row": row, "recipes": recipes, "limit": limit}))
    why = ""
    while child.poll() is None:
        time.sleep(1)
        if free_memory() < FLOOR:
            why = "memory"
            os.killpg(child.pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    return done, why or (said[-1].strip() if said else f"ended with {child.returncode}")


def free_memory() -> int:
    """Return the bytes that Linux says are available."""
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/meminfo names no MemAvailable")


def summary(records: dict[tuple[str, str], Record]) -> str:
    lines = []
    for recipe in RECIPES:
        found = [record["status"] for (_, name), record in records.items() if name == recipe]
        lines.append(f"{recipe}: {found.count('built')} of {len(found)} built")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
