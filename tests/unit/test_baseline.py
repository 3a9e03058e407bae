"""Quantization that gains no time is told with both figures, where fp32 is at hand and this machine is the target's kind."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgec import baseline, pipeline, workshop
from edgec.artifacts.manifest import Choice
from edgec.artifacts.settings import Settings
from edgec.diagnostics import Diagnostic, Failure

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _here_is_x86(monkeypatch):
    monkeypatch.setattr(baseline, "same_kind", lambda target: target.architecture == "x86_64")


@pytest.fixture
def work():
    """The camera's plans: int8 for an Arm board, and for a machine such as this."""
    plans, _ = pipeline.planned([pipeline.front(ROOT / "manifests" / "camera.yaml")], Settings())
    return plans


@pytest.fixture
def plan(work):
    return next(plan for plan, _ in work if plan.target.architecture == "x86_64")


def told(plan, monkeypatch, medians, recipe="int8", kept=True, **settings):
    """What is said of an artifact whose medians, and fp32's, are these."""

    def clocked(artifacts, shop):
        if isinstance(medians, Failure):
            raise medians
        return list(medians)

    asked = []

    def read(kind, key):
        asked.append((kind, key))
        return Path("entry") if kept else None

    monkeypatch.setattr(baseline, "_medians", clocked)
    monkeypatch.setattr(baseline.job, "read_lowered", lambda entry: SimpleNamespace(pte_bytes=14_000_000))
    lowered = SimpleNamespace(recipe=recipe, pte_bytes=3_700_000)
    trial = SimpleNamespace(plan=plan, lowered=lowered, folder=Path("job"))
    found = baseline.pointless(trial, SimpleNamespace(cache=SimpleNamespace(read=read), settings=Settings(**settings)))
    return found, asked


def test_no_gain_is_a_warning_with_the_two_figures(plan, monkeypatch):
    (found,), _ = told(plan, monkeypatch, (0.0031, 0.0029))
    assert (found.code, found.severity) == ("pointless-quantization", "warning")
    assert "int8 takes 3.1 ms at the median and fp32 2.9 ms" in found.message
    assert f"{plan.threads} threads" in found.message
    assert "14.00 MB in fp32, 3.70 MB in int8" in found.hint


def test_it_stands_where_the_recipe_came_from(plan, monkeypatch):
    assert told(plan, monkeypatch, (0.0031, 0.0029))[0][0].where.route == ("quantization",)
    for route in (("search",), ("search", "recipes", 1), ("targets", 0, "quantization")):
        candidate = replace(plan, recipe_route=route)
        assert told(candidate, monkeypatch, (0.0031, 0.0029))[0][0].where.route == route


def test_a_gain_says_nothing(plan, monkeypatch):
    assert told(plan, monkeypatch, (0.0019, 0.0029))[0] == ()


def test_a_precision_that_promises_no_speed_is_not_compared(plan, monkeypatch):
    found, asked = told(plan, monkeypatch, (0.0031, 0.0029), recipe="fp16")
    assert (found, asked) == ((), [])


def test_fp32_that_no_build_has_made_is_not_guessed_at(plan, monkeypatch):
    found, asked = told(plan, monkeypatch, (0.0031, 0.0029), kept=False)
    assert found == ()
    assert asked == [("lowered", baseline.fp32_sibling(plan).lowering_key)]


def test_what_a_cache_holds_decides_no_exit_code(plan, monkeypatch):
    assert told(plan, monkeypatch, (0.0031, 0.0029), strict=True)[0][0].severity == "note"
    assert told(plan, monkeypatch, (0.0031, 0.0029), strict=True, baseline=True)[0][0].severity == "warning"


def test_fp32_that_does_not_run_fails_no_build(plan, monkeypatch):
    (found,), _ = told(plan, monkeypatch, Failure(Diagnostic(code="runner-failed", message="it refuses")))
    assert (found.code, found.severity) == ("runner-failed", "note")


def test_the_sibling_is_the_plan_that_a_manifest_with_fp32_has(work, plan):
    checked = pipeline.front(ROOT / "manifests" / "camera.yaml")
    float32 = replace(checked, manifest=replace(checked.manifest, quantization=Choice(name="fp32")))
    plans, _ = pipeline.planned([float32], Settings())
    assert baseline.fp32_sibling(plan).lowering_key == plans[0][0].lowering_key != plan.lowering_key


def test_only_this_machines_kind_has_siblings(work, plan):
    arm = next(other for other, _ in work if other.target.architecture == "aarch64")
    assert baseline.fp32_sibling(arm) is None
    assert baseline.fp32_sibling(replace(plan, recipe=Choice(name="fp32"))) is None
    assert [sibling.recipe.name for sibling, _ in baseline.baselines([*work, *work])] == ["fp32"]


@pytest.mark.parametrize(("asked", "jobs"), [(False, ["int8"]), (True, ["fp32", "int8"])])
def test_the_flag_lowers_fp32_too(asked, jobs, work, monkeypatch):
    started = []

    def lower(trial, project, shop, sharing):
        started.append(trial.plan.recipe.name)
        raise Failure(Diagnostic(code="model-not-loaded", message="no"))

    monkeypatch.setattr(workshop, "_lowered", lower)
    monkeypatch.setattr(workshop, "_compile_ahead", lambda *arguments: None)
    outcomes = pipeline.build(work, Settings(baseline=asked), lambda line: None)
    assert len(outcomes) == len(work)
    assert sorted(started) == jobs


def test_both_are_clocked_in_turn_and_the_best_median_counts(monkeypatch):
    order, medians = [], iter([9.0, 9.0, 3.0, 2.0, 1.0, 5.0])

    def bench(plan, lowered, folder, runner, asked):
        order.append((folder, asked.samples, asked.passes))
        return {"latency_s": {"p50": next(medians)}}

    monkeypatch.setattr(baseline, "bench", bench)
    of = SimpleNamespace(target=None, backends=(), kernels=())
    shop = SimpleNamespace(runner=lambda *arguments: None, quiet=lambda: None)
    assert baseline._medians([(of, of, "a"), (of, of, "b")], shop) == [1.0, 2.0]
    assert order == [("a", 8, 0), ("b", 8, 0)] * 3
