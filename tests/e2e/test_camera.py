"""The main job, as a user does it: build the camera, unpack its tarball elsewhere, read digits, verify, install."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HELD_OUT = ROOT / "manifests" / "data" / "digits" / "test"


def test_every_budget_of_the_host_target_is_met(camera):
    outcome = camera.outcome("linux-x86_64")
    status = {verdict["budget"]["kind"] + verdict["budget"]["sense"]: verdict["status"] for verdict in outcome["verdicts"]}
    assert set(status.values()) == {"met"}, status


def test_speed_and_memory_of_the_nano_are_left_to_the_nano(camera):
    outcome = camera.outcome("jetson-nano")
    status = {verdict["budget"]["kind"]: verdict["status"] for verdict in outcome["verdicts"]}
    assert {kind for kind, found in status.items() if found == "deferred"} == {"latency", "throughput", "memory"}
    assert status["accuracy"] == status["size"] == status["delegation"] == "met"


def test_both_targets_hold_the_same_artifact(camera):
    digests = {outcome["model_sha256"] for outcome in camera.result["outcomes"]}
    assert len(digests) == 1


def test_every_figure_names_its_evidence(camera):
    for outcome in camera.result["outcomes"]:
        assert outcome["figures"]
        for figure in outcome["figures"]:
            assert figure["evidence"] in {"host", "artifact"}, figure


def test_the_camera_needs_no_kernel_library(camera):
    libraries = {path.name for path in (camera.folder("jetson-nano") / "lib").iterdir()}
    assert not any("kernels" in name for name in libraries), libraries


@pytest.fixture(scope="module")
def unpacked(camera, tmp_path_factory):
    place = tmp_path_factory.mktemp("an empty folder")
    with tarfile.open(camera.outcome("linux-x86_64")["tarball"]) as archive:
        archive.extractall(place, filter="data")
    (folder,) = place.iterdir()
    return folder


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)


def test_run_reads_held_out_digits(unpacked, tmp_path):
    done = run(unpacked / "run.sh", HELD_OUT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(list(HELD_OUT.rglob("*.png")))
    right = sum(line["label"] == Path(line["source"]).parent.name for line in lines)
    assert right / len(lines) > 0.95
    assert all(line["latency_ms"] > 0 for line in lines)


def test_host_and_runner_agree_on_every_picture(camera, unpacked):
    """One definition of decoding and resizing: the evaluation on the build host and the runner give the same accuracy."""
    done = run(unpacked / "run.sh", HELD_OUT)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    right = sum(line["label"] == Path(line["source"]).parent.name for line in lines)
    assert right / len(lines) == pytest.approx(camera.figure("linux-x86_64", "accuracy.top1")["value"], abs=1e-9)


def test_verify_passes_and_finds_a_flipped_bit(unpacked, tmp_path):
    done = run(unpacked / "verify.sh", "--out", tmp_path / "verify.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "verify.json").read_text())["status"] == "passed"
    model = unpacked / "model.pte"
    intact = model.read_bytes()
    try:
        model.write_bytes(intact[:50_000] + bytes([intact[50_000] ^ 1]) + intact[50_001:])
        assert run(unpacked / "verify.sh").returncode == 7
        assert run(unpacked / "run.sh", next(HELD_OUT.rglob("*.png"))).returncode == 7
    finally:
        model.write_bytes(intact)


def test_the_bundles_own_tests_pass(unpacked):
    import sys

    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", unpacked / "tests", cwd=unpacked)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nano_under_emulation(camera, edgec, tmp_path):
    """Golden vectors and at least 100 held-out pictures on an emulated Cortex-A57."""
    done = edgec("verify", camera.folder("jetson-nano"), "--evaluation", HELD_OUT, "--samples", "120", "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    result = json.loads(done.stdout)
    text = json.dumps(result)
    assert '"emulated"' in text
    assert '"device"' not in text
    accuracy = result["evaluation"]
    assert accuracy["samples"] >= 100
    assert accuracy["accuracy"] > 0.95
