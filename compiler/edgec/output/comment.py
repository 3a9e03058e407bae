"""What a build would do, as a comment for a pull request: one table, why each row is there, and each plan folded away."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence

from edgec.artifacts.document import Json
from edgec.artifacts.measured import written
from edgec.artifacts.slices import Standing, condensed, limit_of, notes, short_name
from edgec.diagnostics import Diagnostic
from edgec.forecast import Forecast, Risk
from edgec.output.fitting import SHOWN, fitting

MOST = 6
"""So many changed parts are named, and the rest counted."""
ACTIONS = {"nothing": "nothing", "render": "judge and render", "lower": "lower, measure, render"}
RISKS = {"missed": "would be missed", "tight": "tight", "open": "open", "unknown": "unknown"}
OTHER = " (the last build's, of what has changed since)"
OTHERS = "\nThe other plans are too long for a comment: `edgec plan` prints them.\n"
HEADER = ["| target | what runs | why | artifact and time | budgets to look at |", "|---|---|---|---|---|"]


def action(group: Sequence[Forecast]) -> str:
    """Return what runs for one target: of a search the most that a candidate needs, and how many do."""
    first = group[0]
    if first.plan.search is None or first.action == "nothing":
        return ACTIONS[first.action]
    lowering = sum(item.action == "lower" for item in group)
    return f"lower {lowering} of {len(group)} candidates, clock, render" if lowering else ACTIONS["render"]


def because(item: Forecast, quote: Callable[[str], str] = str) -> str:
    """Return why, in a phrase: the parts that changed since the last build, or the reason."""
    if not item.compared:
        return item.why[0]
    named = ", ".join(quote(name) for name in item.why[:MOST])
    more = f" and {len(item.why) - MOST} more" if len(item.why) > MOST else ""
    return f"since {item.since} changed: {named}{more}"


def expected(item: Forecast) -> list[str]:
    """Return what is to be expected of the artifact and of the time, and from which build that is known."""
    size = [f"{written(item.size, 'bytes')}{'' if item.same else OTHER}"] if item.size is not None else []
    seconds = [f"about {item.seconds:.0f} s to lower, as the last time"] if item.seconds else []
    return size + seconds


def standing(risk: Risk) -> str:
    """Return how a budget stands by the last build's figures: ``2.1 ms, kept``, ``on the device``, ``unknown``."""
    words = {"device": "on the device", **RISKS}.get(risk.standing, risk.standing)
    return f"{risk.value}, {words}{'' if risk.same else OTHER}" if risk.value else words


def worst(risks: Sequence[Risk]) -> tuple[list[Risk], list[str]]:
    """Return the risks that people are shown, and a line on the rest of each limit's slices."""
    standings = [Standing(group=limit_of(risk.budget), status=risk.standing, margin=risk.margin) for risk in risks]
    shown, rest = condensed(standings)
    return [risks[index] for index in shown], notes(standings, rest)


def record(item: Forecast) -> dict[str, Json]:
    """Return a forecast as `edgec plan --output json` has it, beside the plan itself."""
    return {
        "name": item.plan.name,
        "version": item.plan.version,
        "target": item.plan.target.name,
        "candidate": item.plan.label if item.plan.search else None,
        "lowering_key": item.plan.lowering_key,
        "action": item.action,
        "why": list(item.why),
        "changed_since": item.since if item.compared else None,
        "seconds": item.seconds,
        "size_bytes": item.size,
        "of_this_artifact": item.same and all(risk.same for risk in item.risks if risk.value),
        "budgets": [_budget(risk) for risk in item.risks],
    }


def _budget(risk: Risk) -> dict[str, Json]:
    return {
        "budget": risk.budget.name,
        "standing": risk.standing,
        "last_figure": risk.value or None,
        "of_this_artifact": risk.same if risk.value else None,
    }


def comment(groups: Sequence[Sequence[Forecast]], found: Sequence[Diagnostic], details: Sequence[str]) -> str:
    """Return the whole comment in GitHub's Markdown; ``details`` is each target's plan as plain text."""
    text = f"### edgec plan\n\n{_summary(groups, found)}\n"
    wrong = [f"- **{item.severity}** `{item.code}`: {_text(item.message)}" for item in found if item.severity != "note"]
    text += _listed(wrong, SHOWN // 2)
    if groups:
        text += _listed([*HEADER, *map(_row, groups)], SHOWN - len(text) - len(OTHERS))
    for group, detail in zip(groups, details, strict=True):
        plan = group[0].plan
        folded = _folded(f"{plan.name} {plan.version} for {plan.target.name}", detail)
        if len(text) + len(folded) > SHOWN:
            text += OTHERS
            break
        text += folded
    return text


def _listed(lines: Sequence[str], room: int) -> str:
    """The lines of a list or a table after a blank one, in at most ``room`` characters."""
    shown, more = fitting(lines, room - 3, "edgec plan")
    return "".join(f"\n{part}\n" for part in ("\n".join(shown), more) if part)


def _summary(groups: Sequence[Sequence[Forecast]], found: Sequence[Diagnostic]) -> str:
    busy = [group for group in groups if group[0].action != "nothing"]
    seconds = {item.plan.lowering_key: item.seconds for group in busy for item in group if item.action == "lower"}
    known = [value for value in seconds.values() if value]
    lowerings = "1 lowering runs" if len(seconds) == 1 else f"{len(seconds)} lowerings run"
    words = f"{len(busy)} of {len(groups)} targets would be built, {lowerings}"
    if known:
        unknown = len(seconds) - len(known)
        words += f" (about {sum(known):.0f} s one by one" + (f", {unknown} of unknown length)" if unknown else ")")
    missed = sum(risk.standing == "missed" for group in groups for risk in group[0].risks if group[0].plan.search is None)
    words += f"; {missed} budgets would be missed by the last build's figures" if missed else ""
    errors = sum(item.severity == "error" for item in found)
    return f"{words}; **{errors} errors**." if errors else f"{words}."


def _row(group: Sequence[Forecast]) -> str:
    item = group[0]
    risks = [] if all(risk.standing == "unknown" for risk in item.risks) else item.risks
    shown, rest = worst([risk for risk in risks if risk.standing in RISKS])
    risky = [f"{_text(short_name(risk.budget))}: {_text(standing(risk))}" for risk in shown] + [_text(note) for note in rest]
    cells = [
        f"{_text(item.plan.name)} {_text(item.plan.version)} for {_text(item.plan.target.name)}",
        action(group),
        because(item, _code) if item.compared else _text(because(item)),
        "<br>".join(_text(text) for text in expected(item)) or "unknown until first build",
        "<br>".join(risky) or ("-" if risks or not item.risks else "unknown until first build"),
    ]
    return "| " + " | ".join(cells) + " |"


def _folded(title: str, detail: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", detail)), default=0))
    return f"\n<details><summary>{html.escape(title)}</summary>\n\n{fence}\n{detail}{fence}\n\n</details>\n"


def _text(text: str) -> str:
    """Return text as GitHub's Markdown shows it literally, on one line, also in a table; nobody is mentioned by it."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", " ".join(text.split()))
    return escaped.replace("@", "@\u200b")


def _code(text: str) -> str:
    """Return a name as code, in a table; a backtick or a bar in it shows as a quote or as a slash."""
    return "`" + " ".join(text.split()).replace("`", "'").replace("|", "/") + "`"
