"""A Plan as people read it before a build; programs take it as JSON."""

from __future__ import annotations

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Choice, Input
from edgec.artifacts.measured import written
from edgec.artifacts.plan import Plan
from edgec.output.human import printable
from edgec.output.table import BOLD, paint, table


def human(plan: Plan, facts: Json, colour: bool) -> str:
    """Return one block: what will be built, from which inputs, under which budgets, and what the plan has to say.

    ``facts`` is the lowered.json of an earlier build of the same inputs, or None.
    """
    title = paint(printable(f"{plan.name} {plan.version} for {plan.target.name}"), BOLD, colour)
    rows = [
        ("target", f"{plan.target.architecture}, {plan.target.cpu}, glibc {plan.target.glibc}, {plan.threads} threads"),
        ("model", _choice(plan.model)),
        *(("input", _input(item)) for item in plan.inputs),
        ("task", f"{plan.task.name}, {len(plan.labels)} labels" if plan.labels else plan.task.name),
        *((data.role, f"{data.format} {data.options.get('path', '')}".strip()) for data in plan.data),
        ("recipe", _choice(plan.recipe)),
        ("delegate", ", then ".join(_choice(item) for item in plan.delegates)),
        ("files", f"{len(plan.files)} input files, hashed"),
        ("artifact", _artifact(facts)),
        ("key", plan.lowering_key[:16]),
        *(("note", note) for note in plan.notes),
    ]
    lines = [title, *(f"  {name:<12} {printable(text)}" for name, text in rows)]
    if plan.budgets:
        side = {"min": "at least", "max": "at most", "max_drop": "drop at most"}
        budgets = [(f"{item.kind} {item.statistic}".strip(), f"{side[item.sense]} {item.text}") for item in plan.budgets]
        lines.append(table(("budget", "limit"), budgets, colour).rstrip("\n"))
    return "\n".join(lines) + "\n"


def _artifact(facts: Json) -> str:
    if facts is None:
        return "unknown until first build"
    counts = [(operator["delegated"], operator["left"]) for operator in facts["operators"]]
    inside, outside = sum(count[0] for count in counts), sum(count[1] for count in counts)
    size = written(facts["pte_bytes"], "bytes")
    return f"{size}, {facts['parameters']:,} parameters, {inside} of {inside + outside} operators delegated (an earlier build)"


def markdown(plan: Plan, facts: Json) -> str:
    """Return the same as Markdown, for a comment on a pull request."""
    return f"### {plan.name} {plan.version} for {plan.target.name}\n\n```\n{human(plan, facts, False)}```\n"


def _choice(choice: Choice) -> str:
    options = ", ".join(f"{key}: {_short(value)}" for key, value in choice.options.items())
    return f"{choice.name} ({options})" if options else choice.name


def _short(value: object) -> str:
    text = ", ".join(f"{key}: {_short(item)}" for key, item in value.items()) if isinstance(value, dict) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _input(item: Input) -> str:
    if item.image:
        return f"{item.name}: RGB picture {item.image.width}x{item.image.height}, {item.image.fit}, 0..255"
    axes = "x".join(str(axis.minimum) if axis.fixed else f"{axis.minimum}..{axis.maximum}" for axis in item.shape)
    return f"{item.name}: {item.dtype} [{axes}]"
