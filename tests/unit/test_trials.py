"""Clocks come last and only where they decide something; what a killed search clocked is taken up, a finished one's is not."""

import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from bundle_parts import plan
from edgec import trials as stage
from edgec import workshop
from edgec.appraisal import Appraisal
from edgec.artifacts.manifest import Budget, Choice, Search
from edgec.artifacts.measured import Figure
from edgec.artifacts.search import Trial
from edgec.artifacts.settings import Settings
from edgec.diagnostics import Diagnostic, Failure
from edgec.search import concluded
from edgec.store import unfinished
from edgec.store.cache import Cache
from edgec.workshop import Workshop

MANIFEST = plan().manifest
SIZE = Budget(kind="size", statistic="", sense="max", limit=3e6, text="3MB", route=("budgets", "size"))
P90 = Budget(kind="latency", statistic="p90", sense="max", limit=0.01, text="10ms", route=("budgets", "latency", "p90"))
GOAL = Search(recipes=(), delegates=((Choice(name="xnnpack"),),), time_limit=60.0)


def lowered(name, size):
    mine = plan(recipe=Choice(name=name), search=GOAL, budgets=(SIZE, P90), lowering_key=name)
    artifact = SimpleNamespace(pte_bytes=size, pte_sha256=name, backends=(), kernels=())
    return Trial(plan=mine, lowered=artifact, folder=Path(name))


@pytest.fixture
def shop(tmp_path):
    return Workshop(cache=Cache(folder=tmp_path), settings=Settings(), say=lambda line: None, stop=Event())


@pytest.fixture
def clocked(tmp_path, monkeypatch):
    """Names of the candidates that were clocked, in order; each takes 2 ms."""
    seen = []
    runner = tmp_path / "edgec-run"
    runner.write_text("runner")

    def speed(trial, *rest):
        seen.append(trial.plan.recipe.name)
        if trial.plan.recipe.name == "crashes":
            raise Failure(Diagnostic(code="runner-failed", message="the runner refuses the artifact"))
        figure = Figure(name="latency.p50", value=0.002, unit="s", evidence="host", samples=256, clocked=True)
        return [figure, replace(figure, name="latency.p90")]

    monkeypatch.setattr(stage, "_measured", speed)
    monkeypatch.setattr(workshop, "runner_for", lambda *given: SimpleNamespace(executable=runner))
    monkeypatch.setattr(
        stage,
        "appraisal",
        lambda plan, artifact, folder, cache: Appraisal(
            figures=(
                Figure(name="size", value=artifact.pte_bytes, unit="bytes", evidence="artifact"),
                Figure(name="memory.planned", value=artifact.pte_bytes, unit="bytes", evidence="artifact"),
            )
        ),
    )
    return seen


def test_what_the_artifact_rules_out_is_not_clocked(shop, clocked):
    found = stage.judged([lowered("fp32", 4e6), lowered("fp16", 2e6), lowered("int8", 1e6)], shop)
    assert clocked == ["int8", "fp16"]
    assert [trial.standing for trial in found] == ["missed", "passed", "passed"]
    assert found[0].figure("latency.p50") is None


def test_what_the_data_cannot_show_is_kept_to_be_told(shop, clocked, monkeypatch):
    gap = Diagnostic(code="data-labels", message="auc is left out", severity="warning")
    known = stage.appraisal
    monkeypatch.setattr(stage, "appraisal", lambda *given: replace(known(*given), gaps=(gap,)))
    (found,) = stage.judged([lowered("fp32", 2e6)], shop)
    assert found.gaps == (gap,) and found.standing == "passed"


def test_where_nothing_passes_all_are_clocked(shop, clocked):
    stage.judged([lowered("fp32", 4e6), lowered("fp16", 5e6)], shop)
    assert clocked == ["fp32", "fp16"]


def test_where_no_survivor_passes_the_clock_the_others_are_clocked_too(shop, clocked):
    slow = replace(P90, limit=0.001, text="1ms")
    trials = [lowered("fp32", 4e6), lowered("fp16", 2e6), lowered("int8", 1e6)]
    found = stage.judged([replace(trial, plan=replace(trial.plan, budgets=(SIZE, slow))) for trial in trials], shop)
    assert clocked == ["int8", "fp16", "fp32"]
    assert {trial.standing for trial in found} == {"missed"}
    assert concluded(found, False, 1.0).binding == "latency.p90"


def test_one_that_does_not_run_is_a_row(shop, clocked):
    found = stage.judged([lowered("crashes", 1e6), lowered("fp16", 2e6)], shop)
    assert [trial.standing for trial in found] == ["failed", "passed"]
    assert concluded(found, False, 1.0).winner == 1


def test_when_the_time_is_over_the_best_so_far_wins_and_the_rest_is_said_to_be_untried(shop, clocked):
    late = replace(shop, begun={MANIFEST: time.monotonic() - 61})
    found = stage.judged([lowered("fp16", 2e6), lowered("int8", 1e6)], late)
    assert clocked == ["int8"]
    assert [trial.standing for trial in found] == ["untried", "passed"]
    searched = concluded(found, False, 61.0)
    assert (searched.winner, searched.trials[0].reason) == (1, stage.UNCLOCKED)


def test_time_over_does_not_leave_the_hands_empty(shop, clocked):
    late = replace(shop, begun={MANIFEST: time.monotonic() - 61})
    found = stage.judged([lowered("crashes", 1e6), lowered("int8", 2e6), lowered("fp16", 2.5e6)], late)
    assert clocked == ["crashes", "int8"]
    assert [trial.standing for trial in found] == ["failed", "passed", "untried"]


def test_a_killed_search_takes_its_clocks_up_and_a_finished_one_does_not(shop, clocked):
    candidates = [lowered("int8", 1e6), lowered("fp16", 2e6)]
    first = stage.judged(candidates, shop)
    again = stage.judged(candidates, shop)
    assert clocked == ["int8", "fp16"]
    assert [trial.measured for trial in again] == [trial.measured for trial in first]
    shop.forget(concluded(again, False, 1.0))
    stage.judged(candidates, shop)
    assert clocked == ["int8", "fp16"] * 2


def test_clocks_of_another_runner_are_not_taken_up(shop, clocked, tmp_path):
    stage.judged([lowered("int8", 1e6)], shop)
    (tmp_path / "edgec-run").write_text("another runner")
    stage.judged([lowered("int8", 1e6)], shop)
    assert clocked == ["int8", "int8"]


def plainly(shop, **changes):
    """Judge one plan without search, as a build does."""
    plain = lowered("int8", 1e6)
    return stage.judged([replace(plain, plan=replace(plain.plan, search=None, **changes))], shop)[0]


def test_another_limit_is_held_against_the_clocks_of_the_build_before(shop, clocked):
    before = plainly(shop)
    after = plainly(shop, budgets=(replace(P90, limit=0.005, text="5ms"),))
    assert clocked == ["int8"]
    assert after.standing == "passed" and after.figure("latency.p90") == before.figure("latency.p90")


OTHERWISE = {
    "they would miss": {"budgets": (replace(P90, limit=0.001, text="1ms"),)},
    "more samples are asked": {"budgets": (replace(P90, statistic="p99"),)},
    "passes of the pipeline are asked": {"budgets": (P90, replace(P90, statistic="p99", of="pipeline"))},
    "a load is asked": {"budgets": (P90, replace(P90, after=2.0))},
    "other threads are asked": {"threads": 1},
}


@pytest.mark.parametrize("why", OTHERWISE)
def test_a_plain_build_clocks_anew_where(why, shop, clocked):
    plainly(shop)
    plainly(shop, **OTHERWISE[why])
    assert clocked == ["int8", "int8"]


@pytest.mark.parametrize(("what", "value"), [("BOOT", Path("/proc/version")), ("MAX_AGE_SECONDS", -1.0)])
def test_clocks_of_another_boot_or_day_are_not_taken_over(what, value, shop, clocked, monkeypatch):
    plainly(shop)
    monkeypatch.setattr(unfinished, what, value)
    plainly(shop)
    assert clocked == ["int8", "int8"]
