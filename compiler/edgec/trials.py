"""Lowered candidates in, judged candidates out: the cheap figures of all first, then clocks, one after another."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgec.appraisal import appraisal
from edgec.artifacts.bundle import Runner
from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.kept import figure_of
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.measured import Figure, Measured
from edgec.artifacts.search import Trial
from edgec.registry import bundle_kind
from edgec.runtime.host import cpu_name, same_kind
from edgec.runtime.instructions import instructions
from edgec.search import winner, worth_clocking
from edgec.stages.judge import judge
from edgec.stages.measure import asked, clocked_figures, cost_figure
from edgec.store.files import sha256_of
from edgec.store.unfinished import CLOCKS, Unfinished
from edgec.workshop import Workshop, diagnosed, unfinished

UNCLOCKED = "lowered, but the time limit was reached before it was clocked"


def judged(trials: Sequence[Trial], shop: Workshop) -> list[Trial]:
    """Return one target's candidates with their figures and verdicts; nothing else may run on this machine meanwhile.

    Only those are clocked that no figure of their artifact, and no accuracy, rules out; should none of these pass, the
    others too. When a search's time is over and one passes, the rest stay as they are.
    """
    found = [_appraised(trial, shop) for trial in trials]
    search, strict = trials[0].plan.search, shop.settings.strict
    clocked: list[int] = []
    while waiting := [index for index in worth_clocking(found, strict) if index not in clocked]:
        index, *_ = waiting
        best = winner([found[one] for one in clocked], search, strict)[0] if search else None
        if best is not None and shop.over(found[index].plan):
            found[index] = replace(found[index], untried=UNCLOCKED)
            continue
        found[index] = _clocked(found[index], shop)
        clocked.append(index)
        if search:
            shop.say(f"{found[index].label}: {found[index].standing}")
    return found


def settled(trial: Trial) -> tuple[Lowered, Path, Measured]:
    """Return the artifact, its job's folder and the figures of a candidate that has all three."""
    assert trial.lowered is not None and trial.folder is not None and trial.measured is not None
    return trial.lowered, trial.folder, trial.measured


def _appraised(trial: Trial, shop: Workshop) -> Trial:
    """Add what the artifact and its answers say, without running anything."""
    if trial.lowered is None or trial.folder is None:
        return trial
    try:
        found = appraisal(trial.plan, trial.lowered, trial.folder, shop.cache)
        measured = Measured(figures=found.figures)
        verdicts = judge(trial.plan, measured)
        return replace(trial, measured=measured, evaluated=found.evaluated, gaps=found.gaps, verdicts=verdicts)
    except Exception as error:
        return replace(trial, diagnostics=diagnosed(trial.plan, error))


def _clocked(trial: Trial, shop: Workshop) -> Trial:
    """Add what the bundle's own runner shows: on this machine where the target is of its kind, else under emulation."""
    plan, (lowered, folder, cheap) = trial.plan, settled(trial)
    kind, settings = bundle_kind(plan.target.kind), shop.settings
    try:
        if not kind.RUNNER:
            found = kind.figures(plan, lowered, folder, shop.cache.folder, settings.offline)
            measured = Measured(figures=(*cheap.figures, *found, *([cost_figure(lowered)] if plan.search else [])))
            return replace(trial, measured=measured, verdicts=judge(plan, measured))
        runner = shop.runner(plan.target, lowered.backends, lowered.kernels)
        if (again := _clocked_before(trial, runner, shop)) is not None:
            return again
        measured = Measured(figures=(*cheap.figures, *_speed(trial, runner, shop)))
        return replace(trial, measured=measured, verdicts=judge(plan, measured))
    except Exception as error:
        return replace(trial, diagnostics=diagnosed(plan, error))


def _clocked_before(trial: Trial, runner: Runner, shop: Workshop) -> Trial | None:
    """Return the trial with what a build clocked not long ago, where that was the same on this machine; else None.

    A search clocks anew, so that its candidates met the same machine; and figures that miss a budget are no reason to miss
    it again.
    """
    plan, (_, _, cheap) = trial.plan, settled(trial)
    if plan.search or not same_kind(plan.target) or not (found := _clocks(trial, runner, shop).kept("figures")):
        return None
    measured = Measured(figures=(*cheap.figures, *(figure_of(item) for item in found)))
    verdicts = judge(plan, measured)
    if any(verdict.figure and verdict.figure.clocked and verdict.status != "met" for verdict in verdicts):
        return None
    return replace(trial, measured=measured, verdicts=verdicts)


def _clocks(trial: Trial, runner: Runner, shop: Workshop) -> Unfinished:
    """Return where the clocks of this artifact, under this runner, on this machine are kept."""
    plan, (lowered, _, _) = trial.plan, settled(trial)
    wanted = to_json(asked(plan, shop.settings.sustained))
    parts = [lowered.pte_sha256, sha256_of(runner.executable), plan.threads, wanted, cpu_name(), os.cpu_count()]
    return Unfinished(cache=shop.cache, run=hashlib.sha256(json.dumps(parts).encode()).hexdigest(), kind=CLOCKS)


def _speed(trial: Trial, runner: Runner, shop: Workshop) -> list[Figure]:
    """Return the figures of ``_measured``: of an unfinished search those that it had already, else new ones."""
    kept = unfinished(trial.plan, shop.cache)
    under = {"runner": sha256_of(runner.executable), "asked": to_json(asked(trial.plan, shop.settings.sustained))}
    if kept and (found := kept.kept("clocks")) and under.items() <= found.items():
        shop.say(f"{trial.label}: clocked already, in the search that this one goes on with")
        return [from_json(Figure, item) for item in found["figures"]]
    figures = _measured(trial, runner, shop)
    if figures and trial.plan.search is None:
        _clocks(trial, runner, shop).keep("figures", [to_json(figure) for figure in figures])
    if kept:
        kept.keep("clocks", {**under, "figures": [to_json(figure) for figure in figures]})
    return figures


def _measured(trial: Trial, runner: Runner, shop: Workshop) -> list[Figure]:
    plan, (lowered, folder, _) = trial.plan, settled(trial)
    if same_kind(plan.target):
        shop.quiet()
        return clocked_figures(plan, lowered, folder, runner, shop.settings.sustained)
    if plan.search is None:
        return []
    counted = instructions(plan, lowered, folder, runner, shop.cache) if plan.search.objective == "latency" else None
    # A count differs a little from run to run, so it must not enter the tarball.
    return [cost_figure(lowered), *([replace(counted, clocked=True)] if counted else [])]
