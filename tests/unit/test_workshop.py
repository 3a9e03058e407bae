"""Jobs of a search: in turns over targets, in time, each finding kept until the search has ended by itself."""

import time
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from edgec import pipeline, workshop
from edgec.artifacts.settings import Settings
from edgec.diagnostics import Diagnostic, Failure
from edgec.search import concluded
from edgec.store.cache import Cache

ROOT = Path(__file__).resolve().parents[2]
COMPILE_AHEAD = workshop._compile_ahead


@pytest.fixture
def work():
    """Four candidates for each of two targets; both targets have the same lowerings."""
    checked = pipeline.front(ROOT / "manifests" / "camera-search.yaml")
    plans, _ = pipeline.planned([checked], Settings())
    return plans


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setattr(workshop, "_compile_ahead", lambda *arguments: None)
    settings = Settings(jobs=1)
    return workshop.Workshop(cache=Cache(folder=tmp_path), settings=settings, say=lambda line: None, stop=Event())


def refused(trial):
    raise Failure(Diagnostic(code="lower-failed", message=f"{trial.plan.recipe.name} does not lower"))


def run(work, shop, monkeypatch, lower):
    """Lower, as a build of its own does, and return the labels of what was tried and the trials."""
    shop.stop.clear()
    seen = []

    def lowered(trial, project, shop, sharing):
        seen.append(trial.plan.label)
        return lower(trial)

    monkeypatch.setattr(workshop, "_lowered", lowered)
    return seen, workshop.lowered(work, shop)


def test_each_candidate_of_both_targets_is_lowered_once(work, shop, monkeypatch):
    seen, trials = run(work, shop, monkeypatch, lambda trial: replace(trial, seconds=1.0))
    assert len(trials) == 8
    assert seen == [trial.label for trial in trials[:4]] == [trial.label for trial in trials[4:]]
    assert [len(group) for group in workshop.by_target(work)] == [4, 4]
    assert {trial.plan.target.name for trial in trials[4:]} == {"linux-x86_64"}


def test_nothing_is_started_when_the_time_is_over(work, shop, monkeypatch):
    limited = [(replace(plan, search=replace(plan.search, time_limit=0.6)), project) for plan, project in work]

    def slow(trial):
        time.sleep(0.35)
        return trial

    seen, trials = run(limited, shop, monkeypatch, slow)
    assert seen == [trial.label for trial in trials[:2]]
    assert [bool(trial.untried) for trial in trials] == [False, False, True, True] * 2
    assert {trial.standing for trial in trials[2:4]} == {"untried"}


def test_the_first_is_tried_however_short_the_time(work, shop, monkeypatch):
    limited = [(replace(plan, search=replace(plan.search, time_limit=1e-9)), project) for plan, project in work]
    seen, trials = run(limited, shop, monkeypatch, lambda trial: trial)
    assert seen == [trials[0].label]


def test_each_manifest_has_its_own_time(work, shop):
    (plan, _), *_ = work
    limited = replace(plan, search=replace(plan.search, time_limit=0.0))
    shop.begun["another.yaml"] = time.monotonic() - 100
    assert shop.seconds(limited) < 10
    time.sleep(0.01)
    assert shop.over(limited)
    assert not shop.over(replace(plan, search=None))


def test_a_killed_search_does_not_try_again_what_failed(work, shop, monkeypatch):
    first, before = run(work, shop, monkeypatch, refused)
    again, after = run(work, shop, monkeypatch, refused)
    assert (len(first), again) == (4, [])
    assert [trial.diagnostics for trial in after] == [trial.diagnostics for trial in before]
    shop.forget(concluded(after[:4], False, 1.0))
    anew, _ = run(work, shop, monkeypatch, refused)
    assert len(anew) == 4


@pytest.mark.parametrize("code", ["job-killed", "job-died", "disk-full"])
def test_what_the_machine_did_is_tried_again(code, work, shop, monkeypatch):
    def lower(trial):
        raise Failure(Diagnostic(code=code, message="gone"))

    assert [len(run(work, shop, monkeypatch, lower)[0]) for _ in range(2)] == [4, 4]


def test_a_plain_build_keeps_no_failure(work, shop, monkeypatch):
    plain = [(replace(plan, search=None), project) for plan, project in work[:1]]
    assert [len(run(plain, shop, monkeypatch, refused)[0]) for _ in range(2)] == [1, 1]


def test_a_search_runs_a_job_a_core_as_far_as_memory_goes(work, monkeypatch, tmp_path):
    plans = [plan for plan, _ in work]
    monkeypatch.setattr(workshop, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(workshop.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    workshop.MEMORY.write_text("MemTotal: 1 kB\nMemAvailable:    3500000 kB\n")
    assert workshop.workers(plans, Settings()) == 3
    workshop.MEMORY.write_text("MemAvailable: 100 kB\n")
    assert workshop.workers(plans, Settings()) == 1
    workshop.MEMORY.unlink()
    assert workshop.workers(plans, Settings()) == 8
    assert workshop.workers(plans, Settings(jobs=5)) == 5
    assert workshop.workers([replace(plan, search=None) for plan in plans], Settings()) == 1


def test_only_a_runner_that_is_compiled_ahead_is_given_up_with_the_jobs(work, shop, monkeypatch):
    """Jobs that are done, or interrupted, end the compiler that nobody waits for; the one that a bundle needs runs on."""
    stops = []
    monkeypatch.setattr(workshop, "runner_for", lambda target, backends, kernels, cache, offline, stop=None: stops.append(stop))
    monkeypatch.setattr(workshop, "_compile_ahead", COMPILE_AHEAD)
    allowed = [(replace(plan, allow_code=True), project) for plan, project in work[:1]]
    run(allowed, shop, monkeypatch, lambda trial: replace(trial, seconds=1.0))
    shop.runner(allowed[0][0].target, ("XnnpackBackend",), ("libexecutorch_kernels_optimized.so",))
    ahead, needed = stops
    assert ahead is shop.stop and ahead.is_set()
    assert needed is None or not needed.is_set()
