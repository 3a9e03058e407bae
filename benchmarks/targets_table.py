"""The matrix of docs/targets.md from the records of the target sweep: a row a target, a column a delegate and recipe."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "targets.md"
START, END = "<!-- matrix -->", "<!-- end of matrix -->"

Record = dict[str, Any]
Cell = tuple[str, str, str]


def write(records: dict[Cell, Record], cells: list[Cell]) -> None:
    """Replace the matrix of the page; cells that the sweep would build and has no record of read ``not run``."""
    text = PAGE.read_text(encoding="utf-8")
    start, end = text.index(START) + len(START), text.index(END)
    PAGE.write_text(f"{text[:start]}\n\n{matrix(records, cells)}\n{text[end:]}", encoding="utf-8")


def matrix(records: dict[Cell, Record], cells: list[Cell]) -> str:
    """Return one table a delegate, then the reasons of what was not built or not run."""
    from edgec.runtime.host import cpu_name

    lines = [f"Built and verified on {cpu_name()} ({platform.machine()})."]
    if any(cell not in records for cell in cells):
        lines.append("Cells that read `not run` wait for the next sweep.")
    reasons: dict[str, str] = {}
    for delegate in dict.fromkeys(cell[1] for cell in cells):
        mine = [cell for cell in cells if cell[1] == delegate]
        recipes = list(dict.fromkeys(cell[2] for cell in mine))
        lines += ["", f"**{delegate}**", "", f"| target | {' | '.join(recipes)} |", "|---" * (len(recipes) + 1) + "|"]
        for target in dict.fromkeys(cell[0] for cell in mine):
            shown = [told(records.get((target, delegate, recipe)), reasons) for recipe in recipes]
            lines.append(f"| {target} | {' | '.join(shown)} |")
    if reasons:
        lines += ["", *(f"- `{number}`: {why}" for why, number in reasons.items())]
    return "\n".join(lines) + "\n"


def told(record: Record | None, reasons: dict[str, str]) -> str:
    """Return what a cell reads; a reason is numbered, and stands below."""
    if record is None:
        return "not run"
    if "code" in record:
        return f"`{record['code']}` {numbered(record['message'], record['target'], reasons)}"
    sizes = [f"{record['bytes'] / 1e6:.2f} MB, {record['delegation']:.0%}"] if "bytes" in record else []
    return "<br>".join([*sizes, *(checked(item, record["target"], reasons) for item in record["verified"])])


def checked(item: Record, target: str, reasons: dict[str, str]) -> str:
    """Return what one verification said: its evidence, on which processor, and the largest error of a golden output."""
    if "code" in item:
        return f"not run {numbered(item['message'], target, reasons)}"
    if "not_run" in item:
        return f"built and checked, not run {numbered('; '.join(item['not_run']), target, reasons)}"
    where = f"{item['evidence']} {item['cpu']}".strip()
    word = "" if item["passed"] else "**failed** "
    return f"{word}{where}: {item['error']:.2g} of {item['allowed']:.2g}"


def numbered(message: str, target: str, reasons: dict[str, str]) -> str:
    words = " ".join(message.replace(target, "it").split()).replace("|", "\\|")
    return f"`{reasons.setdefault(words, str(len(reasons) + 1))}`"
