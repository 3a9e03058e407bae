"""Artifacts survive the way through JSON, and what is not one is refused by name."""

import json

import pytest

from edgec.artifacts.codec import from_json, to_json
from edgec.artifacts.lowered import Boundary, Golden, Lowered, Memory, Operator, Tensor
from edgec.artifacts.manifest import Budget, Choice, Data, Dimension, Image, Input
from edgec.artifacts.plan import Plan
from edgec.artifacts.target import Target
from edgec.diagnostics import Diagnostic, Location

PLAN = Plan(
    name="camera",
    version="1.0.0",
    description="ü",
    manifest="camera.yaml",
    manifest_sha256="0" * 64,
    folder="manifests",
    target=Target(
        name="jetson-nano",
        summary="",
        architecture="aarch64",
        cpu="cortex-a57",
        cores=4,
        threads=4,
        memory=4 << 30,
        glibc="2.27",
        features=("asimd",),
        delegates=("xnnpack",),
        kind="board",
        qemu_cpu="cortex-a57",
        cpuinfo=("0x41", "0x1", "0xd07"),
        sources=(),
    ),
    model=Choice(
        name="torchvision",
        options={"name": "mobilenet_v2", "arguments": {"width_mult": 0.5, "deep": [1, [None, True]]}},
    ),
    inputs=(
        Input(
            name="image",
            dtype="float32",
            shape=(Dimension(minimum=1, maximum=4),),
            image=Image(width=8, height=9, mean=(0.5, 0, 1)),
        ),
        Input(name="x", dtype="int64", shape=()),
    ),
    task=Choice(name="classification"),
    labels=("0", "1"),
    data=(Data(role="calibration", format="npz", options={"path": "a"}),),
    recipe=Choice(name="int8", options={"per_channel": False}),
    delegates=(Choice(name="xnnpack"),),
    threads=4,
    budgets=(Budget(kind="latency", statistic="p90", sense="max", limit=0.1, text="100ms", route=("budgets", 0, "latency")),),
    files={"a": "0" * 64},
    allow_code=False,
    release=True,
    notes=("n",),
    lowering_key="k",
)

LOWERED = Lowered(
    recipe="int8",
    pte_sha256="0",
    pte_bytes=3,
    inputs=(Tensor(name="x", dtype="float32", shape=(1, 2)),),
    outputs=(),
    kernels=("aten::a.out",),
    backends=(),
    operators=(Operator(name="a", delegated=1, left=0, reason=""),),
    memory=Memory(arenas=(1, 2), delegate_blobs=0, weights=0, constants=0),
    boundaries=(
        Boundary(
            before="a",
            after="b",
            samples=1,
            max_abs_error=0.0,
            max_relative_error=0.0,
            sqnr=200.0,
            agreement=1.0,
            worst="s",
        ),
    ),
    golden=(Golden(sample="s", inputs=("i",), outputs=("o",), input_shapes=((1, 2),), output_shapes=((),)),),
    tolerance=(0.0, 1e-4),
    output_range=1.0,
    evaluation=None,
    resolved={"a": "b"},
    parameters=1,
    versions={},
    weights_sha256="w",
)


@pytest.mark.parametrize("artifact", [PLAN, LOWERED], ids=["plan", "lowered"])
def test_round_trip_through_text_gives_an_equal_artifact(artifact):
    text = json.dumps(to_json(artifact), allow_nan=False)
    assert from_json(type(artifact), json.loads(text)) == artifact


def test_diagnostics_keep_their_place():
    finding = Diagnostic(
        code="export-failed",
        message="m",
        where=Location(file="net.py", route=("a", 0), line=3),
        related=(("r", Location(file="x")),),
    )
    assert from_json(Diagnostic, json.loads(json.dumps(to_json(finding)))) == finding


def test_an_unknown_field_is_refused_by_name():
    with pytest.raises(ValueError, match="colour"):
        from_json(Tensor, {**to_json(LOWERED.inputs[0]), "colour": 1})


def test_a_missing_field_is_refused_by_name():
    data = to_json(LOWERED)
    del data["memory"]["arenas"]
    with pytest.raises(ValueError, match="arenas"):
        from_json(Lowered, data)
