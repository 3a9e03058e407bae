"""A Plan as people read it before a build; programs take it as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Choice, Input, Search
from edgec.artifacts.measured import in_threads, written
from edgec.artifacts.plan import Plan
from edgec.artifacts.profile import Profile
from edgec.artifacts.slices import short_name
from edgec.diagnostics import Diagnostic
from edgec.forecast import Forecast, Risk
from edgec.output.comment import action, because, expected, standing, worst
from edgec.output.human import printable
from edgec.output.table import BOLD, paint, table

SENSES = {"min": "at least", "max": "at most", "max_drop": "drop at most", "max_flips": "flips at most"}


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a build would do for a plan, and what its model is known to compute; else None.

    ``uncounted`` is why its model could not be counted, where that was asked for.
    """

    forecast: Forecast
    profile: Profile | None
    prediction: Foretold | None
    uncounted: Sequence[Diagnostic] = ()

    @property
    def plan(self) -> Plan:
        """The plan itself."""
        return self.forecast.plan

    @property
    def facts(self) -> Json:
        """The lowered.json of an earlier build of the same inputs, or None."""
        return self.forecast.facts


class Foretold(Protocol):
    """What of ``stages.predict.Prediction`` is shown."""

    @property
    def seconds(self) -> float | None: ...

    @property
    def reasons(self) -> tuple[str, ...]: ...


def human(known: Sequence[Known], colour: bool) -> str:
    """Return one block: what will be built and why, from which inputs, under which budgets, and what the plan has to say.

    ``known`` are a target's candidates, mostly one.
    """
    group = [item.forecast for item in known]
    plans, facts = [item.plan for item in known], [item.facts for item in known]
    plan = plans[0]
    title = paint(printable(f"{plan.name} {plan.version} for {plan.target.name}"), BOLD, colour)
    rows = [
        ("target", _target(plan)),
        ("model", _choice(plan.model)),
        *(("input", _input(item)) for item in plan.inputs),
        ("task", f"{plan.task.name}, {len(plan.labels)} labels" if plan.labels else plan.task.name),
        *((data.role, f"{data.format} {data.options.get('path', '')}".strip()) for data in plan.data),
        *([] if plan.search else _what(plan, facts[0])),
        ("files", f"{len(plan.files)} input files, hashed"),
        *(_sought(plan.search, len(plans)) if plan.search else _made(plan, facts[0])),
        *_foretold(known[0]),
        ("build", f"{action(group)}: {because(group[0])}"),
        *(("expected", text) for text in ([] if plan.search else expected(group[0]))),
        *(("note", note) for note in dict.fromkeys(note for item in plans for note in item.notes)),
    ]
    lines = [title, *(f"  {name:<12} {printable(text)}" for name, text in rows)]
    if plan.search:
        candidates = [_candidate(item) for item in known]
        lines.append(table(("candidate", "artifact", "at least", "key"), candidates, colour).rstrip("\n"))
    if plan.budgets:
        risks = group[0].risks
        shown, rest = worst([risk for risk in risks if not _is_any_class(risk)])
        budgets = dict.fromkeys(_budget(risk) for risk in risks if risk in shown or _is_any_class(risk))
        lines.append(table(("budget", "limit", "last build"), list(budgets), colour).rstrip("\n"))
        lines += [f"  {printable(note)}" for note in rest]
    return "\n".join(lines) + "\n"


def _target(plan: Plan) -> str:
    target = plan.target
    parts = [target.architecture, target.cpu, target.accelerator, f"glibc {target.glibc}" if target.glibc else ""]
    return ", ".join(part for part in (*parts, in_threads(plan.threads)) if part)


def _is_any_class(risk: Risk) -> bool:
    """Whether it is on one of the classes, of which no figure is known: they are alike."""
    return bool(risk.budget.slice and risk.budget.slice.by == "class" and risk.standing == "unknown")


def _budget(risk: Risk) -> tuple[str, str, str]:
    """A row; limits on classes of which nothing is known are one row together."""
    name = f"accuracy {risk.budget.statistic}, by class" if _is_any_class(risk) else printable(short_name(risk.budget))
    return name, f"{SENSES[risk.budget.sense]} {risk.budget.text}", standing(risk)


def _what(plan: Plan, facts: Json) -> list[tuple[str, str]]:
    return [("recipe", _recipe(plan, facts)), ("delegate", ", then ".join(_choice(item) for item in plan.delegates))]


def _made(plan: Plan, facts: Json) -> list[tuple[str, str]]:
    return [("artifact", _artifact(facts)), ("key", plan.lowering_key[:16])]


def _sought(search: Search, count: int) -> list[tuple[str, str]]:
    limit = f", none is started after {search.time_limit:g} s" if search.time_limit is not None else ""
    return [("search", f"the least {search.objective} of {count} candidates, tried in this order{limit}")]


def _candidate(item: Known) -> tuple[str, str, str, str]:
    bound = item.prediction.seconds if item.prediction else None
    least = written(bound, "s") if bound else "-"
    return printable(item.plan.label), _artifact(item.facts), least, item.plan.lowering_key[:16]


def _foretold(item: Known) -> list[tuple[str, str]]:
    """What the model computes and what the target's figures allow; of a search the candidates' bounds are in its table."""
    if item.uncounted:
        code = next(found.code for found in item.uncounted if found.severity == "error")
        return [("computes", f"unknown: counting it failed, as error[{code}] says")]
    if item.profile is None or item.prediction is None:
        return [("computes", "unknown until it is counted, by a build or by `edgec plan --profile`")]
    macs = sum(item.profile.macs.values())
    counts = f"{macs / 1e6:.4g} M multiply-accumulates, {item.profile.parameters:,} parameters"
    sized = " (of the example's size)" if item.profile.dynamic else ""
    reasons = () if item.plan.search else item.prediction.reasons
    return [("computes", counts + sized), *(("bound", reason) for reason in reasons)]


def _recipe(plan: Plan, facts: Json) -> str:
    """The recipe; what ``auto`` stands for is known once the same inputs were built."""
    if plan.recipe.name != "auto":
        return _choice(plan.recipe)
    if facts is None:
        return "auto: chosen in the build, by what the model computes"
    return f"auto: {facts['resolved']['recipe']} (an earlier build)"


def _artifact(facts: Json) -> str:
    if facts is None:
        return "unknown until first build"
    counts = [(operator["delegated"], operator["left"]) for operator in facts["operators"]]
    inside, outside = sum(count[0] for count in counts), sum(count[1] for count in counts)
    size = written(facts["pte_bytes"], "bytes")
    return f"{size}, {facts['parameters']:,} parameters, {inside} of {inside + outside} operators delegated (an earlier build)"


def _choice(choice: Choice) -> str:
    options = ", ".join(f"{key}: {_short(value)}" for key, value in choice.options.items())
    return f"{choice.name} ({options})" if options else choice.name


def _short(value: object) -> str:
    text = ", ".join(f"{key}: {_short(item)}" for key, item in value.items()) if isinstance(value, dict) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _input(item: Input) -> str:
    if item.image:
        return f"{item.name}: RGB picture {item.image.width}x{item.image.height}, {item.image.fit}, 0..255"
    if item.audio and item.stream:
        seconds = item.shape[1].maximum / item.audio.rate
        features = item.audio.features
        heard = f", {features.bands} log-mel bands in the model" if features else ""
        every = item.stream.hop / item.audio.rate
        return f"{item.name}: {seconds:g} s of sound at {item.audio.rate} Hz, every {every:g} s{heard}"
    axes = "x".join(str(axis.minimum) if axis.fixed else f"{axis.minimum}..{axis.maximum}" for axis in item.shape)
    return f"{item.name}: {item.dtype} [{axes}]"
