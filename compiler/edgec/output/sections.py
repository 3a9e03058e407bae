"""A Difference goes in; titled tables come out, which a terminal and Markdown show alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgec.artifacts.difference import ClassChange, Difference, Fact, FigureChange, Flip, VerdictChange
from edgec.artifacts.measured import in_threads, written
from edgec.artifacts.release import OperatorCount, Reading
from edgec.output.slices import worst_slices, worst_verdicts
from edgec.output.table import cut, width
from edgec.releases.figures import FOLLOW
from edgec.releases.thresholds import signed

SHOWN = 8
"""Rows of a table that lists samples, classes, files or operators; JSON has them all."""

WIDEST = 40
"""Columns of a fact that are shown; digests are cut at DIGEST."""

FLIP, LABEL = 77, 12
"""Columns that a sample and its three classes have in a hundred columns, and that each class has at least."""

DIGEST = 12
KINDS = ("accuracy", "latency", "throughput", "memory", "size", "delegation")
"""The order in which people are shown figures, by kind; others come after."""

CLOCKS = "what a clock measured has the interval of the two runs alone; other runs of the same bundles may differ by more"
LATENCIES = (
    *("latency.p50", "latency.p90", "latency.p99", "latency.pipeline.p50", "latency.pipeline.p90"),
    *("latency.pre.p50", "latency.execute.p50", "latency.post.p50"),
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One titled table and the sentences under it; a table without rows is none."""

    title: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()


def headline(found: Difference) -> str:
    """Return what is compared, in a line: ``camera 1.0.0 → 1.1.0 for jetson-nano``."""
    old, new = found.old, found.new
    name = old.name if old.name == new.name else f"{old.name} → {new.name}"
    version = old.version if old.version == new.version else f"{old.version} → {new.version}"
    target = old.target if old.target == new.target else f"{old.target} → {new.target}"
    return f"{name} {version} for {target}"


def sections(found: Difference) -> list[Section]:
    """Return what a reader looks for first, first; a section in which nothing changed is left out."""
    made = [
        _thresholds(found),
        _figures(found),
        _decisions(found),
        _classes(found),
        _verdicts(found),
        _parts(found),
        _operators(found),
        _facts("identity", found.identity),
        _facts("dependencies and toolchain", found.tools),
        _inputs(found),
    ]
    return [section for section in made if section.rows or section.lines]


def _thresholds(found: Difference) -> Section:
    rows = tuple((item.text, item.held, item.reason) for item in found.thresholds)
    return Section(title="thresholds", header=("threshold", "", "why"), rows=rows)


def _figures(found: Difference) -> Section:
    shown, more = worst_slices(sorted((item for item in found.figures if _is_shown(item)), key=_place))
    rows = tuple(_figure(item) for item in shown)
    notes: dict[str, list[str]] = {}
    for item in shown:
        if item.note:
            notes.setdefault(item.note, []).append(_cut(_short(item.name)))
    lines = [*more, *(f"{', '.join(names)}: {note}" for note, names in notes.items())]
    if any(item.interval and item.old and item.old.clocked for item in shown):
        lines.append(CLOCKS)
    return Section(title="figures", header=("figure", "old", "new", "change", "evidence"), rows=rows, lines=tuple(lines))


def _place(item: FigureChange) -> int:
    kind = item.name.partition(".")[0].partition("[")[0]
    return KINDS.index(kind) if kind in KINDS else len(KINDS)


def _is_shown(item: FigureChange) -> bool:
    """Of a metric its value, of latency a few percentiles, of all others that differ; what is equal on both is left out."""
    if item.name.endswith(FOLLOW) or item.name == "cost":
        return False
    if item.name.startswith("latency.") and item.name.partition("[")[0] not in LATENCIES:
        return False
    return item.change != 0 or item.name.startswith("accuracy.") or item.note != ""


def _figure(item: FigureChange) -> tuple[str, ...]:
    known = item.new or item.old
    old, new = (_value(reading, item.unit) for reading in (item.old, item.new))
    return (_cut(_short(item.name)), old, new, _changed(item), _evidence(known, item))


def _short(name: str) -> str:
    return name.replace(".", " ", 1).replace("[", ", ").removesuffix("]")


def _value(reading: Reading | None, unit: str) -> str:
    return "–" if reading is None else written(reading.value, unit)


def _changed(item: FigureChange) -> str:
    """The change with its interval, and a word on whether it is for the better where the interval says so."""
    if item.change is None:
        return "not compared" if item.old and item.new else "–"
    relative = item.unit in ("s", "Hz", "bytes", "instructions") and item.relative is not None and item.old is not None
    if item.change == 0 and item.interval is None:
        return "none"
    if relative:
        base = abs(item.change / item.relative) if item.relative else 1.0
        text = f"{100 * (item.relative or 0.0):+.1f} %"
        bounds = [f"{100 * bound / base:+.1f}" for bound in item.interval] if item.interval else []
    else:
        text = signed(item.change, item.unit)
        bounds = [_bare(bound, item.unit) for bound in item.interval] if item.interval else []
    return text + (f" ({bounds[0]} to {bounds[1]})" if bounds else "") + _word(item)


def _bare(bound: float, unit: str) -> str:
    return f"{100 * bound:+.2f}" if unit in ("share", "points") else f"{bound:+.3g}"


def _word(item: FigureChange) -> str:
    clocked = item.old is not None and item.old.clocked
    if item.worse is None or (clocked and item.interval is None):
        return ""
    if item.interval and item.interval[0] <= 0 <= item.interval[1] and math.isfinite(item.interval[0]):
        return ""  # not told apart
    return ", worse" if item.worse else ", better"


def _evidence(known: Reading | None, item: FigureChange) -> str:
    if known is None:
        return "none"
    kinds = dict.fromkeys(reading.evidence for reading in (item.old, item.new) if reading)
    text = " → ".join(kinds)
    if known.clocked and known.threads:
        before = f"{item.old.threads} → " if item.old and item.old.threads != known.threads else ""
        return f"{text}, {before}{in_threads(known.threads)}"
    return text


def _decisions(found: Difference) -> Section:
    decisions, samples = found.decisions, found.samples
    lines = [f"nothing is compared sample by sample {samples.refused}"] if samples.refused else []
    if samples.refused and not samples.refused.startswith("of "):
        lines = [f"nothing is compared sample by sample: {samples.refused}"]
    if left := _left_out(found):
        lines.append(left)
    if found.answers:
        lines.append(_answers(found))
    if decisions is None:
        return Section(title="decisions", lines=tuple(lines))
    flips = sorted(decisions.flips, key=lambda flip: ("lost", "won", "wrong", "unknown").index(flip.turn))
    counts = {turn: sum(flip.turn == turn for flip in flips) for turn in ("lost", "won", "wrong")}
    share = 100 * len(flips) / decisions.common
    head = f"{len(flips)} of {decisions.common} samples are decided differently ({share:.2f} %)"
    if decisions.p_value is not None:
        head += f": {counts['lost']} lost, {counts['won']} won, {counts['wrong']} wrong in both"
        head += f"; McNemar's exact test p = {decisions.p_value:.2g}"
    longest = max((width(_cut(flip.sample)) for flip in flips[:SHOWN]), default=0)
    shown = tuple(_flip(flip, max(LABEL, (FLIP - longest) // 3)) for flip in flips[:SHOWN])
    more = [f"{len(flips) - SHOWN} more: --output json lists all"] if len(flips) > SHOWN else []
    lines = [*more, head, *_blame(flips), *lines]
    return Section(title="decisions", header=("sample", "truth", "old", "new", ""), rows=shown, lines=tuple(lines))


def _blame(flips: Sequence[Flip]) -> list[str]:
    known = [flip for flip in flips if flip.float_flipped is not None]
    model = sum(bool(flip.float_flipped) for flip in known)
    if not known:
        return []
    if model == 0:
        return ["the float32 models decide all of these alike: the lowering made the difference"]
    return [f"the float32 models differ on {model} of these too: there the model changed, not its lowering"]


def _left_out(found: Difference) -> str:
    samples = found.samples
    counts = [
        (samples.only_old, "only in the old data"),
        (samples.only_new, "only in the new"),
        (samples.changed, "of another content"),
        (samples.relabelled, "of another label"),
    ]
    told = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"samples left out: {told}" if told and not samples.refused else ""


def _answers(found: Difference) -> str:
    answers = found.answers
    assert answers is not None
    if answers.equal == answers.common:
        return f"golden vectors: all {answers.common} in common are answered with the same bits"
    return (
        f"golden vectors: {answers.equal} of {answers.common} in common are answered with the same bits; "
        f"the outputs differ by at most {100 * answers.worst:.2g} % of the largest"
    )


def _flip(flip: Flip, widest: int) -> tuple[str, ...]:
    turn = {"wrong": "wrong in both", "unknown": ""}.get(flip.turn, flip.turn)
    return (_cut(flip.sample), *(_cut(label, widest) for label in (flip.truth or "–", flip.old, flip.new)), turn)


def _classes(found: Difference) -> Section:
    changed = [entry for entry in (found.decisions.classes if found.decisions else ()) if entry.lost or entry.won]
    ranked = sorted(changed, key=lambda entry: (entry.new - entry.old) / entry.samples)
    rows = tuple(_class(entry) for entry in ranked[:SHOWN])
    lines = (f"{len(ranked) - SHOWN} more",) if len(ranked) > SHOWN else ()
    return Section(title="classes", header=("class", "samples", "old", "new", "change", "lost", "won"), rows=rows, lines=lines)


def _class(entry: ClassChange) -> tuple[str, ...]:
    old, new = entry.old / entry.samples, entry.new / entry.samples
    values = (written(old, "share"), written(new, "share"), signed(new - old, "share"))
    return (_cut(entry.label), str(entry.samples), *values, str(entry.lost), str(entry.won))


def _verdicts(found: Difference) -> Section:
    shown, more = worst_verdicts(found.verdicts, found.figures)
    rows = tuple(_verdict(item) for item in shown)
    return Section(title="budgets", header=("budget", "old", "", "new", ""), rows=rows, lines=tuple(more))


def _verdict(item: VerdictChange) -> tuple[str, ...]:
    dash = "–"
    old, new = (item.old_text or dash, item.old_status or dash), (item.new_text or dash, item.new_status or dash)
    return (_cut(item.budget), *old, *new)


def _parts(found: Difference) -> Section:
    rows = tuple((_cut(part.name), *_sizes(part.old, part.new)) for part in found.parts)
    return Section(title="size", header=("part", "old", "new", "change"), rows=rows)


def _sizes(old: int | None, new: int | None) -> tuple[str, str, str]:
    change = (new or 0) - (old or 0)
    share = f" ({100 * change / old:+.1f} %)" if old and new is not None else ""
    return (
        "–" if old is None else written(old, "bytes"),
        "–" if new is None else written(new, "bytes"),
        signed(change, "bytes") + share,
    )


def _operators(found: Difference) -> Section:
    rows = tuple((item.name, _count(item.old), _count(item.new), _why(item.new)) for item in found.operators[:SHOWN])
    lines = (f"{len(found.operators) - SHOWN} more",) if len(found.operators) > SHOWN else ()
    return Section(title="operators", header=("operator", "old", "new", "why outside"), rows=rows, lines=lines)


def _count(count: OperatorCount | None) -> str:
    if count is None:
        return "–"
    outside = f", {count.left} outside" if count.left else ""
    return f"{count.delegated} delegated{outside}"


def _why(count: OperatorCount | None) -> str:
    return _cut(count.reason) if count and count.left else ""


def _facts(title: str, facts: Sequence[Fact]) -> Section:
    rows = tuple((_cut(fact.name), _fact(fact.old), _fact(fact.new)) for fact in facts)
    return Section(title=title, header=("", "old", "new"), rows=rows)


def _fact(text: str | None) -> str:
    if text is None:
        return "–"
    return f"{text[:DIGEST]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else _cut(text)


def _cut(text: str, widest: int = WIDEST) -> str:
    return cut(text, widest)


def _inputs(found: Difference) -> Section:
    marks = [("changed", found.inputs.changed), ("added", found.inputs.added), ("removed", found.inputs.removed)]
    rows = [row for what, names in marks for row in _named(what, names)]
    return Section(title="inputs", header=("", "file"), rows=tuple(rows))


def _named(what: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """A row a file; of a folder with many, one for all."""
    folders: dict[str, list[str]] = {}
    for name in names:
        folder = "/".join(name.split("/")[:2]) if name.count("/") > 1 else ""
        folders.setdefault(folder, []).append(name)
    rows = []
    for folder, inside in folders.items():
        many = folder and len(inside) > SHOWN
        rows += [(what, f"{folder}/… ({len(inside)} files)")] if many else [(what, name) for name in inside]
    return rows if len(rows) <= SHOWN else [*rows[: SHOWN - 1], (what, f"{len(rows) - SHOWN + 1} more")]
