"""What the READMEs of bundles for Linux say of feeding them: what the bundle at hand takes, and nothing that it has not."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from app_parts import content
from bundle_parts import lowered, measured, plan, runner, verdicts
from edgec.artifacts.bundle import File
from edgec.artifacts.lowered import Tensor
from edgec.artifacts.manifest import Audio, Choice, Dimension, Input, Stream
from edgec.stages.render import render
from edgec.targets.table import TARGETS


def tensor(name: str, *sizes: int, least: int | None = None, stream: Stream | None = None, audio: Audio | None = None) -> Input:
    shape = tuple(Dimension(minimum=least or size, maximum=size) for size in sizes)
    return Input(name=name, dtype="float32", shape=shape, stream=stream, audio=audio)


IMAGE = plan().inputs[0]
FEEDS = {
    "image": (IMAGE,),
    "sound": (tensor("audio", 1, 16000, stream=Stream(rate=16000, hop=8000), audio=Audio(rate=16000)),),
    "stream": (tensor("x", 1, 3, 64, stream=Stream(rate=100, hop=8)),),
    "tensor": (tensor("x", 1, 8),),
    "varying": (tensor("x", 8, least=1),),
    "picture and tensor": (IMAGE, tensor("x", 1, 3)),
    "two tensors": (tensor("a", 1, 3), tensor("b", 1, 4)),
}
SAID = {
    "image": ("./run.sh PATH... ", "ffmpeg -v error -i VIDEO"),
    "sound": ("./run.sh RECORDING.wav... ", "arecord -q -t raw -f S16_LE -c 1 -r 16000 | ./run.sh -\n"),
    "stream": ("./run.sh RECORDING.csv... ", "raw little-endian float32, 3 a sample", "./run.sh - --csv < LINES"),
    "tensor": ("./run.sh TENSOR.bin... ", "./run.sh - < TENSORS"),
    "varying": ("./run.sh TENSOR.bin... ", "./run.sh - < TENSORS", "`--shape NAME=1x16` says another"),
    "picture and tensor": (
        *("./run.sh IMAGE1 TENSOR2 ", "./run.sh - < INPUTS"),
        *("A TENSOR is raw and little-endian.", "An IMAGE is a PNG or JPEG file"),
    ),
    "two tensors": ("./run.sh TENSOR1 TENSOR2 ", "./run.sh - < INPUTS", "A TENSOR is raw and little-endian."),
}
"""What is said of each, and of no other that does not list it too."""


def bundle(folder: Path, feed: str, source: bool) -> dict[str, File]:
    """The files of a bundle with such inputs."""
    inputs = FEEDS[feed]
    made = lowered(folder / "job")
    shapes = {given.name: tuple(axis.maximum for axis in given.shape) for given in inputs}
    made = replace(
        made,
        inputs=tuple(Tensor(name=name, dtype="float32", shape=shape) for name, shape in shapes.items()),
        golden=tuple(
            replace(vector, inputs=vector.inputs * len(inputs), input_shapes=tuple(shapes.values())) for vector in made.golden
        ),
    )
    target = replace(TARGETS["linux-x86_64"], kind="linux-source") if source else plan().target
    asked = plan(inputs=inputs, target=target, delegates=(Choice(name="vulkan" if source else "xnnpack"),))
    own = None if source else runner(folder / "runner")
    return dict(render(asked, made, folder / "job", own, measured(), verdicts(measured()), False).files)


def page(folder: Path, feed: str, source: bool) -> tuple[str, set[str]]:
    """The README of a bundle with such inputs, and the names of the bundle's files."""
    files = bundle(folder, feed, source)
    return content(files["README.md"]).decode(), set(files)


@pytest.mark.parametrize("source", [False, True], ids=["native", "source"])
@pytest.mark.parametrize("feed", FEEDS)
def test_a_readme_tells_of_what_the_model_takes(tmp_path: Path, feed: str, source: bool) -> None:
    text, files = page(tmp_path, feed, source)
    assert [words for words in SAID[feed] if words not in text] == []
    others = {words for said in SAID.values() for words in said} - set(SAID[feed])
    assert [words for words in others if words in text] == []
    assert ("./run.sh --source VIDEO" in text) == ("video/__main__.py" in files) == (feed == "image" and not source)


@pytest.mark.parametrize("source", [False, True], ids=["native", "source"])
@pytest.mark.parametrize("feed", FEEDS)
def test_the_usage_lists_source_where_the_bundle_takes_it(tmp_path: Path, feed: str, source: bool) -> None:
    files = bundle(tmp_path, feed, source)
    script = tmp_path / "run.sh"
    script.write_bytes(content(files["run.sh"]))
    usage = subprocess.run(["sh", script, "--help"], capture_output=True, text=True, check=True).stdout
    assert ("--source" in usage) == ("video/__main__.py" in files)


@pytest.mark.parametrize(
    ("feed", "group"), [("image", "video"), ("sound", "audio"), ("tensor", "GROUP"), ("two tensors", "GROUP")]
)
def test_the_service_is_given_what_writes_such_a_stream(tmp_path: Path, feed: str, group: str) -> None:
    text, _ = page(tmp_path, feed, False)
    programs = {"image": "ffmpeg", "sound": "arecord"}
    assert f"EDGEC_SOURCE={programs.get(feed, '/usr/local/bin/read-sensor')}" in text
    assert f"SupplementaryGroups={group}`" in text
