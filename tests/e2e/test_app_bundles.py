"""Bundles for phones and Macs by the command line, and their Kotlin compiled against stand-ins for what it calls."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import kinds_project

STAND_INS = Path(__file__).resolve().parents[1] / "stand_ins" / "android"


@pytest.fixture(scope="module")
def built(edgec, tmp_path_factory):
    folder = tmp_path_factory.mktemp("apps")
    done = edgec("build", kinds_project.write(folder, "[android-arm64, ios, macos-arm64]", recipe="fp32", memory="64MB"),
                 "--allow-code", "--output", "json")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out" / "tiny-net" / "1.2.0"


@pytest.mark.parametrize(("target", "kind"), [("android-arm64", "android"), ("ios", "apple"), ("macos-arm64", "apple")])
def test_verify_checks_what_it_can_and_says_what_it_did_not_run(edgec, built, target, kind):
    facts = json.loads((built / target / "bundle.json").read_text())
    assert facts["kind"] == kind and (built / target / facts["model"]["file"]).is_file()
    for vector in facts["golden"]["vectors"]:
        assert all((built / target / name).is_file() for name in (*vector["inputs"], *vector["outputs"]))
    done = edgec("verify", built / target, "--output", "json")
    record = json.loads(done.stdout)
    assert (done.returncode, record["status"], record["evidence"]) == (0, "not-run", "none"), done.stderr
    assert {verdict["status"] for verdict in record["verdicts"]} == {"deferred"}


def test_a_bundle_that_says_otherwise_than_its_record_is_refused_though_its_digests_hold(edgec, built, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(built / "android-arm64", copy)
    name = "app/src/androidTest/assets/golden.json"
    (copy / name).write_text((copy / name).read_text().replace('"absolute": ', '"absolute": 1'))
    digest = hashlib.sha256((copy / name).read_bytes()).hexdigest()
    sums = re.sub(rf"^\w+(  {re.escape(name)})$", rf"{digest}\1", (copy / "SHA256SUMS").read_text(), flags=re.MULTILINE)
    (copy / "SHA256SUMS").write_text(sums)
    done = edgec("verify", copy)
    assert done.returncode == 7 and f"{name} is not what bundle.json says" in done.stderr


def compiled(sources, out):
    command = ["kotlinc", *map(str, sources), *map(str, sorted(STAND_INS.glob("*.kt"))), "-d", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_kotlin_compiles_against_stand_ins_for_what_it_calls(built, tmp_path):
    sources = sorted((built / "android-arm64").rglob("*.kt"))
    assert len(sources) == 3
    done = compiled(sources, tmp_path / "classes")
    assert done.returncode == 0, done.stderr
    assert not re.search(r"dev/edgec/model/\w+\.kt.*warning", done.stderr), done.stderr
    assert (tmp_path / "classes" / "dev" / "edgec" / "model" / "GoldenVectorsTest.class").is_file()


def test_a_call_that_does_not_exist_does_not_compile(tmp_path):
    source = "package x\n\nfun load() = org.pytorch.executorch.Module.load(1, 2, 3)\n"
    (tmp_path / "x.kt").write_text(source)
    done = compiled([tmp_path / "x.kt"], tmp_path / "classes")
    assert done.returncode != 0 and re.search(r"x\.kt:3:\d+: error", done.stderr), done.stderr
