"""`edgec verify` and `edgec inspect` on a bundle whose runner is a stand-in: results, exit codes, what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle_parts import TARGET, bundle
from edgec.artifacts.bundle import Written
from edgec.cli import main
from edgec.runtime.verification import Place, evenly, self_test
from edgec.stages.write import write
from edgec.store.bundles import opened

Result = tuple[int, str, str]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return write(bundle(tmp_path / "parts"), tmp_path / "out")


@pytest.fixture
def edgec(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.mark.parametrize("what", ["folder", "tarball"])
def test_a_good_bundle_verifies(what: str, written: Written, edgec: Any, tmp_path: Path) -> None:
    code, out, _ = edgec("verify", getattr(written, what), "--out", tmp_path / "v.json", "--output", "json")
    record = json.loads(out)
    assert (code, record["status"], record["exit_code"]) == (0, "passed", 0)
    assert record["arguments"][1:3] == ["--evidence", "host"]
    assert json.loads((tmp_path / "v.json").read_bytes())["status"] == "passed"


def test_people_read_the_verdict(written: Written, edgec: Any) -> None:
    code, out, err = edgec("verify", written.folder)
    assert code == 0
    assert "passed" in out
    assert "1 vectors agree" in out
    assert "evidence host" in err


@pytest.mark.parametrize(
    ("given", "ended", "said"),
    [
        ("7", 7, "verification-failed"),
        ("139", 7, "verification-failed"),
        ("5", 5, "budget-missed"),
        ("2", 2, "verification-usage"),
        ("8", 8, "not-writable"),
    ],
)
def test_what_does_not_pass_has_its_exit_code(
    given: str, ended: int, said: str, written: Written, edgec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_CODE", given)
    code, out, _ = edgec("verify", written.folder, "--output", "json")
    assert code == ended
    assert [found["code"] for found in json.loads(out)["diagnostics"]] == [said]


def test_what_verify_sh_lacks_and_an_interrupt_keep_their_exit_codes(
    written: Written, edgec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_CODE", "130")
    assert edgec("verify", written.folder)[0] == 130
    monkeypatch.setenv("PATH", "/no/such/folder")
    code, _, err = edgec("verify", written.folder)
    assert code == 6
    assert "[tool-missing]" in err and "verify.sh: needs" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_what_ends_a_verification_leaves_no_folder_and_no_process(
    number: signal.Signals, code: int, written: Written, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch), "STAND_IN_SECONDS": "60"}
    command = [sys.executable, "-m", "edgec", "verify", str(written.tarball)]
    with subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not running(scratch):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert said.endswith(f"edgec: ended by {number.name}\n")
    assert not [*scratch.iterdir()] and not running(scratch)


def running(scratch: Path) -> bool:
    """Whether a bundle's runner that was unpacked below ``scratch`` runs."""
    lines = subprocess.run(["ps", "-wweo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return any(str(scratch) in line and "/bin/edgec-run" in line for line in lines)


def test_nothing_is_clocked_under_emulation(written: Written) -> None:
    with opened(written.folder) as found:
        emulated = self_test(found, Place(evidence="emulated", emulator=("env",)), bench=True)
        native = self_test(found, Place(evidence="host"), bench=True)
    assert "--no-bench" in emulated.record["arguments"]
    assert "--no-bench" not in native.record["arguments"]


def test_a_changed_file_stops_before_anything_runs(written: Written, edgec: Any) -> None:
    (written.folder / "verify.sh").write_text("#!/bin/sh\ntouch /tmp/edgec-ran\n")
    code, _, err = edgec("verify", written.folder)
    assert code == 7
    assert "verify.sh is not the file that SHA256SUMS lists" in err
    assert not Path("/tmp/edgec-ran").exists()


def test_what_this_machine_cannot_run_names_what_is_missing(tmp_path: Path, edgec: Any) -> None:
    target = replace(TARGET, name="a-board", architecture="riscv64", qemu_cpu="rv64")
    folder = write(bundle(tmp_path / "parts", target=target), tmp_path / "out").folder
    code, _, err = edgec("verify", folder)
    assert code == 6
    assert "tool-missing" in err


def test_a_path_that_is_no_bundle_is_a_usage_error(tmp_path: Path, edgec: Any) -> None:
    for command in ("verify", "inspect"):
        code, _, err = edgec(command, tmp_path / "nothing")
        assert code == 2
        assert "no-bundle" in err


def test_inspect_says_of_what_is_no_file_that_it_is_none(tmp_path: Path, edgec: Any) -> None:
    (tmp_path / "d.pte").mkdir()
    os.mkfifo(tmp_path / "f.pte")
    for name in ("d.pte", "f.pte"):
        code, _, err = edgec("inspect", tmp_path / name)
        assert code == 2 and f"{name} is not a regular file" in err and "no-bundle" in err
    assert "e.pte does not exist" in edgec("inspect", tmp_path / "e.pte")[2]


def test_samples_without_images_is_a_usage_error(written: Written, edgec: Any) -> None:
    assert edgec("verify", written.folder, "--samples", "5")[0] == 2


def test_a_class_that_the_bundle_does_not_know_is_named(written: Written, edgec: Any, tmp_path: Path) -> None:
    (tmp_path / "images" / "O").mkdir(parents=True)
    code, _, err = edgec("verify", written.folder, "--evaluation", tmp_path / "images")
    assert code == 3
    assert "data-labels" in err


def test_no_image_is_said(written: Written, edgec: Any, tmp_path: Path) -> None:
    (tmp_path / "images" / "1").mkdir(parents=True)
    code, _, err = edgec("verify", written.folder, "--evaluation", tmp_path / "images")
    assert code == 3
    assert "data-empty" in err


def test_images_are_chosen_evenly() -> None:
    items = [(Path(str(number)), "") for number in range(10)]
    assert evenly(items, None) == evenly(items, 50) == items
    assert [path.name for path, _ in evenly(items, 5)] == ["0", "2", "4", "6", "8"]
    assert len(evenly(items, 7)) == len(set(evenly(items, 7))) == 7


def test_inspect_shows_what_is_inside(written: Written, edgec: Any) -> None:
    code, out, _ = edgec("inspect", written.tarball)
    assert code == 0
    for shown in (
        "camera 1.0.0 for linux-x86_64",
        "aten.convolution",
        "1 × 2 × 2 × 3",
        "700.00 kB",
        "≤ 100ms",
        "deferred",
    ):
        assert shown in out
    code, out, _ = edgec("inspect", written.folder, "--output", "json")
    record = json.loads(out)
    assert record["schema"] == "edgec/inspection/v1"
    assert record["bundle_sha256"]
    assert record["files"]["model.pte"] == record["model"]["sha256"]


def device_says(path: Path, digest: str, status: str) -> Path:
    verdict = {
        "budget": "latency.p90",
        "status": status,
        "value": 0.042,
        "limit": 0.1,
        "unit": "s",
        "evidence": "device",
    }
    bench = {"latency_s": {"p90": 0.042}, "throughput_hz": 25.0, "peak_rss_bytes": 2e7, "samples": 256, "threads": 4}
    record = {"schema": "edgec/verification/v1", "bundle_sha256": digest, "evidence": "device", "status": "passed",
              "bench": bench, "verdicts": [verdict]}  # fmt: skip
    path.write_text(json.dumps(record))
    return path


def test_a_device_s_own_figures_take_the_place_of_deferred_ones(written: Written, edgec: Any, tmp_path: Path) -> None:
    digest = json.loads(edgec("inspect", written.folder, "--output", "json")[1])["bundle_sha256"]
    code, out, _ = edgec("inspect", written.folder, "--with", device_says(tmp_path / "v.json", digest, "met"))
    assert code == 0
    assert next(line for line in out.splitlines() if "latency.p90" in line).split()[-3:] == ["ms", "device", "met"]
    _, out, _ = edgec("inspect", written.folder, "--with", device_says(tmp_path / "v.json", digest, "deferred"))
    assert "on the device" in out


@pytest.mark.parametrize(
    ("evidence", "samples", "taken"),
    [
        ("emulated", 10_000, False), ("host", 100, False), ("host", 361, True), ("device", 1, True),
        ("artifact", 10_000, False), ("estimated", 10_000, False),
    ],
)  # fmt: skip
def test_no_weaker_evidence_stands_in_for_a_stronger(
    evidence: str, samples: int, taken: bool, written: Written, edgec: Any, tmp_path: Path
) -> None:
    record = json.loads(edgec("inspect", written.folder, "--output", "json")[1])
    built = next(verdict for verdict in record["verdicts"] if verdict["budget"] == "accuracy.top1.min")
    assert (built["evidence"], built["samples"]) == ("host", 360)
    given = {**built, "evidence": evidence, "samples": samples, "value": 0.5, "status": "missed"}
    device = {"schema": "edgec/measurements/v1", "bundle_sha256": record["bundle_sha256"], "verdicts": [given]}
    (tmp_path / "v.json").write_text(json.dumps(device))
    shown = json.loads(edgec("inspect", written.folder, "--with", tmp_path / "v.json", "--output", "json")[1])
    assert [verdict for verdict in shown["verdicts"] if verdict["budget"] == built["budget"]] == [given if taken else built]


def test_figures_of_another_bundle_are_refused(written: Written, edgec: Any, tmp_path: Path) -> None:
    code, _, err = edgec("inspect", written.folder, "--with", device_says(tmp_path / "v.json", "0" * 64, "met"))
    assert code == 7
    assert "digest-mismatch" in err


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"bundle_sha256": 1}'])
def test_figures_that_are_none_are_refused(text: str, written: Written, edgec: Any, tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(text)
    assert edgec("inspect", written.folder, "--with", tmp_path / "v.json")[0] == 7


def test_the_build_s_measurements_can_be_merged_too(written: Written, edgec: Any) -> None:
    code, out, _ = edgec("inspect", written.folder, "--with", written.measurements)
    assert code == 0
    assert "1.5 ms" in out


def test_a_file_that_is_no_program_is_refused_without_torch(edgec: Any, tmp_path: Path) -> None:
    (tmp_path / "noise.pte").write_bytes(b"noise" * 100)
    code, _, err = edgec("inspect", tmp_path / "noise.pte")
    assert code == 7
    assert "program-unreadable" in err
    assert edgec("inspect", tmp_path / "missing.pte")[0] == 2


@pytest.mark.parametrize(
    "verdict",
    [3, {"budget": "size"}, {"budget": "size", "status": "bogus", "evidence": "device"},
     {"budget": "size", "status": "met", "evidence": "device", "value": "<x>"}],
)  # fmt: skip
def test_a_device_s_file_of_another_shape_is_refused(verdict: Any, written: Written, edgec: Any, tmp_path: Path) -> None:
    with opened(written.folder) as found:
        record = {"schema": "edgec/verification/v1", "bundle_sha256": found.digest, "verdicts": [verdict]}
    (tmp_path / "verify.json").write_text(json.dumps(record))
    code, _, err = edgec("inspect", written.folder, "--with", tmp_path / "verify.json")
    assert (code, "bundle-broken" in err) == (7, True)
    assert "verdicts/0" in err


def test_a_bundle_without_its_list_is_broken_not_unknown(written: Written, edgec: Any) -> None:
    (written.folder / "SHA256SUMS").unlink()
    code, _, err = edgec("verify", written.folder)
    assert (code, "bundle-broken" in err) == (7, True)


def test_a_program_is_pointed_to_inspect(written: Written, edgec: Any, tmp_path: Path) -> None:
    (tmp_path / "x.pte").write_bytes(b"\x1c\x00\x00\x00ET12" + bytes(64))
    code, _, err = edgec("verify", tmp_path / "x.pte")
    assert (code, "edgec inspect" in err) == (2, True)
