"""stages.parse: every field of the full manifest in base units, every shorthand as its long form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgec.artifacts.manifest import Choice, Dimension, Manifest
from edgec.stages.parse import parse
from edgec.stages.read import read, read_bytes

VALID = Path(__file__).parents[2] / "cases" / "valid"


@pytest.fixture(scope="module")
def full() -> Manifest:
    return parse(read(VALID / "full" / "manifest.yaml", "manifest.yaml"))


def test_quantities_are_in_base_units(full: Manifest) -> None:
    limits = {budget.name: budget.limit for budget in full.budgets}
    assert limits == {
        "accuracy.top1.min": 0.85,
        "accuracy.top1.max_drop": 0.01,
        "latency.p50": pytest.approx(1e-4),
        "latency.p90": pytest.approx(0.1),
        "latency.p95": 6.0,
        "latency.p99": 3600.0,
        "latency.pipeline.p90": 0.15,
        "latency.pipeline.p90[after 10min]": 0.2,
        "throughput": 10.0,
        "throughput.pipeline[after 2s]": 5.0,
        "size": 64 * 2**20,
        "memory": 1.5e9,
        "delegation": 0.95,
    }


def test_senses(full: Manifest) -> None:
    senses = {budget.kind: budget.sense for budget in full.budgets if budget.kind != "accuracy"}
    assert senses == {"latency": "max", "throughput": "min", "size": "max", "memory": "max", "delegation": "min"}


def test_a_target_with_overrides(full: Manifest) -> None:
    front = full.targets[1]
    assert (front.name, front.base, front.cpu, front.memory, front.threads) == (
        "front-door",
        "jetson-nano",
        "cortex-a76",
        2_000_000_000,
        1,
    )
    assert front.delegate == (Choice(name="xnnpack"),) and front.quantization == Choice(name="fp16")
    assert [(budget.name, budget.limit) for budget in front.budgets or ()] == [
        ("latency.p50", 1.5),
        ("accuracy.top1.min", 0.85),
        ("accuracy.sqnr.min", 20.0),
    ]
    assert front.budgets and front.budgets[-1].route == ("targets", 1, "budgets", "accuracy", 1, "min")


def test_images_become_nhwc_inputs(full: Manifest) -> None:
    (image,) = full.inputs
    assert [size.maximum for size in image.shape] == [1, 32, 32, 3] and image.dtype == "float32"
    assert image.image and image.image.mean == (0.5, 0.0, 0.5) and image.image.fit == "contain"


def test_folded_text_and_labels_stay_strings(full: Manifest) -> None:
    assert full.description == "Folded over two lines, without a line break at the end."
    assert full.task.options == {"labels": ["no", "yes"]}


def test_model_and_data_keep_their_options(full: Manifest) -> None:
    assert full.model.name == "torchvision" and set(full.model.options) == {"name", "arguments", "weights"}
    assert [(data.role, data.format, sorted(data.options)) for data in full.data] == [
        ("calibration", "image-folder", ["path", "samples"]),
        ("evaluation", "image-folder", ["path"]),
    ]


SMALLEST = (VALID / "smallest" / "manifest.yaml").read_text(encoding="utf-8")


def small(extra: str) -> Manifest:
    return parse(read_bytes((SMALLEST + extra).encode(), "m.yaml"))


def test_defaults() -> None:
    manifest = small("")
    assert manifest.quantization == Choice(name="fp32") and manifest.delegate == (Choice(name="xnnpack"),)
    assert (manifest.description, manifest.threads, manifest.budgets, manifest.data) == ("", None, (), ())


@pytest.mark.parametrize("text", ["int8", "{recipe: int8}", "{recipe: {name: int8}}", "{name: int8, options: {}}"])
def test_shorthands_mean_the_same(text: str) -> None:
    assert small(f"quantization: {text}\n").quantization == Choice(name="int8", options={})


def test_the_tasks_first_metric_is_the_default() -> None:
    (budget,) = small("budgets: {accuracy: {min: 20}}\n").budgets
    assert budget.statistic == "sqnr"


def test_dynamic_dimensions() -> None:
    manifest = parse(read(VALID / "dynamic-tensors" / "manifest.yaml", "m.yaml"))
    assert manifest.inputs[0].shape == (Dimension(minimum=1, maximum=8), Dimension(minimum=16, maximum=16))


def test_metric_options_are_kept() -> None:
    text = "budgets: {accuracy: {metric: {name: sqnr, options: {a: 1}}, min: 20}}\n"
    assert small(text).budgets[0].options == {"a": 1}


def test_nothing_but_manifest_text_decides(full: Manifest) -> None:
    again: Any = parse(read(VALID / "full" / "manifest.yaml", "manifest.yaml"))
    assert again == full
