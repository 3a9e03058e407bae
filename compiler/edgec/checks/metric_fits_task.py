"""A metric must make sense for the task, and be limited on the side where it can be bad."""

from __future__ import annotations

from edgec.artifacts.document import Route
from edgec.artifacts.manifest import Budget, Choice, Manifest, Options, filled
from edgec.artifacts.project import Project
from edgec.checks.places import at, budgets
from edgec.diagnostics import Diagnostic
from edgec.protocols import Task
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return one finding for each accuracy budget whose metric does not fit the task, its limit's side, or its unit."""
    task = plugin("tasks", manifest.task.name)
    found = []
    for budget in budgets(manifest):
        if budget.kind == "accuracy":
            found += _misfit(budget, manifest.task.name, task) or _other_rules(budget, manifest.task)
    return list(dict.fromkeys(found))


def _written(budget: Budget) -> Route:
    """The accuracy budget that a limit stands in, also one on a slice."""
    return budget.route[: budget.route.index("slices") if budget.slice else -1]


def _undecided(budget: Budget, task: str) -> Diagnostic:
    message = f"the task {task!r} takes no decision that could differ from fp32's"
    hint = "limit a metric of the task with `min`, `max` or `max_drop`"
    return Diagnostic(code="does-not-fit", message=message, where=at(*budget.route, on="key"), hint=hint)


def _other_rules(budget: Budget, task: Choice) -> list[Diagnostic]:
    """What a metric goes by is the task's own where it is the same thing: the runner goes by the task's."""
    metric = plugin("metrics", budget.statistic)
    shared: dict[str, bool] = getattr(metric, "OF_TASK", {})
    # A task without any option goes by none of its defaults: an alarm needs a threshold first.
    rules: Options = filled(plugin("tasks", task.name).OPTIONS, task.options) if task.options else {}
    given = {key: budget.options[key] for key in shared if key in budget.options}
    lacking = [key for key, needed in shared.items() if needed and key not in given and key not in rules]
    found = [
        Diagnostic(
            code="does-not-fit",
            message=f"{budget.statistic} needs a {key}, and neither the task {task.name!r} nor the metric has one",
            where=at(*_written(budget), "metric"),
            hint=f"give the task its {key}: the runner goes by it too",
        )
        for key in lacking
    ]
    for key, value in given.items():
        if key in rules and rules[key] != value:
            message = f"{budget.statistic} goes by {key} {value:g}, and the task {task.name!r} by {rules[key]:g}"
            where = at(*_written(budget), "metric", "options", key)
            hint = f"leave {key} out here: it is the task's, which the runner goes by"
            found.append(Diagnostic(code="does-not-fit", message=message, where=where, hint=hint))
    return found


def _misfit(budget: Budget, task: str, plugged: Task) -> list[Diagnostic]:
    name, metrics = budget.statistic, plugged.METRICS
    metric = plugin("metrics", name)
    if name not in metrics or (metric.NEEDS_LABELS and not plugged.TRUTH):
        message = f"the metric {name!r} does not fit the task {task!r}"
        hint = f"metrics of {task}: {', '.join(metrics)}"
        return [Diagnostic(code="does-not-fit", message=message, where=at(*_written(budget), "metric"), hint=hint)]
    if budget.sense == "max_flips":
        return [] if plugged.DECIDES else [_undecided(budget, task)]
    wrong = "max" if metric.HIGHER_IS_BETTER else "min"
    if budget.sense == wrong:
        right = "min" if wrong == "max" else "max"
        better = "higher" if metric.HIGHER_IS_BETTER else "lower"
        message = f"{wrong!r} limits {name} on its good side: {better} is better"
        return [
            Diagnostic(code="does-not-fit", message=message, where=at(*budget.route, on="key"), hint=f"write {right!r}")
        ]
    if budget.sense == "max_drop" and not (metric.PAIRED or getattr(metric, "RESAMPLED", False)):
        message = f"{name} has no drop against fp32: it is no mean over samples"
        side = "min" if metric.HIGHER_IS_BETTER else "max"
        return [Diagnostic(code="does-not-fit", message=message, where=at(*budget.route, on="key"), hint=f"write {side!r}")]
    best: float | None = getattr(metric, "BEST", None)
    beyond = best is not None and (budget.limit > best if metric.HIGHER_IS_BETTER else budget.limit < best)
    if beyond and budget.sense in ("min", "max"):
        message = f"no model can meet {budget.sense} {budget.text}: the best {name} there is is {best:g}"
        hint = f"write a number that is {'at most' if metric.HIGHER_IS_BETTER else 'at least'} {best:g}"
        return [Diagnostic(code="wrong-value", message=message, where=at(*budget.route), hint=hint)]
    if metric.SHARE and not 0 <= budget.limit <= 1:
        message = f"{budget.text} is not a share, and {name} is one"
        hint = "write it between 0% and 100%, or between 0 and 1"
        return [Diagnostic(code="wrong-value", message=message, where=at(*budget.route), hint=hint)]
    return []
