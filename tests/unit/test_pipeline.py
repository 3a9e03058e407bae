"""One target's end is its own: a failure, or a bug, in one build leaves the others to theirs."""

import errno
from pathlib import Path

import pytest

from edgec import pipeline, trials, workshop
from edgec.artifacts.settings import Settings
from edgec.diagnostics import Diagnostic, Failure
from edgec.stages import plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def work():
    """The camera's two plans, each with a lowering of its own."""
    checked = pipeline.front(ROOT / "manifests" / "camera.yaml")
    plans, _ = pipeline.planned([checked], Settings())
    return plans


def test_what_cannot_be_hashed_stops_no_other_manifest(monkeypatch):
    checked = pipeline.front(ROOT / "manifests" / "camera.yaml")
    real, calls = plan.plan, []

    def refusing(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            raise PermissionError(errno.EACCES, "Permission denied", "camera.safetensors")
        return real(*arguments, **options)

    monkeypatch.setattr(plan, "plan", refusing)
    work, (found,) = pipeline.planned([checked, checked], Settings())
    assert len(work) == 2
    assert (found.code, found.exit_code) == ("not-readable", 8) and "camera.safetensors" in found.message


def built(work, monkeypatch, lower):
    """Build with ``lower`` in the place of the job."""
    monkeypatch.setattr(workshop, "_lowered", lambda trial, project, shop, sharing: lower(trial))
    monkeypatch.setattr(workshop, "_compile_ahead", lambda *arguments: None)
    return pipeline.build(work, Settings(), lambda line: None)


def codes(outcomes):
    return [[found.code for found in outcome.diagnostics] for outcome in outcomes]


def test_a_failure_is_each_plans_outcome(work, monkeypatch):
    def lower(trial):
        raise Failure(Diagnostic(code="model-not-loaded", message="no"))

    assert codes(built(work, monkeypatch, lower)) == [["model-not-loaded"]] * 2


def test_a_bug_is_reported_as_one_and_stops_nothing(work, monkeypatch):
    def lower(trial):
        raise RuntimeError("the lowering job failed:\nTraceback\nIndexError: 3")

    monkeypatch.delenv("EDGEC_DEBUG", raising=False)
    outcomes = built(work, monkeypatch, lower)
    assert codes(outcomes) == [["internal-error"]] * 2
    assert {outcome.exit_code for outcome in outcomes} == {1}
    assert "IndexError: 3" in outcomes[0].diagnostics[0].message


def test_equal_lowering_keys_share_one_job(work, monkeypatch):
    started = []

    def lower(trial):
        started.append(trial.plan.lowering_key)
        raise Failure(Diagnostic(code="model-not-loaded", message="no"))

    built(work, monkeypatch, lower)
    assert len(started) == 1


def test_nothing_is_clocked_before_every_job_is_done(work, monkeypatch):
    order = []

    def judged(candidates, shop):
        order.append(f"judged for {candidates[0].plan.target.name}")
        raise Failure(Diagnostic(code="runner-failed", message="no"))

    def lower(trial):
        order.append("lowered")
        return trial

    monkeypatch.setattr(trials, "judged", judged)
    built(work, monkeypatch, lower)
    assert order == ["lowered", "judged for jetson-nano", "judged for linux-x86_64"]


def test_a_search_that_ended_with_nothing_begins_anew_the_next_time(monkeypatch, tmp_path):
    started = []

    def lower(trial, *others):
        started.append(trial.label)
        raise Failure(Diagnostic(code="lower-failed", message="no"))

    monkeypatch.setattr(workshop, "_lowered", lower)
    monkeypatch.setattr(workshop, "_compile_ahead", lambda *arguments: None)
    checked = pipeline.front(ROOT / "manifests" / "camera-search.yaml")
    plans, _ = pipeline.planned([checked], Settings(targets=("linux-x86_64",)))
    for turn in (1, 2):
        (found,) = codes(pipeline.build(plans, Settings(cache=tmp_path), lambda line: None))
        assert "lower-failed" in found
        assert len(started) == turn * len({item.lowering_key for item, _ in plans})
