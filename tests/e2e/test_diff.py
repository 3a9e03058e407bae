"""The camera's release against a second one, quantized with one scale a tensor: both built by the real command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGET = "linux-x86_64"


@pytest.fixture(scope="module")
def second(edgec, tmp_path_factory):
    """The tarball of version 1.1.0, from the same weights and data."""
    out = tmp_path_factory.mktemp("second")
    text = (ROOT / "manifests" / "camera.yaml").read_text()
    for before, after in (
        ("version: 1.0.0", "version: 1.1.0"),
        ("quantization: {recipe: int8}", "quantization: {recipe: {name: int8, options: {per_channel: false}}}"),
    ):
        assert before in text
        text = text.replace(before, after)
    project = tmp_path_factory.mktemp("per-tensor") / "project"
    for name in ("weights", "data/digits", "labels"):
        shutil.copytree(ROOT / "manifests" / name, project / "manifests" / name)
    manifest = project / "manifests" / "camera-per-tensor.yaml"
    manifest.write_text(text)
    done = edgec("build", manifest, "--root", project, "--target", TARGET, "--out", out, "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    return Path(json.loads(done.stdout)["outcomes"][0]["tarball"])


@pytest.fixture(scope="module")
def found(camera, second, edgec):
    done = edgec("diff", camera.outcome(TARGET)["tarball"], second, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_flips_are_those_that_the_two_runners_show(camera, second, found, tmp_path):
    """The flips told are those that the two bundles' own runners make on the same pictures."""
    import subprocess
    import tarfile

    folders = {"old": camera.folder(TARGET)}
    with tarfile.open(second) as archive:
        archive.extractall(tmp_path, filter="data")
    (folders["new"],) = tmp_path.iterdir()
    data = ROOT / "manifests" / "data" / "digits" / "test"
    answers = {}
    for side, folder in folders.items():
        done = subprocess.run([folder / "run.sh", data], capture_output=True, text=True, check=True)
        lines = map(json.loads, done.stdout.splitlines())
        answers[side] = {Path(line["source"]).relative_to(data).as_posix(): line["label"] for line in lines}
    flips = {name for name, label in answers["old"].items() if answers["new"][name] != label}
    told = {flip["sample"]: (flip["old"], flip["new"]) for flip in found["decisions"]["flips"]}
    assert told == {name: (answers["old"][name], answers["new"][name]) for name in flips}
    assert found["decisions"]["common"] == len(answers["old"]) == 797
    assert not any(flip["float_flipped"] for flip in found["decisions"]["flips"]), "the weights are the same"


def test_the_change_of_accuracy_is_that_of_the_two_builds(camera, found):
    top1 = next(item for item in found["figures"] if item["name"] == "accuracy.top1")
    lost = sum(flip["turn"] == "lost" for flip in found["decisions"]["flips"])
    won = sum(flip["turn"] == "won" for flip in found["decisions"]["flips"])
    assert top1["old"]["value"] == camera.figure(TARGET, "accuracy.top1")["value"]
    assert top1["change"] == pytest.approx((won - lost) / 797) == pytest.approx(top1["new"]["value"] - top1["old"]["value"])
    assert np.isfinite(top1["interval"]).all() and top1["interval"][0] < top1["change"] < top1["interval"][1]


def test_what_was_built_otherwise_is_told(found):
    told = {fact["name"]: (fact["old"], fact["new"]) for fact in found["identity"]}
    assert told["version"] == ("1.0.0", "1.1.0") and told["recipe"] == ("int8", "int8 (per_channel: false)")
    assert found["inputs"] == {"changed": [], "added": ["camera-per-tensor.yaml"], "removed": ["camera.yaml"]}
    assert found["tools"] == [], "one environment built both"
    parts = {part["name"]: part for part in found["parts"]}
    assert parts["model.pte: delegate blobs"]["new"] < parts["model.pte: delegate blobs"]["old"]
    latency = next(item for item in found["figures"] if item["name"] == "latency.p90")
    assert latency["old"]["evidence"] == latency["new"]["evidence"] == "host" and latency["interval"]


def test_thresholds_end_a_pipeline(camera, second, edgec):
    command = ("diff", camera.outcome(TARGET)["tarball"], second, "--fail-on")
    kept = edgec(*command, "accuracy:10%,flips:50%,size:100%,delegation:5%,signature")
    assert kept.returncode == 0, kept.stderr + kept.stdout
    crossed = edgec(*command, "flips")
    assert crossed.returncode == 7 and "threshold-crossed" in crossed.stderr
