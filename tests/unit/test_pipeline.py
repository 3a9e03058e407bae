"""One plan's end is its own: a failure, or a bug, in one build leaves the others to theirs."""

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgec import pipeline
from edgec.artifacts.settings import Settings
from edgec.diagnostics import Diagnostic, Failure

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def work():
    """The camera's two plans, each with a lowering of its own."""
    checked = pipeline.front(ROOT / "manifests" / "camera.yaml")
    plans, _ = pipeline.planned([checked], Settings())
    return plans


def built(work, monkeypatch, lower):
    monkeypatch.setattr(pipeline, "_lowered", lower)
    monkeypatch.setattr(pipeline, "_compile_ahead", lambda *arguments: None)
    return pipeline.build(work, Settings(), lambda line: None)


def codes(outcomes):
    return [[found.code for found in outcome.diagnostics] for outcome in outcomes]


def test_a_failure_is_each_plans_outcome(work, monkeypatch):
    def lower(*arguments):
        raise Failure(Diagnostic(code="model-not-loaded", message="no"))

    assert codes(built(work, monkeypatch, lower)) == [["model-not-loaded"]] * 2


def test_a_bug_is_reported_as_one_and_stops_nothing(work, monkeypatch):
    def lower(*arguments):
        raise RuntimeError("the lowering job failed:\nTraceback\nIndexError: 3")

    monkeypatch.delenv("EDGEC_DEBUG", raising=False)
    outcomes = built(work, monkeypatch, lower)
    assert codes(outcomes) == [["internal-error"]] * 2
    assert {outcome.exit_code for outcome in outcomes} == {1}
    assert "IndexError: 3" in outcomes[0].diagnostics[0].message


def test_equal_lowering_keys_share_one_job(work, monkeypatch):
    started = []

    def lower(plan, *arguments):
        started.append(plan.lowering_key)
        raise Failure(Diagnostic(code="model-not-loaded", message="no"))

    built(work, monkeypatch, lower)
    assert len(started) == 1


def test_nothing_is_clocked_before_every_job_is_done(work, monkeypatch):
    order = []

    def outcome(plan, lowering: Future, *arguments):
        order.append(lowering.done())
        return SimpleNamespace()

    monkeypatch.setattr(pipeline, "_outcome", outcome)
    built(work, monkeypatch, lambda *arguments: order.append("lowered"))
    assert order == ["lowered", True, True]
