"""The roofline bound by hand, what it refuses, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgec.artifacts.manifest import Budget, Choice
from edgec.artifacts.plan import Plan
from edgec.artifacts.profile import Profile
from edgec.artifacts.settings import Settings
from edgec.pipeline import front, planned
from edgec.stages.predict import impossible, predict
from edgec.targets.cpus import CPUS, with_cpu
from edgec.targets.table import TARGETS

ROOT = Path(__file__).resolve().parents[3]
MODEL = Profile(
    macs={"convolution": 300_000_000, "linear": 1_000_000, "other": 0}, operators={}, parameters=3_500_000, dynamic=False
)


@pytest.fixture(scope="module")
def nano() -> Plan:
    work, failed = planned([front(ROOT / "manifests" / "camera.yaml")], Settings(targets=("jetson-nano",)))
    assert not failed
    return replace(work[0][0], budgets=())


def of(plan: Plan, recipe: str, **changes: object) -> Plan:
    return replace(plan, recipe=Choice(name=recipe), **changes)  # type: ignore[arg-type]


def budget(kind: str, limit: float) -> Budget:
    statistic, sense = ("p90", "max") if kind == "latency" else ("", "min")
    return Budget(kind=kind, statistic=statistic, sense=sense, limit=limit, text=str(limit), route=("budgets", kind))  # type: ignore[arg-type]


def test_arithmetic_is_macs_over_cores_times_clock_times_macs_a_cycle(nano: Plan) -> None:
    found = predict(of(nano, "fp32"), MODEL)
    assert found.compute_seconds == pytest.approx(301e6 / (4 * 1.43e9 * 4))
    assert found.evidence == "estimated"
    assert "301 M multiply-accumulates in fp32, at most 22.9 G/s (4 cores x 1.43 GHz x 4 MACs a cycle)" in found.reasons


def test_a_processor_whose_peak_nobody_knows_has_no_bound_of_arithmetic(nano: Plan) -> None:
    found = predict(of(nano, "fp16", delegates=(Choice(name="vulkan"),)), MODEL)
    assert found.compute_seconds is None
    assert any("vulkan computes elsewhere" in reason for reason in found.reasons)
    asked = of(nano, "fp16", delegates=(Choice(name="vulkan"),), budgets=(budget("latency", 1e-3),))
    assert impossible(asked, MODEL, found) == ()


def test_traffic_is_what_the_caches_cannot_hold_of_the_weights(nano: Plan) -> None:
    found = predict(of(nano, "fp32"), MODEL)
    assert found.weight_bytes == 14_000_000
    assert found.memory_seconds == pytest.approx((14e6 - nano.target.cache) / 25.6e9)
    small = predict(of(nano, "int8"), replace(MODEL, parameters=1_000_000))
    assert small.memory_seconds == 0.0 and any("caches hold" in reason for reason in small.reasons)


def test_caches_of_a_size_that_nobody_knows_bound_nothing(nano: Plan) -> None:
    unknown = replace(nano.target, cache=0)
    found = predict(of(nano, "fp32", target=unknown), MODEL)
    assert found.memory_seconds is None and "weights take 14.00 MB" in found.reasons


def test_weights_that_vela_compresses_are_not_too_large(nano: Plan) -> None:
    small = replace(TARGETS["corstone-300"], flash=1_000_000)
    for delegate, refused in (("ethos-u", []), ("cortex-m", ["weights-too-large"])):
        plan = of(nano, "int8", target=small, threads=1, delegates=(Choice(name=delegate),))
        assert [item.code for item in impossible(plan, MODEL, predict(plan, MODEL))] == refused


def test_the_larger_of_the_two_is_the_bound(nano: Plan) -> None:
    heavy = replace(MODEL, parameters=400_000_000)
    assert predict(of(nano, "fp32"), heavy).seconds == predict(of(nano, "fp32"), heavy).memory_seconds
    assert predict(of(nano, "fp32"), MODEL).seconds == predict(of(nano, "fp32"), MODEL).compute_seconds


@pytest.mark.parametrize(
    ("recipe", "cpu", "cycles"),
    [
        ("fp32", "cortex-a57", 301e6 / 4),
        ("fp16", "cortex-a57", 301e6 / 4),
        ("int8", "cortex-a57", 301e6 / 8),
        ("fp16", "cortex-a76", 301e6 / 16),
        ("int8", "cortex-a76", 301e6 / 32),
        ("int4", "cortex-a76", 300e6 / 8 + 1e6 / 32),
        ("bf16", "cortex-a76", 301e6 / 8),
        ("bf16", "cortex-a710", 300e6 / 8 + 1e6 / 32),
        ("auto", "cortex-a76", 301e6 / 32),
    ],
)
def test_a_recipe_counts_as_the_core_computes_it(nano: Plan, recipe: str, cpu: str, cycles: float) -> None:
    found = predict(of(nano, recipe, target=with_cpu(nano.target, CPUS[cpu]), threads=1), MODEL)
    assert found.compute_seconds == pytest.approx(cycles / 1.43e9)


def test_an_npu_counts_too(nano: Plan) -> None:
    found = predict(of(nano, "int8", target=TARGETS["corstone-300"], threads=1), MODEL)
    assert found.compute_seconds == pytest.approx(301e6 / (500e6 * 8 + 64e9))


def npu(tmp_path: Path, entry: str, delegate: str) -> Plan:
    path = tmp_path / "manifest.yaml"
    path.write_text(
        "apiVersion: edgec/v1\nname: trial\nversion: 1.0.0\ninputs: [{name: x, shape: [1, 3, 32, 32]}]\ntask: tensor\n"
        "model: {source: torchvision, name: mobilenet_v3_small, weights: {random: 0}}\nquantization: int8\n"
        "data: {calibration: {format: npz, path: data.npz}}\n"
        f"targets: [{entry}]\ndelegate: {delegate}\n"
    )
    np.savez(tmp_path / "data.npz", x=np.zeros((1, 3, 32, 32), np.float32))
    work, failed = planned([front(path, tmp_path)], Settings())
    assert not failed, failed
    return work[0][0]


@pytest.mark.parametrize(
    ("entry", "delegate", "peak"),
    [
        ("corstone-300", "ethos-u", 500e6 * (8 + 128)),
        ("corstone-300", "{name: ethos-u, options: {configuration: ethos-u55-256}}", 500e6 * (8 + 256)),
        ("corstone-300", "{name: ethos-u, options: {configuration: ethos-u55-32}}", 500e6 * (8 + 32)),
        ("corstone-320", "[ethos-u, cortex-m]", 1e9 * (8 + 256)),
        ("{name: fast, base: corstone-300, clock: 1GHz}", "ethos-u", 1e9 * (8 + 128)),
        ("corstone-300", "cortex-m", 500e6 * 8),
        ("corstone-300", "portable", 500e6 * 8),
    ],
)
def test_the_npu_that_is_chosen_counts_at_the_clock_and_no_other(
    tmp_path: Path, entry: str, delegate: str, peak: float
) -> None:
    plan = npu(tmp_path, entry, delegate)
    found = predict(plan, MODEL)
    assert found.compute_seconds == pytest.approx(301e6 / peak)
    assert any("G/s of ethos-u" in reason for reason in found.reasons) == ("ethos-u" in delegate)
    asked = replace(plan, budgets=(budget("latency", 301e6 / peak * 1.01),))
    assert impossible(asked, replace(MODEL, parameters=1), found) == ()


def test_an_npu_s_weights_come_compressed_and_bound_nothing(tmp_path: Path) -> None:
    found = predict(npu(tmp_path, "corstone-300", "ethos-u"), MODEL)
    assert found.memory_seconds is None and any("before Vela compresses them" in reason for reason in found.reasons)


def test_what_xnnpack_s_quantizer_leaves_in_float_an_npu_takes(tmp_path: Path) -> None:
    products = replace(MODEL, macs={"convolution": 0, "linear": 0, "other": 300_000_000})
    assert predict(npu(tmp_path, "corstone-300", "ethos-u"), products).compute_seconds == pytest.approx(300e6 / 68e9)
    assert predict(npu(tmp_path, "corstone-300", "portable"), products).compute_seconds == pytest.approx(300e6 / 1e9)


def test_machines_of_many_speeds_have_no_bound_and_refuse_no_budget(nano: Plan) -> None:
    plan = of(nano, "int8", target=TARGETS["linux-aarch64"], budgets=(budget("latency", 1e-9),))
    found = predict(plan, MODEL)
    assert found.seconds is None and any("many speeds" in reason for reason in found.reasons)
    assert impossible(plan, MODEL, found) == ()


@pytest.mark.parametrize(("kind", "below", "above"), [("latency", 0.001, 0.1), ("throughput", 1000.0, 10.0)])
def test_a_budget_beyond_the_bound_is_refused_with_the_reasoning(nano: Plan, kind: str, below: float, above: float) -> None:
    plan = of(nano, "int8", budgets=(budget(kind, below),))
    (found,) = impossible(plan, MODEL, predict(plan, MODEL))
    assert found.code == "budget-impossible" and found.exit_code == 5
    assert found.where is not None and found.where.route == ("budgets", kind)
    assert "multiply-accumulates" in (found.hint or "") and "estimated" in found.message
    plan = of(nano, "int8", budgets=(budget(kind, above),))
    assert impossible(plan, MODEL, predict(plan, MODEL)) == ()


def test_where_sizes_vary_no_budget_is_refused(nano: Plan) -> None:
    plan = of(nano, "int8", budgets=(budget("latency", 1e-9),))
    varying = replace(MODEL, dynamic=True)
    assert impossible(plan, varying, predict(plan, varying)) == ()


@pytest.mark.parametrize(
    ("name", "recipe", "fits"),
    [("cortex-m4", "fp32", False), ("cortex-m4", "int8", False), ("corstone-300", "int8", True), ("jetson-nano", "fp32", True)],
)
def test_weights_that_cannot_fit_are_refused(nano: Plan, name: str, recipe: str, fits: bool) -> None:
    """3.5 M parameters: 14 MB in fp32, 3.5 MB in int8; a Cortex-M4 has 1 MiB of flash."""
    plan = of(nano, recipe, target=TARGETS[name], threads=1)
    found = impossible(plan, MODEL, predict(plan, MODEL))
    assert [item.code for item in found] == ([] if fits else ["weights-too-large"])
    if found:
        assert found[0].exit_code == 3 and "flash" in found[0].message
