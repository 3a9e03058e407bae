"""The coverage sweep: every model of benchmarks/coverage_models.py in every recipe, one process a cell, smallest first.

Each finished cell is one line in the results file; a cell that has a line is not built again unless asked for. While it
runs and afterwards, ``--table`` writes docs/coverage.md from the lines that there are.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
RECIPES = ("fp32", "fp16", "int8", "int8-dynamic")
FLOOR = 1 << 30
"""Bytes of free memory below which the running cell is stopped, before the kernel picks a process itself."""

Record = dict[str, Any]


def main() -> int:
    given = arguments()
    results = Results(given.results)
    if given.table:
        from coverage_table import write

        write(rows(given.results), results.records)
        return 0
    ends = time.monotonic() + given.hours * 3600
    pending = list(wanted(rows(given.results), results.records, given))
    print(f"{len(pending)} cells to build, {len(results.records)} known", file=sys.stderr)
    with ThreadPoolExecutor(given.workers) as workers:
        for row, recipe in pending:
            workers.submit(guarded, row, recipe, given, ends, results)
    print(summary(results.records), file=sys.stderr)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("out/coverage/results.jsonl"), help="one JSON line a cell")
    parser.add_argument("--workers", type=int, default=1, help="cells at once")
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


def rows(results: Path) -> list[Record]:
    """Return the models' rows; they are probed once and kept beside the results."""
    known = results.with_name("models.json")
    if not known.exists():
        known.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-W", "ignore", str(HERE / "coverage_models.py")]
        known.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout, encoding="utf-8")
    found: list[Record] = json.loads(known.read_text(encoding="utf-8"))
    return found


def wanted(
    models: list[Record], records: dict[tuple[str, str], Record], given: argparse.Namespace
) -> Iterator[tuple[Record, str]]:
    """Yield the cells to build: those without a record, and those that are to be built again."""
    cells = [(row, recipe) for row in models for recipe in given.recipes if not given.models or row["name"] in given.models]
    digest = edgec_digest()
    for row, recipe in cells:
        record = records.get((row["name"], recipe))
        failed = record is not None and record["status"] != "built"
        stale = record is not None and record.get("edgec") != digest
        if record is None or (failed and "failed" in given.again) or (stale and "stale" in given.again):
            yield row, recipe


def edgec_digest() -> str:
    """Return the digest of edgec's source as it is on the disk now."""
    from edgec.stages.plan import source_digest

    return source_digest.__wrapped__()


def guarded(row: Record, recipe: str, given: argparse.Namespace, ends: float, results: Results) -> None:
    """Build one cell if time and memory allow, and add its record."""
    limit = min(given.cell_minutes * 60, ends - time.monotonic())
    if limit < 60:
        return None
    base = {key: row[key] for key in ("source", "name", "size")} | {"recipe": recipe}
    needed = 1.5e9 + 4 * row["parameters"] * 6
    for _ in range(30):
        if free_memory() > needed:
            break
        time.sleep(20)
    else:
        message = f"about {needed / 1e9:.0f} GB of memory are needed, {free_memory() / 1e9:.0f} GB were free"
        return results.add({**base, "status": "memory", "message": message, "seconds": 0.0})
    try:
        results.add(
            built(row, recipe, limit) or {**base, "status": "memory", "message": "stopped: memory ran out", "seconds": 0.0}
        )
    # One cell that goes wrong in an unforeseen way must not end the sweep.
    except Exception as error:
        results.add({**base, "status": "bug", "message": f"{type(error).__name__}: {error}", "seconds": 0.0})
    return None


def built(row: Record, recipe: str, limit: float) -> Record | None:
    """Return the record of a cell, built in a process of its own so that it has edgec as it now is; None without memory."""
    child = subprocess.Popen(
        [sys.executable, str(HERE / "coverage_cell.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    request = json.dumps({"row": row, "recipe": recipe, "limit": limit})
    started = time.monotonic()
    while True:
        try:
            out, err = child.communicate(request, timeout=2)
            break
        except subprocess.TimeoutExpired:
            request = None  # communicate() keeps what is left to send
            if free_memory() < FLOOR or time.monotonic() - started > limit + 120:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
                return None
    if child.returncode != 0 or not out.strip():
        raise RuntimeError(err.strip().splitlines()[-1] if err.strip() else f"ended with {child.returncode}")
    record: Record = json.loads(out.splitlines()[-1])
    return record


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
