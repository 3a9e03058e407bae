"""Each delegate that can be had: export → quantize → lower → compared, what it took, and what was estimated or not run."""

import numpy as np
import plans
import pytest

from edgec.artifacts.manifest import Choice, Data
from edgec.diagnostics import Failure
from edgec.lowering import lowering
from edgec.margins import limits, tolerance
from edgec.registry import plugin
from edgec.runtime.program import read_program

IMAGE = (plans.tensor("x", 1, 3, 16, 16),)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("delegates")
    (folder / "nets.py").write_text(plans.NETS)
    rows = np.random.default_rng(0).standard_normal((64, 3, 16, 16)).astype(np.float32)
    np.savez(folder / "rows.npz", x=rows)
    np.savez(folder / "flat.npz", x=rows[:, 0, 0])
    np.savez(folder / "tokens.npz", x=rows[:, 0])
    return folder


def made(place, folder, delegates, recipe, net="Tiny", inputs=IMAGE, rows="rows.npz"):
    """Return (what was lowered, the program's bytes)."""
    if lacking := next((found for name in delegates if (found := plugin("delegates", name).missing())), None):
        pytest.skip(lacking)
    data = tuple(Data(role=role, format="npz", options={"path": rows}) for role in ("calibration", "evaluation"))
    model = Choice(name="python", options={"entry": f"nets:{net}"})
    plan = plans.plan(model, inputs, recipe=Choice(name=recipe), delegates=delegates, data=data)
    folder.mkdir(exist_ok=True)
    found = lowering(plan, plans.project(place), folder, lambda line: None)
    return found, (folder / "model.pte").read_bytes()


def test_the_portable_kernels_golden_vectors_have_room_and_their_steps_have_none():
    """On Arm the camera's portable int8 was 2.2 % of the largest output off vectors made on x86; XNNPACK's not at all."""
    model = Choice(name="python", options={"entry": "nets:Tiny"})
    int8 = Choice(name="int8")
    ours, xnnpack = (plans.plan(model, IMAGE, recipe=int8, delegates=(name,)) for name in ("portable", "xnnpack"))
    assert tolerance(ours) == (1e-6, 0.05) and tolerance(xnnpack) == (1e-6, 0.02)
    assert limits(ours) == limits(xnnpack)


RUN_HERE = [("openvino", "fp32"), ("openvino", "int8")]
NOT_RUN = [
    ("tosa", "int8"),
    ("ethos-u", "int8"),
    ("cortex-m", "int8"),
    ("vgf", "int8"),
    ("coreml", "fp32"),
    ("vulkan", "int8"),
    ("webgpu", "fp32"),
    ("mlx", "fp32"),
]
OTHERS = (("tosa", "fp32"), ("vgf", "fp32"), ("coreml", "int8"), ("vulkan", "fp32"), ("vulkan", "fp16"), ("mlx", "fp16"))
NOT_RUN += [pytest.param(*pair, marks=pytest.mark.slow) for pair in OTHERS]
REFERENCED = ("tosa", "ethos-u", "cortex-m", "vgf")


@pytest.mark.parametrize(("delegate", "recipe"), RUN_HERE)
def test_what_runs_here_is_delegated_run_and_compared(delegate, recipe, place, tmp_path):
    found, data = made(place, tmp_path / "job", (delegate,), recipe)
    assert found.backends == plugin("delegates", delegate).BACKENDS and found.delegation == 1.0
    assert found.boundaries[-1].after == "pte" and found.not_run == "" and found.golden
    assert read_program(data).kernels == {}


@pytest.mark.parametrize(("delegate", "recipe"), NOT_RUN)
def test_what_does_not_run_here_is_delegated_compared_and_labelled(delegate, recipe, place, tmp_path):
    found, _ = made(place, tmp_path / "job", (delegate,), recipe)
    module = plugin("delegates", delegate)
    assert found.backends == module.BACKENDS and found.delegation > 0.8
    assert found.not_run == module.NOT_RUN
    assert found.boundaries[-1].after == "reference" and found.golden
    assert ("reference implementation" in found.resolved["answered by"]) is (delegate in REFERENCED)


def test_a_delegate_that_takes_nothing_is_refused(place, tmp_path):
    """Ethos-U and a float graph: the rules of a manifest refuse it, and so does the job."""
    with pytest.raises(Failure) as caught:
        made(place, tmp_path / "job", ("ethos-u",), "fp32")
    assert caught.value.diagnostics[0].code == "nothing-delegated"


def test_where_openvinos_quantizer_fails_the_mode_that_takes_transformers_is_named(place, tmp_path, monkeypatch):
    """As it does on torchvision's ViT: an observer by channel meets a tensor of one axis."""

    def broken(scheme, options):
        raise IndexError("Dimension out of range")

    monkeypatch.setattr("edgec.delegates.openvino.quantizer", broken)
    with pytest.raises(Failure) as caught:
        made(place, tmp_path / "job", ("openvino",), "int8")
    (finding,) = caught.value.diagnostics
    assert finding.code == "quantize-failed" and "mode: int8_transformer" in finding.hint


def test_a_transformer_in_int8_is_attention_and_convolutions_to_openvino(place, tmp_path):
    """In the quantizer's default mode, which failed at such networks' norms."""
    rows = (plans.tensor("x", 1, 16, 16),)
    found, data = made(place, tmp_path / "job", ("openvino",), "int8", "Attends", rows, "tokens.npz")
    assert {(item.name, item.places, item.dropped) for item in found.rewrites} >= {("linears", 2, ""), ("attention", 1, "")}
    assert found.delegation == 1.0 and read_program(data).kernels == {}
    assert found.boundaries[-1].after == "pte"


def test_what_the_first_leaves_goes_to_the_next(place, tmp_path):
    """XNNPACK takes linear layers and no layer norm, which OpenVINO takes."""
    flat = (plans.tensor("x", 1, 16),)
    found, data = made(place, tmp_path / "job", ("xnnpack", "openvino"), "fp32", "Normed", flat, "flat.npz")
    assert found.backends == ("OpenvinoBackend", "XnnpackBackend") and found.delegation == 1.0
    calls = read_program(data).delegates
    assert calls["XnnpackBackend"] == 2 and calls["OpenvinoBackend"] == 1


def test_what_no_delegate_takes_is_told_with_its_reason_and_source_line(place, tmp_path):
    flat = (plans.tensor("x", 1, 16),)
    found, _ = made(place, tmp_path / "job", ("xnnpack",), "fp32", "Normed", flat, "flat.npz")
    left = [operator for operator in found.operators if operator.left]
    assert [operator.name for operator in left] == ["aten::native_layer_norm"] and left[0].reason
    line = next(number for number, text in enumerate(plans.NETS.splitlines(), 1) if "class Normed" in text)
    assert any(where.startswith("nets.py:") and int(where.split(":")[1]) > line for where in left[0].where), left[0].where


def test_vela_estimates_the_device_and_leaves_no_trace_in_the_program(place, tmp_path):
    found, data = made(place, tmp_path / "job", ("ethos-u",), "int8")
    assert found.estimates["cycles.npu"] > 1000 and 0 < found.estimates["latency.npu"] < 1e-3
    assert 1024 < found.estimates["memory.sram"] < 1 << 20
    assert b"edgec-vela" not in data and b"/tmp" not in data
