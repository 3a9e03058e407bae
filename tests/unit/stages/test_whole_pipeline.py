"""Budgets of the whole pipeline and after load: parsed, asked of the bench, judged by their own figures, recorded."""

import pytest

import bundle_parts
from edgec.artifacts.bundle import Layout
from edgec.artifacts.manifest import Budget, Choice
from edgec.artifacts.measured import Figure, Measured
from edgec.artifacts.records import _budget
from edgec.artifacts.slices import short_name
from edgec.kinds.assets import golden_facts
from edgec.stages.judge import judge
from edgec.stages.measure import asked
from edgec.stages.parse import _budgets
from edgec.stages.render import render
from edgec.targets.table import TARGETS

TASK = Choice(name="tensor")
WRITTEN = {
    "latency": [
        {"p90": "80ms", "p99": "90ms"},
        {"p90": "100ms", "of": "pipeline"},
        {"p90": "0.2s", "of": "pipeline", "after": "10min"},
    ],
    "throughput": {"min": "10fps", "after": "2s"},
}  # fmt: skip


def budgets(written=None):
    return _budgets(written or WRITTEN, ("budgets",), TASK)


def test_each_limit_keeps_its_extent_its_load_and_its_place():
    found = {budget.name: budget for budget in budgets()}
    assert list(found) == [
        *("latency.p90", "latency.p99", "latency.pipeline.p90", "latency.pipeline.p90[after 10min]", "throughput[after 2s]")
    ]
    loaded = found["latency.pipeline.p90[after 10min]"]
    assert (loaded.limit, loaded.after, loaded.sense, loaded.text) == (0.2, 600.0, "max", "0.2s")
    assert loaded.route == ("budgets", "latency", 2, "p90")
    assert (
        found["throughput[after 2s]"].route == ("budgets", "throughput", "min") and found["throughput[after 2s]"].sense == "min"
    )


@pytest.mark.parametrize("value", ["10fps", 10, {"min": "10fps"}])
def test_a_throughput_may_be_written_short(value):
    written = "10fps" if value == 10 else value
    (budget,) = budgets({"throughput": written})
    assert (budget.name, budget.limit, budget.of, budget.after) == ("throughput", 10.0, "model", 0.0)


def test_only_short_loads_are_clocked_unless_asked():
    plan = bundle_parts.plan(budgets=budgets())
    short = asked(plan)
    assert (short.samples, short.passes, short.loads) == (662, 64, (2.0,))
    assert asked(plan, sustained=True).loads == (2.0, 600.0)
    assert asked(bundle_parts.plan(budgets=())).passes == 64


def test_a_percentile_of_the_pipeline_asks_for_its_own_passes():
    plan = bundle_parts.plan(budgets=budgets({"latency": {"p99": "1s", "of": "pipeline"}}))
    assert (asked(plan).samples, asked(plan).passes) == (256, 662)


def figure(name, value, evidence="host"):
    unit = "Hz" if name.startswith("throughput") else "s"
    return Figure(name=name, value=value, unit=unit, evidence=evidence, samples=64, clocked=True)


def test_each_is_judged_by_its_own_figure():
    measured = Measured(
        figures=(figure("latency.p90", 0.01), figure("latency.pipeline.p90", 0.11), figure("throughput[after 2s]", 5.0))
    )
    written = {**WRITTEN, "latency": [{"p90": "80ms"}, *WRITTEN["latency"][1:]]}
    found = {verdict.budget.name: verdict for verdict in judge(bundle_parts.plan(budgets=budgets(written)), measured)}
    assert found["latency.p90"].status == "met"
    assert found["latency.pipeline.p90"].status == "missed", "the execution alone would meet it"
    assert found["throughput[after 2s]"].status == "missed"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("linux-x86_64", "verify.sh --sustained"),
        ("jetson-nano", "verify.sh --sustained"),
        ("cortex-m4", "not by this kind of bundle"),
    ],
)
def test_a_long_load_that_nothing_measured_is_deferred_with_the_way_to_measure_it(target, words):
    written = {"latency": {"p90": "1s", "of": "pipeline", "after": "10min"}}
    (verdict,) = judge(bundle_parts.plan(target=TARGETS[target], budgets=budgets(written)), Measured(figures=()))
    assert verdict.status == "deferred" and words in verdict.reason


def test_weak_evidence_meets_no_pipeline_budget():
    budget = Budget(kind="latency", statistic="p90", sense="max", limit=1.0, text="1s", route=(), of="pipeline")
    measured = Measured(figures=(figure("latency.pipeline.p90", 0.01, "emulated"),))
    (verdict,) = judge(bundle_parts.plan(budgets=(budget,)), measured)
    assert verdict.status == "deferred"


def test_bundle_json_names_extent_and_load_only_where_they_are_not_the_usual():
    plain, _, whole, loaded, _ = budgets()
    assert not {"of", "after"} & _budget(plain).keys()
    assert _budget(whole)["of"] == "pipeline" and "after" not in _budget(whole)
    assert (_budget(loaded)["of"], _budget(loaded)["after"]) == ("pipeline", 600.0)


def test_people_read_of_what_and_after_which_load():
    plain, _, whole, loaded, rate = map(short_name, budgets())
    assert (plain, whole) == ("latency p90", "pipeline latency p90")
    assert (loaded, rate) == ("pipeline latency p90, after 10min", "throughput, after 2s")


def test_an_apps_test_judges_the_execution_alone():
    record = {
        "name": "x", "version": "1.0.0", "target": "ios", "threads": 1, "model": {"sha256": "0"},
        "golden": {"absolute": 0.1, "relative": 0.1, "vectors": []}, "budgets": [_budget(item) for item in budgets()],
    }  # fmt: skip
    facts = golden_facts(record, Layout())
    assert [item["name"] for item in facts["budgets"]] == ["latency.p90", "latency.p99"]
    assert facts["samples"] == 662


def test_the_readme_names_a_load_that_has_to_be_asked_for(tmp_path):
    def told(budgets):
        asked = bundle_parts.plan(budgets=budgets)
        artifact = bundle_parts.lowered(tmp_path / f"job{len(budgets)}")
        found = Measured(figures=())
        made = render(asked, artifact, tmp_path / f"job{len(budgets)}", runner, found, judge(asked, found), False)
        return made.files["README.md"].content.decode()

    runner = bundle_parts.runner(tmp_path / "runner")
    assert "verify.sh --sustained      # and the budgets after 10min of load" in told(budgets())
    assert "--sustained" not in told(budgets({"latency": {"p90": "1s", "after": "2s"}}))


def test_the_report_shows_the_pipeline_throttling_and_each_class_s_overlap(tmp_path):
    clocked = {"evidence": "host", "clocked": True}
    parts = {"pre": 0.001, "execute": 0.01, "post": 0.0005, "pipeline": 0.0115}
    figures = [
        Figure(name=f"latency.{part}.p50", value=value, unit="s", samples=64, detail={"inputs": "pictures"}, **clocked)
        for part, value in parts.items()
    ]
    figures += [
        Figure(name="latency.pipeline.p50[after 10min]", value=0.0125, unit="s", samples=700, **clocked),
        Figure(name="throttling[after 10min]", value=1.087, unit="times", samples=700, **clocked),
        Figure(name="accuracy.miou", value=0.75, unit="share", evidence="host", samples=40, detail={"classes": [0.75, None]}),
    ]
    asked, found = bundle_parts.plan(budgets=(), labels=("ro<ad", "sky")), Measured(figures=tuple(figures))
    artifact = bundle_parts.lowered(tmp_path / "job")
    page = render(asked, artifact, tmp_path / "job", bundle_parts.runner(tmp_path / "runner"), found, (), False).report.decode()
    assert "The whole pipeline" in page and "64 passes over pictures in memory" in page and "11.5 ms" in page
    assert "After 10min of load a pass takes 12.5 ms at p50, +8.7 % against the start." in page
    assert "ro&lt;ad" in page and "75.00 %" in page and "does not occur" in page


def test_a_report_without_them_shows_none(tmp_path):
    page = bundle_parts.bundle(tmp_path).report.decode()
    assert "The whole pipeline" not in page and "Intersection over union" not in page
