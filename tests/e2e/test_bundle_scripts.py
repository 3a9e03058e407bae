"""Real bundles put to use: verified, installed, inspected, tampered with; natively and under emulation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgec.store.bundles import SUMS, sums
from edgec.store.files import sha256_of
from keys import pair

ROOT = Path(__file__).resolve().parents[2]
HELD_OUT = ROOT / "manifests" / "data" / "digits" / "test"
HOST = "linux-x86_64"


def call(*command, **environment):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.fixture
def copy(camera, tmp_path):
    folder = tmp_path / "a bundle's copy"
    shutil.copytree(camera.folder(HOST), folder)
    return folder


def test_the_bundle_s_own_tests_pass_and_leave_it_verifiable(copy):
    done = call(sys.executable, "-m", "pytest", "-q", copy / "tests")
    assert done.returncode == 0, done.stdout
    assert call(copy / "verify.sh", "--no-bench").returncode == 0


def test_the_bundle_s_own_tests_fail_for_another_model(copy):
    model = bytearray((copy / "model.pte").read_bytes())
    model[1000] ^= 1
    (copy / "model.pte").write_bytes(bytes(model))
    done = call(sys.executable, "-m", "pytest", "-q", copy / "tests")
    assert done.returncode == 1
    assert "test_golden_vectors" in done.stdout


@pytest.mark.parametrize("name", ["model.pte", "bin/edgec-run", "bundle.json", "tests/golden/0.out.output.bin", "verify.sh"])
def test_one_flipped_bit_anywhere_is_found(name, copy, edgec):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 4
    (copy / name).write_bytes(bytes(content))
    done = edgec("verify", copy)
    assert done.returncode == 7, done.stderr
    assert name in done.stderr


def test_images_streams_and_tensors_give_the_same_answer(copy, tmp_path):
    image = next(iter(sorted(HELD_OUT.rglob("*.png"))))
    from PIL import Image

    picture = Image.open(image).convert("RGB")
    one = json.loads(call(copy / "run.sh", image).stdout)
    frame = f"{picture.width}x{picture.height}"
    done = subprocess.run([copy / "run.sh", "-", "--frame", frame], input=picture.tobytes() * 2, capture_output=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["label"], line["score"]) for line in lines] == [(one["label"], one["score"])] * 2


def test_installed_verified_rolled_back(copy, tmp_path):
    prefix = tmp_path / "opt"
    assert call(copy / "install.sh", "--prefix", prefix, "--no-service").returncode == 0
    current = prefix / "camera" / "current"
    done = call(current / "run.sh", next(iter(sorted((HELD_OUT / "7").iterdir()))))
    assert json.loads(done.stdout)["label"] == "7"
    assert call(current / "verify.sh", "--no-bench").returncode == 0
    assert call(copy / "install.sh", "--prefix", prefix, "--no-service", "--rollback").returncode == 8
    assert list(prefix.glob("camera/*.verify.json"))


def test_what_this_device_measured_is_the_evidence_that_a_policy_asks_for(camera, edgec, tmp_path):
    """The whole way with the real runner: built, signed, checked with openssl, measured here, activated."""
    key = pair(tmp_path / "keys", "release", "p256")
    out = tmp_path / "out"
    shutil.copytree(camera.out, out)
    bundle = next(out.glob(f"camera/*/{HOST}"))
    policy = tmp_path / "edgec.toml"
    rules = '[signatures]\nkeys = ["keys/release.pub.pem"]\n[evidence]\naccuracy = "host"\nsize = "artifact"\nlatency = '
    policy.write_text(rules + '"device"\n')
    given = ("--prefix", tmp_path / "opt", "--no-service", "--policy", policy)
    assert call(bundle / "install.sh", *given).returncode == 7, "it is not signed"
    done = edgec("sign", "--key", key.private, bundle)
    assert done.returncode == 0, done.stderr
    done = call(bundle / "install.sh", *given)
    assert done.returncode == 0, done.stderr
    assert edgec("verify", bundle, "--policy", policy).returncode == 7, "a build machine is not the device"
    policy.write_text(rules + '"host"\n')
    done = edgec("verify", bundle, "--policy", policy)
    assert done.returncode == 0, done.stderr


def test_a_policy_refuses_a_load_that_was_not_measured_here(camera, edgec, tmp_path):
    """A budget after a long load is deferred, and activated so, unless a policy asks for evidence of latency."""
    bundle = tmp_path / "bundle"
    shutil.copytree(camera.folder(HOST), bundle)
    facts = json.loads((bundle / "bundle.json").read_text())
    loaded = {"name": "latency.pipeline.p90[after 10.5s]", "kind": "latency", "statistic": "p90", "sense": "max", "limit": 10.0}
    facts["budgets"].append({**loaded, "text": "10s", "of": "pipeline", "after": 10.5})
    (bundle / "bundle.json").write_text(json.dumps(facts, indent=2, sort_keys=True))
    files = [path for path in bundle.rglob("*") if path.is_file() and path.name != SUMS]
    (bundle / SUMS).write_bytes(sums({path.relative_to(bundle).as_posix(): sha256_of(path) for path in files}))
    policy = tmp_path / "edgec.toml"
    policy.write_text('[evidence]\nlatency = "device"\n')
    given = ("--prefix", tmp_path / "opt", "--no-service")
    done = call(bundle / "install.sh", *given)
    assert done.returncode == 0 and "budgets after a long load, deferred: 1" in done.stderr, done.stderr
    shutil.rmtree(tmp_path / "opt")
    done = call(bundle / "install.sh", *given, "--policy", policy)
    assert done.returncode == 7 and "latency.pipeline.p90[after 10.5s] is deferred" in done.stderr, done.stderr
    done = call(bundle / "install.sh", *given, "--policy", policy, "--sustained")
    assert done.returncode == 0, done.stderr
    record = json.loads(next((tmp_path / "opt").glob("camera/*.verify.json")).read_text())
    assert [one["after_s"] for one in record["bench"]["sustained"]] == [10.5]
    shown = edgec("inspect", bundle, "--with", next((tmp_path / "opt").glob("camera/*.verify.json")))
    assert "after 10.5s" in shown.stdout and "against the start" in shown.stdout, shown.stdout


def test_a_missed_budget_is_not_activated(copy, tmp_path):
    """The device enforces what the build deferred: a limit that no machine meets, with digests that agree."""
    facts = json.loads((copy / "bundle.json").read_text())
    for budget in facts["budgets"]:
        if budget["kind"] == "latency":
            budget["limit"] = 1e-9
    (copy / "bundle.json").write_text(json.dumps(facts))
    files = [path for path in copy.rglob("*") if path.is_file() and path.name != SUMS]
    (copy / SUMS).write_bytes(sums({path.relative_to(copy).as_posix(): sha256_of(path) for path in files}))
    done = call(copy / "verify.sh")
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout)["status"] == "budget-missed"
    assert call(copy / "install.sh", "--prefix", tmp_path / "opt", "--no-service").returncode == 5
    assert not (tmp_path / "opt").exists()


def test_the_unit_is_accepted(camera, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "edgec-camera.service"
    text = (camera.folder(HOST) / "systemd" / "camera.service").read_text()
    unit.write_text(text.replace("/opt/edgec/camera/current/run.sh", "/bin/true"))
    done = call("systemd-analyze", "verify", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_verify_takes_the_tarball_and_measures_accuracy(camera, edgec, tmp_path):
    tarball = camera.outcome(HOST)["tarball"]
    result = tmp_path / "verify.json"
    done = edgec("verify", tarball, "--evaluation", HELD_OUT, "--samples", "100", "--out", result, "--output", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["evidence"], record["evaluation"]["samples"]) == ("host", 100)
    assert record["evaluation"]["accuracy"] > 0.9
    assert record["bench"]["samples"] >= 64
    shown = edgec("inspect", tarball, "--with", result)
    assert shown.returncode == 0
    assert "host" in next(line for line in shown.stdout.splitlines() if "latency.p90" in line)
    other = edgec("inspect", camera.outcome("jetson-nano")["tarball"], "--with", result)
    assert other.returncode == 7


def test_the_nano_under_emulation_is_never_clocked(camera, edgec):
    if not shutil.which("qemu-aarch64"):
        pytest.skip("qemu-user is not installed")
    done = edgec("verify", camera.folder("jetson-nano"), "--evaluation", HELD_OUT, "--samples", "100", "--output", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["evidence"] == "emulated"
    assert record["golden"]["passed"]
    assert not record["bench"]
    verdicts = {verdict["budget"]: (verdict["status"], verdict["evidence"]) for verdict in record["verdicts"]}
    assert verdicts["latency.p90"] == ("deferred", "none")
    assert verdicts["accuracy.top1.min"] == ("met", "emulated")


def test_what_is_missing_for_emulation_is_named(camera, edgec):
    done = edgec("verify", camera.folder("jetson-nano"), PATH="/nowhere")
    assert done.returncode == 6
    assert "qemu-user" in done.stderr


def test_a_foreign_bundle_refuses_this_machine(camera):
    done = call(camera.folder("jetson-nano") / "verify.sh")
    assert done.returncode == 7
    assert "aarch64" in done.stderr


def test_inspect_reads_a_bare_program(camera, edgec):
    done = edgec("inspect", camera.folder(HOST) / "model.pte", "--output", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["program"]["delegates"].keys() == {"XnnpackBackend"}
    assert record["inputs"][0]["shape"] == [1, 96, 96, 3]
    assert "Failed to load" not in done.stderr


@pytest.mark.slow
def test_the_same_inputs_give_the_same_tarball_elsewhere(camera, edgec, tmp_path):
    environment = {
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "17",
        "EDGEC_CACHE": str(tmp_path / "a cache"),
    }
    done = edgec(
        "build",
        "manifests/camera.yaml",
        "--target",
        HOST,
        "--out",
        tmp_path / "another out",
        "--output",
        "json",
        **environment,
    )
    assert done.returncode == 0, done.stderr
    (outcome,) = json.loads(done.stdout)["outcomes"]
    assert outcome["tarball_sha256"] == camera.outcome(HOST)["tarball_sha256"]
