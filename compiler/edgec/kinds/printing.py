"""Templates of all kinds of bundle: their environment, and the filters that make manifest text harmless where it lands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from edgec.artifacts.bundle import File
from edgec.artifacts.document import Json
from edgec.artifacts.measured import written
from edgec.artifacts.parts import Parts
from edgec.artifacts.slices import condensed, notes, recorded_standing
from edgec.resources import resource

if TYPE_CHECKING:
    from jinja2 import Environment

SENSES = {"min": "at least", "max": "at most", "max_drop": "at most, under fp32,", "max_flips": "at most, other than fp32,"}


@cache
def environment(
    folder: str,
    *,
    finalize: Callable[[str], str] | None = None,
    html: bool = False,
    code: Callable[[str], object] | None = None,
) -> Environment:
    """Return the templates below ``templates/FOLDER``, compiled once; ``finalize`` makes a printed value harmless
    where it lands, and the filter ``code``, where it is given, lets one through as it is. Nobody may change it afterwards.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from edgec.kinds.compiled import compiled

    options = [f"{item.__module__}.{item.__qualname__}" if item else "" for item in (finalize, code)]
    made = Environment(
        loader=FileSystemLoader([resource("templates", folder), resource("templates", "common")]),
        undefined=StrictUndefined,
        autoescape=html,
        finalize=finalize,
        keep_trailing_newline=True,
        trim_blocks=True,
        bytecode_cache=compiled(" ".join([folder, *options, str(html)])),
    )
    made.filters |= {"written": written, "shape": shape_text} | ({"code": code} if code else {})
    return made


def readme_file(folder: str, facts: Mapping[str, object]) -> File:
    """Return README.md, printed from a kind's folder of templates."""
    page = environment(folder, finalize=markdown_text).get_template("README.md.j2")
    return File(content=page.render(facts).encode())


def systemd_text(text: str) -> str:
    """Return text as a unit file takes it inside a value; raises ValueError where no quoting makes it safe there."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise ValueError(f"{text!r} does not go into a systemd unit")
    return text


def markdown_text(value: object) -> str:
    """Return a value as Markdown and HTML show it literally, on one line."""
    text = " ".join(str(value).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", text)


def readme(parts: Parts) -> dict[str, Json]:
    """Return what every kind's README shows of the bundle."""
    plan, record = parts.plan, parts.record
    inputs = record["inputs"]
    verdicts = {verdict["budget"]: verdict for verdict in record["verdicts"]}
    budgets, more = shown_budgets(record, verdicts)
    return {
        "plan": plan,
        "model": record["model"],
        "size": written(record["model"]["bytes"], "bytes"),
        "blockers": record["blockers"],
        "inputs": [{**entry, "shape": shape_text(entry["shape"], entry["minimum"])} for entry in inputs],
        "outputs": [{**entry, "shape": shape_text(entry["shape"])} for entry in record["outputs"]],
        "budgets": [_budget_row(budget, verdicts.get(budget["name"])) for budget in budgets],
        "more_budgets": more,
    }


def shown_budgets(record: Json, verdicts: Mapping[str, Json]) -> tuple[list[Json], list[str]]:
    """Return the budgets that people are shown, and a line on the rest of each limit's slices."""
    standings = [recorded_standing(budget, verdicts.get(budget["name"])) for budget in record["budgets"]]
    shown, rest = condensed(standings)
    return [record["budgets"][index] for index in shown], notes(standings, rest)


def _budget_row(budget: Json, verdict: Json) -> dict[str, str]:
    """Return a row of the README's table; a budget whose verdict a clock decides has none there."""
    sense = SENSES[budget["sense"]]
    known = verdict is not None and verdict["value"] is not None
    return {
        "name": budget["name"],
        "limit": f"{sense} {budget['text']}",
        "value": written(verdict["value"], verdict["unit"]) if known else "-",
        "evidence": verdict["evidence"] if verdict else "none",
        "status": verdict["status"] if verdict else "on the device",
    }


def shape_text(shape: list[int], minimum: list[int] | None = None) -> str:
    """Return a shape as people write it: ``1 × 96 × 96 × 3``, a dynamic axis as ``1..512``."""
    lows = minimum or shape
    return " × ".join(str(high) if low == high else f"{low}..{high}" for low, high in zip(lows, shape, strict=True))
