"""Each recipe on each delegate, from export to answers in a fresh process; and what is refused."""

import functools
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plans import FILES, picture, plan, project, tensor

from edgec.artifacts.manifest import Choice, Data, Image
from edgec.artifacts.samples import Sample
from edgec.diagnostics import Failure
from edgec.lowering import lowering
from edgec.stages.evaluate import evaluate

LABELS = tuple(str(index) for index in range(10))
PICTURE = picture("image", 16, 16, Image(width=16, height=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)))


def net(name, **arguments):
    return Choice(name="python", options={"entry": f"nets:{name}", "arguments": arguments})


def data(path, *roles):
    return tuple(Data(role=role, format="npz", options={"path": path}) for role in roles)


def pictures(recipe="fp32", delegates=("xnnpack",), path="pictures.npz", model=None):
    return plan(
        model or net("Tiny"), (PICTURE,), recipe=Choice(name=recipe), delegates=delegates, task="classification",
        labels=LABELS, data=data(path, "calibration", "evaluation"),
    )  # fmt: skip


def lowered(made, where, folder):
    """Lower in this process (it has torch already); the artifact still runs in one of its own."""
    folder.mkdir(exist_ok=True)
    return lowering(made, project(where), folder, lambda line: None)


@pytest.fixture(scope="session")
def built(tiny_project, tmp_path_factory):
    """Pictures lowered for XNNPACK, once a recipe: the record and the job's folder."""

    @functools.cache
    def of(recipe):
        folder = tmp_path_factory.mktemp(recipe)
        return lowered(pictures(recipe), tiny_project, folder), folder

    return of


def refusal(made, where, folder):
    with pytest.raises(Failure) as caught:
        lowered(made, where, folder)
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "int8"])
def test_xnnpack_takes_the_whole_network_with_its_preprocessing(recipe, built):
    found, _ = built(recipe)
    assert found.backends == ("XnnpackBackend",)
    left = {operator.name: operator.left for operator in found.operators if operator.left}
    assert left == {}
    assert found.kernels == ()
    steps = [(item.before, item.after) for item in found.boundaries]
    rewrites = ["pixels", "stems"] if recipe == "int8" else ["pixels"]
    assert [(item.name, item.places, item.dropped) for item in found.rewrites] == [(name, 1, "") for name in rewrites]
    assert found.rewrites[0].max_relative_error == 0.0
    assert found.rewrites[-1].max_relative_error < 1e-6
    middle = [("rewritten", "quantized"), ("quantized", "pte")] if recipe == "int8" else [("rewritten", "pte")]
    assert steps == [("eager", "exported"), ("exported", "rewritten"), *middle, ("eager", "pte")]
    assert [item.samples for item in found.boundaries] == [16] * (len(steps) - 1) + [64]
    floor = {"fp32": 100.0, "fp16": 45.0, "int8": 20.0}[recipe]
    assert found.boundaries[-1].sqnr > floor
    assert [(item.name, item.dtype, item.shape) for item in found.inputs] == [("image", "float32", (1, 16, 16, 3))]
    assert [(item.name, item.dtype, item.shape) for item in found.outputs] == [("output", "float32", (1, 10))]


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "int8"])
def test_portable_runs_every_operator_itself(recipe, tiny_project, tmp_path):
    found = lowered(pictures(recipe, ("portable",)), tiny_project, tmp_path)
    assert found.backends == ()
    assert found.delegation == 0.0
    assert "aten::convolution.out" in found.kernels
    assert any("quantize" in kernel for kernel in found.kernels) == (recipe == "int8")


def test_preprocessing_is_that_of_the_manifest(tiny_project, built):
    """The artifact's answer to raw pixels is eager's to (x / 255 - mean) / std in NCHW."""
    import torch

    from edgec.registry import plugin

    found, folder = built("fp32")
    where = replace(project(tiny_project), files=FILES)
    model = plugin("sources", "python").load(net("Tiny").options, where)
    pixels = np.load(tiny_project / "pictures.npz")["image"]
    mean, std = np.array(PICTURE.image.mean, np.float32), np.array(PICTURE.image.std, np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32).transpose(0, 3, 1, 2).copy()))
    with np.load(folder / found.evaluation) as answers:
        np.testing.assert_allclose(answers["output.0"], expected.numpy(), atol=1e-4)
        np.testing.assert_allclose(answers["reference.0"], expected.numpy(), atol=1e-4)
        assert answers["labels"].tolist() == [index % 10 for index in range(64)]


def test_golden_vectors_are_the_artifacts_own_answers(built):
    found, folder = built("int8")
    assert len(found.golden) == 8
    from edgec.runtime.session import Session

    with Session(folder) as session:
        session.load(folder / "model.pte", found.pte_sha256, False)
        for vector in found.golden:
            given = np.fromfile(folder / vector.inputs[0], "<f4").reshape(vector.input_shapes[0])
            expected = np.fromfile(folder / vector.outputs[0], "<f4").reshape(vector.output_shapes[0])
            np.testing.assert_array_equal(session.run([given])[0], expected)
            assert abs(expected).max() <= found.output_range


def test_several_inputs_and_nested_outputs_are_named(tiny_project, tmp_path):
    found = lowered(plan(net("Many"), (tensor("x", 1, 16), tensor("scale", 1, 16))), tiny_project, tmp_path)
    assert [item.name for item in found.inputs] == ["x", "scale"]
    assert [(item.name, item.shape) for item in found.outputs] == [
        ("out", (1, 4)),
        ("aux_output0", (1, 4)),
        ("aux_output1_output0", (1,)),
    ]
    assert found.resolved["compared on"] == "16 seeded random inputs"
    assert found.evaluation is None
    assert found.golden[0].inputs == ("golden/0.in.x.bin", "golden/0.in.scale.bin")


def test_a_dynamic_axis_is_exercised_at_its_ends(tiny_project, tmp_path):
    found = lowered(plan(net("Sequence"), (tensor("x", 1, (1, 8), 16),)), tiny_project, tmp_path)
    assert found.inputs[0].shape == (1, 8, 16)
    assert found.outputs[0].shape == (1, 8, 4)
    assert {boundary.samples for boundary in found.boundaries} == {19}
    shapes = {vector.input_shapes[0] for vector in found.golden}
    assert {(1, 1, 16), (1, 8, 16)} <= shapes <= {(1, size, 16) for size in (1, 4, 8)}


def test_the_same_plan_gives_the_same_bytes(tiny_project, tmp_path, built):
    first, folder = built("int8")
    assert lowered(pictures("int8"), tiny_project, tmp_path) == first
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(names) == 3 + 16
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_random_weights_are_normalised_on_the_data(tiny_project):
    """A fresh batch norm has mean 0 and variance 1, whatever reaches it."""
    from edgec.stages.load import load

    options = {"name": "mnasnet0_5", "arguments": {"num_classes": 10}, "weights": {"random": 3}}
    made = pictures(model=Choice(name="torchvision", options=options))
    means = []
    for release in (True, False):
        state = load(replace(made, release=release), project(tiny_project)).model.state_dict()
        (first, *_) = [value for name, value in state.items() if name.endswith("running_mean")]
        means.append(float(abs(first).max()))
    untouched, normalised = means
    assert untouched == 0.0 < normalised


@pytest.mark.parametrize("roles", [("evaluation",), ("calibration",)])
def test_the_sample_that_a_model_fails_on_is_named(roles, tiny_project, tmp_path):
    finding = refusal(plan(net("Looks"), (tensor("x", 1, 16),), data=data("vectors.npz", *roles)), tiny_project, tmp_path)
    values = np.load(tiny_project / "vectors.npz")["x"]
    assert finding.code == "model-not-loaded"
    row = int(finding.message.split("'vectors.npz#")[1].split("'")[0])
    assert values[row].max() > 2.5
    assert "IndexError: index out of range" in finding.message


def test_an_input_that_changes_while_it_is_built_from_is_refused(tiny_project, tmp_path, monkeypatch):
    path = tiny_project / "changing.npz"
    path.write_bytes((tiny_project / "vectors.npz").read_bytes())
    made = plan(net("Linear"), (tensor("x", 1, 16),), data=data(path.name, "evaluation"))
    made = replace(made, files={**made.files, path.name: hashlib.sha256(path.read_bytes()).hexdigest()})

    def changing(*given):
        path.write_bytes(b"other data")
        return evaluate(*given)

    monkeypatch.setattr("edgec.lowering.evaluate", changing)
    finding = refusal(made, tiny_project, tmp_path / "job")
    assert finding.code == "digest-mismatch"
    assert "changing.npz" in finding.message
    assert not (tmp_path / "job" / "lowered.json").exists()


def test_outputs_of_one_name_are_told_apart():
    import torch

    from edgec.stages.load import _outputs, deployed, example_inputs

    class Twice(torch.nn.Module):
        def forward(self, x):
            return {"a/b": x, "a b": x + 1, "a_b_2": x + 2, "count": 3}

    inputs = (tensor("x", 1, 2),)
    bare = Twice()
    found, integers, others = _outputs(plan(net("Twice"), inputs), bare, deployed(bare, inputs), example_inputs(inputs))
    assert (found, integers, others) == (("a_b", "a_b_2", "a_b_2_2"), (False, False, False), ("count (int)",))


@pytest.mark.parametrize(
    ("model", "code", "says"),
    [
        (net("Constant"), "constant-output", "the model itself"),
        (net("Random"), "parity-broken", "from eager to exported"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_that_cannot_be_built_is_refused(model, code, says, tiny_project, tmp_path):
    finding = refusal(plan(model, (tensor("x", 1, 16),), data=data("vectors.npz", "evaluation")), tiny_project, tmp_path)
    assert finding.code == code
    assert says in finding.message.lower()
    assert not (tmp_path / "lowered.json").exists()


def test_a_failed_export_points_at_the_models_own_line(tiny_project, tmp_path):
    finding = refusal(plan(net("Branches"), (tensor("x", 1, 16),)), tiny_project, tmp_path)
    assert finding.code == "export-failed"
    assert "data-dependent" in finding.message.lower()
    assert finding.where.file == "nets.py"
    line = (tiny_project / "nets.py").read_text().splitlines()[finding.where.line - 1]
    assert line.strip() == "if x.sum() > 0:"


def test_an_operator_without_a_kernel_is_named(tiny_project, tmp_path):
    finding = refusal(plan(net("Sorts"), (tensor("x", 1, 16),)), tiny_project, tmp_path)
    assert finding.code == "operator-unavailable"
    assert "aten::sort.values" in finding.message


def test_weights_that_are_not_finite_are_named(tiny_project, tmp_path):
    finding = refusal(pictures(model=net("Tiny", poison=True)), tiny_project, tmp_path)
    assert finding.code == "non-finite"
    assert "body.0.weight" in finding.message


def test_calibration_in_the_wrong_range_is_refused(tiny_project, tmp_path):
    finding = refusal(pictures("int8", path="unscaled.npz"), tiny_project, tmp_path)
    assert finding.code == "calibration-range"


def test_inputs_of_another_shape_than_the_model_takes(tiny_project, tmp_path):
    finding = refusal(plan(net("Linear"), (tensor("x", 1, 17),)), tiny_project, tmp_path)
    assert finding.code == "model-not-loaded"
    assert "[1, 17]" in finding.message


def test_a_recipe_that_does_not_work_is_said_so(tiny_project, tmp_path, monkeypatch):
    def broken(scheme, options):
        raise RuntimeError("no pattern\nand much more")

    monkeypatch.setattr("edgec.delegates.xnnpack.quantizer", broken)
    finding = refusal(pictures("int8"), tiny_project, tmp_path)
    assert finding.code == "quantize-failed"
    assert finding.message.endswith("int8 does not work on this model: no pattern")


EXHAUSTED = [MemoryError(), OSError(28, "No space left on device"), RuntimeError("can't allocate memory: 9 bytes")]


@pytest.mark.parametrize("error", EXHAUSTED, ids=["memory", "disk", "torch's memory"])
def test_memory_or_a_disk_that_ran_out_is_nobodys_fault(error, monkeypatch):
    """Neither the model's, nor the recipe's, nor the compiler's: it reaches what tells of it as it is."""
    import torch
    from materials import prepared

    from edgec.runtime.inference import answers
    from edgec.stages.lower import lower
    from edgec.stages.quantize import export, quantize

    def broken(*given, **options):
        raise error

    made, rows = plan(net("Linear"), (tensor("x", 1, 16),)), [Sample(id="0", tensors={"x": np.zeros((1, 16), "float32")})]
    program, material, _, _ = prepared(torch.nn.Linear(16, 4), made.inputs)
    for replaced, step in (
        ("edgec.recipes.fp32.quantize", lambda: quantize(made, program, material)),
        ("torch.export.export", lambda: export(made, material.model, material.example, None, Path())),
        ("executorch.exir.to_edge_transform_and_lower", lambda: lower(made, program)),
        ("torch.nn.Linear.forward", lambda: answers(material.model, rows, made.inputs)),
    ):
        with monkeypatch.context() as patch, pytest.raises(type(error)) as caught:
            patch.setattr(replaced, broken)
            step()
        assert caught.value is error, replaced


def test_a_compiler_that_fails_is_said_so(tiny_project, tmp_path, monkeypatch):
    monkeypatch.setattr("edgec.delegates.xnnpack.partitioners", lambda precision, options: ["not a partitioner"])
    finding = refusal(pictures(), tiny_project, tmp_path)
    assert finding.code == "lower-failed"
    assert "xnnpack" in finding.message


def test_a_channels_last_model_is_fed_contiguous_planes(tiny_project, tmp_path):
    """The runtime reads a channels_last tensor as if it were contiguous: what reaches it must be contiguous."""
    from edgec.artifacts.samples import Sample
    from edgec.runtime.inference import arrays

    turned = np.zeros((1, 3, 16, 16), np.float32).transpose(0, 2, 3, 1)
    (found,) = arrays(Sample(id="s", tensors={"image": turned}), (PICTURE,))
    assert found.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("size", [1, 2])
def test_the_models_answers_keep_what_float32_does_not_hold(size):
    import torch

    from edgec.runtime.inference import answers

    given = [[2**24 + 1, 2**62 + 1], [7, 8]]
    rows = [Sample(id=str(index), tensors={"x": np.array([row], "int64")}) for index, row in enumerate(given)]
    inputs = (tensor("x", 1, 2, dtype="int64"),)
    found = answers(lambda x: (x, x.to(torch.bfloat16), x.double() / 3), rows, inputs, size)
    assert [row[0].tolist()[0] for row in found] == given and {row[1].dtype.name for row in found} == {"float32"}
    np.testing.assert_array_equal([row[2][0] for row in found], np.array(given, "float64") / 3)


def test_a_table_of_few_ids_is_not_taken_for_constant(tiny_project, tmp_path):
    made = plan(net("Table"), (tensor("ids", 1, 1, dtype="int64"),))
    assert lowered(made, tiny_project, tmp_path / "out").boundaries


def test_a_class_beside_its_scores_is_judged_by_agreement(tiny_project, tmp_path):
    made = plan(net("Decides"), (tensor("x", 1, 16),), recipe=Choice(name="int8"), data=data("vectors.npz", "calibration"))
    found = lowered(made, tiny_project, tmp_path / "out")
    assert [item.dtype for item in found.outputs] == ["float32", "int64"]
    assert min(item.sqnr for item in found.boundaries) > 10


@pytest.mark.parametrize("recipe", ["fp32", "int8-dynamic"])
def test_inputs_may_share_a_dynamic_axis(recipe, tiny_project, tmp_path):
    inputs = (tensor("ids", 1, (1, 12), dtype="int64"), tensor("mask", 1, (1, 12)))
    found = lowered(plan(net("Masked"), inputs, recipe=Choice(name=recipe)), tiny_project, tmp_path / "out")
    assert {golden.input_shapes for golden in found.golden} >= {((1, 1), (1, 1)), ((1, 12), (1, 12))}


def test_sums_with_a_dynamic_size_are_no_compute_operators():
    import torch

    from edgec.stages.lower import compute_operators

    class Windows(torch.nn.Module):
        def forward(self, x):
            return x.reshape(1, x.shape[1] * 4, 4).relu()

    size = torch.export.Dim("n", min=2, max=8)
    program = torch.export.export(Windows(), (torch.randn(1, 4, 16),), dynamic_shapes=({1: size},))
    names = [operator.name for operator in compute_operators(program.graph_module, {})]
    assert any("sym_size" in str(node.target) for node in program.graph.nodes)
    assert names == ["aten::relu", "aten::reshape"]


def test_axes_that_depend_on_each_other_are_named(tiny_project, tmp_path):
    inputs = (tensor("ids", 1, (1, 12), dtype="int64"), tensor("mask", 1, (1, 24)))
    found = refusal(plan(net("Twice"), inputs), tiny_project, tmp_path / "out")
    assert (found.code, found.where.route) == ("export-failed", ("inputs",))
    assert found.message.endswith("the model needs mask.shape[1] = 2*ids.shape[1]")
