"""Which jobs share their model or the compiler, how many models are open at once, and when they are closed."""

from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from edgec import pipeline, sharing
from edgec.artifacts.settings import Settings
from edgec.diagnostics import Diagnostic, Failure

ROOT = Path(__file__).resolve().parents[2]


class Opened:
    """In the place of a SharedJob: remembers what was asked of it."""

    made: list["Opened"]

    def __init__(self, plans, project, progress, stop):
        self.plans, self.lowered, self.alive, self.closed = plans, [], True, False
        Opened.made.append(self)

    def lower(self, plan, project, folder, progress):
        self.lowered.append(plan.label)

    def close(self):
        self.closed = True


@pytest.fixture
def work():
    checked = pipeline.front(ROOT / "manifests" / "camera-search.yaml")
    plans, _ = pipeline.planned([checked], Settings(targets=("linux-x86_64",)))
    return plans


@pytest.fixture
def alone(monkeypatch):
    """Labels of the plans that were lowered in jobs of their own."""
    seen = []
    Opened.made = []
    monkeypatch.setattr(sharing, "SharedJob", Opened)
    monkeypatch.setattr(sharing.job, "run", lambda plan, *others: seen.append(plan.label))
    return seen


def run(shared, work, folder):
    for plan, project in work:
        shared.run(plan, project, folder, print)
        shared.done(plan)


def test_candidates_of_one_model_open_it_once_and_the_last_closes_it(work, alone, tmp_path):
    with sharing.Sharing([plan for plan, _ in work], 2, Event()) as shared:
        run(shared, work[:3], tmp_path)
        (opened,) = Opened.made
        assert not opened.closed
        run(shared, work[3:], tmp_path)
        assert opened.closed
    assert opened.lowered == [plan.label for plan, _ in work]
    assert opened.plans == [plan for plan, _ in work]
    assert alone == []


def test_a_single_job_is_one_of_its_own(work, alone, tmp_path):
    with sharing.Sharing([work[0][0]], 2, Event()) as shared:
        run(shared, work[:1], tmp_path)
    assert (alone, Opened.made) == ([work[0][0].label], [])


def test_nothing_is_opened_for_what_the_cache_leaves_to_one(work, alone, tmp_path):
    with sharing.Sharing([plan for plan, _ in work], 2, Event()) as shared:
        for plan, _ in work[:3]:
            shared.done(plan)
        run(shared, work[3:], tmp_path)
    assert (alone, Opened.made) == ([work[3][0].label], [])


def other_models(work):
    """The same work on other models."""
    return [(replace(plan, folder="other", lowering_key=f"other {plan.lowering_key}"), project) for plan, project in work]


def test_no_more_models_are_open_than_there_are_jobs_at_once(work, alone, tmp_path):
    another = other_models(work)
    with sharing.Sharing([plan for plan, _ in (*work, *another)], 1, Event()) as shared:
        shared.run(*work[0], tmp_path, print)
        shared.run(*another[0], tmp_path, print)
        shared.run(*another[1], tmp_path, print)
        opened, compiler = Opened.made
        assert (len(opened.lowered), compiler.plans, len(compiler.lowered)) == (1, (), 2)
    assert alone == [] and opened.closed and compiler.closed


def test_jobs_of_several_models_share_the_compiler(work, alone, tmp_path):
    several = [work[0], other_models(work)[0]]
    with sharing.Sharing([plan for plan, _ in several], 2, Event()) as shared:
        run(shared, several, tmp_path)
    (compiler,) = Opened.made
    assert compiler.plans == () and compiler.closed
    assert (compiler.lowered, alone) == ([plan.label for plan, _ in several], [])


def test_a_compiler_whose_process_is_gone_is_imported_again_for_several_only(work, alone, tmp_path):
    another = other_models(work)
    several = [work[0], another[0], (replace(another[1][0], folder="third"), another[1][1])]
    with sharing.Sharing([plan for plan, _ in several], 2, Event()) as shared:
        for entry in several:
            run(shared, [entry], tmp_path)
            Opened.made[-1].alive = False
    first, second = Opened.made
    assert (len(first.lowered), len(second.lowered), len(alone)) == (1, 1, 1)
    assert first.closed and second.closed


def test_a_model_whose_process_is_gone_is_opened_again(work, alone, tmp_path):
    with sharing.Sharing([plan for plan, _ in work], 2, Event()) as shared:
        shared.run(*work[0], tmp_path, print)
        Opened.made[0].alive = False
        shared.run(*work[1], tmp_path, print)
        first, second = Opened.made
        assert first.closed
        assert second.lowered == [work[1][0].label]
    assert second.closed


def test_what_fails_to_open_fails_for_each(work, alone, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise Failure(Diagnostic(code="model-not-loaded", message="no"))

    monkeypatch.setattr(sharing, "SharedJob", refuse)
    with sharing.Sharing([plan for plan, _ in work], 2, Event()) as shared:
        for plan, project in work:
            with pytest.raises(Failure, match="no"):
                shared.run(plan, project, tmp_path, print)


def test_nothing_is_opened_once_all_is_to_stop(work, alone, tmp_path):
    stop = Event()
    with sharing.Sharing([plan for plan, _ in (*work, *other_models(work)[:1])], 1, stop) as shared:
        stop.set()
        for entry in (work[0], other_models(work)[0]):
            with pytest.raises(CancelledError):
                shared.run(*entry, tmp_path, print)
    assert (Opened.made, alone) == ([], [])


def test_where_forks_are_not_borne_each_job_is_one_of_its_own(work, alone, tmp_path, monkeypatch):
    several = [*work, *other_models(work)]
    monkeypatch.setattr("sys.platform", "darwin")
    with sharing.Sharing([plan for plan, _ in several], 2, Event()) as shared:
        run(shared, several, tmp_path)
    assert (Opened.made, len(alone)) == ([], len(several))
