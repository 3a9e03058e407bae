"""`edgec sign`: what it writes, whom it refuses, and that what it wrote is good."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from bundle_parts import bundle
from edgec.artifacts.bundle import Written
from edgec.artifacts.envelope import read_envelope
from edgec.cli import main
from edgec.stages.write import write
from keys import Pair, openssl, pair

Result = tuple[int, str, str]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("keys")
    return {kind: pair(folder, kind, kind) for kind in ("ed25519", "p256", "p384", "rsa")}


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return write(bundle(tmp_path / "parts"), tmp_path / "out")


@pytest.fixture
def edgec(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def signature_of(written: Written) -> Path:
    return written.tarball.with_name("camera-1.0.0-linux-x86_64.intoto.jsonl")


def codes(result: Result) -> list[str]:
    return [found["code"] for found in json.loads(result[1])["diagnostics"]]


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
@pytest.mark.parametrize("what", ["folder", "tarball"])
def test_what_is_signed_verifies(kind: str, what: str, written: Written, keys: dict[str, Pair], edgec: Any) -> None:
    before = {path: path.read_bytes() for path in written.folder.rglob("*") if path.is_file()}
    code, out, err = edgec("sign", "--key", keys[kind].private, getattr(written, what))
    assert (code, err) == (0, "")
    assert "camera-1.0.0-linux-x86_64 signed" in out
    assert {path: path.read_bytes() for path in written.folder.rglob("*") if path.is_file()} == before
    assert stat.S_IMODE(signature_of(written).stat().st_mode) == 0o644
    for form in (written.folder, written.tarball):
        code, out, _ = edgec("verify", form, "--key", keys[kind].public, "--output", "json")
        record = json.loads(out)
        assert (code, record["status"], record["signatures"][0]["key"]) == (0, "passed", keys[kind].public.name)
    assert not [path for path in written.tarball.parent.iterdir() if path.name.startswith(".")]


def test_folder_and_tarball_have_one_statement(written: Written, keys: dict[str, Pair], edgec: Any) -> None:
    found = []
    for form in (written.folder, written.tarball):
        assert edgec("sign", "--key", keys["ed25519"].private, form)[0] == 0
        found.append(signature_of(written).read_bytes())
        signature_of(written).unlink()
    assert found[0] == found[1], "an Ed25519 signature of one statement is always the same"
    payload = json.loads(read_envelope(found[0], "").payload)
    assert [subject["name"] for subject in payload["subject"]] == [
        "camera-1.0.0-linux-x86_64.measurements.json",
        "camera-1.0.0-linux-x86_64.tar.gz",
        "camera-1.0.0-linux-x86_64/SHA256SUMS",
    ]
    assert payload["predicate"] == json.loads((written.folder / "provenance.json").read_bytes())["predicate"]


def test_the_record_names_key_and_subjects(written: Written, keys: dict[str, Pair], edgec: Any) -> None:
    _, out, _ = edgec("sign", "--key", keys["p256"].private, written.tarball, "--output", "json")
    record = json.loads(out)["signed"][0]
    der = openssl("pkey", "-pubin", "-in", keys["p256"].public, "-outform", "DER")
    import hashlib

    assert record["keyids"] == [hashlib.sha256(der).hexdigest()]
    assert (len(record["subjects"]), record["fresh"]) == (3, True)


def test_signing_again_changes_nothing_and_another_key_adds_its_own(
    written: Written, keys: dict[str, Pair], edgec: Any
) -> None:
    assert edgec("sign", "--key", keys["p256"].private, written.folder)[0] == 0
    first = signature_of(written).read_bytes()
    code, out, _ = edgec("sign", "--key", keys["p256"].private, written.folder)
    assert (code, signature_of(written).read_bytes()) == (0, first)
    assert "was signed before by this key" in out
    assert edgec("sign", "--key", keys["ed25519"].private, written.folder)[0] == 0
    assert len(read_envelope(signature_of(written).read_bytes(), "").signatures) == 2
    for kind in ("p256", "ed25519"):
        assert edgec("verify", written.folder, "--signature-only", "--key", keys[kind].public)[0] == 0


def test_new_measurements_need_new_signatures(written: Written, keys: dict[str, Pair], edgec: Any) -> None:
    for kind in ("p256", "ed25519"):
        assert edgec("sign", "--key", keys[kind].private, written.folder)[0] == 0
    record = json.loads(written.measurements.read_bytes())
    written.measurements.write_text(json.dumps({**record, "threads": 1}))
    assert edgec("sign", "--key", keys["p256"].private, written.folder)[0] == 0
    assert len(read_envelope(signature_of(written).read_bytes(), "").signatures) == 1, "the other key signed something else"


@pytest.mark.parametrize("damage", [b"", b"nonsense", b'{"payload":"e30="'])
def test_a_damaged_signature_file_is_replaced(damage: bytes, written: Written, keys: dict[str, Pair], edgec: Any) -> None:
    signature_of(written).write_bytes(damage)
    signature_of(written).with_name(f".{signature_of(written).name}.new").write_bytes(b"left by a kill")
    assert edgec("sign", "--key", keys["p256"].private, written.folder)[0] == 0
    assert edgec("verify", written.folder, "--signature-only", "--key", keys["p256"].public)[0] == 0
    assert not [path for path in written.tarball.parent.iterdir() if path.name.startswith(".")]


def test_several_bundles_are_signed_and_one_that_is_broken_stops_none(
    written: Written, keys: dict[str, Pair], edgec: Any, tmp_path: Path
) -> None:
    other = write(bundle(tmp_path / "more", version="1.1.0"), tmp_path / "out")
    (written.folder / "README.md").write_text("other")
    result = edgec("sign", "--key", keys["p256"].private, written.folder, other.folder, "--output", "json")
    assert (result[0], codes(result)) == (7, ["digest-mismatch"])
    assert [item["name"] for item in json.loads(result[1])["signed"]] == ["camera-1.1.0-linux-x86_64"]
    assert not signature_of(written).exists()


# keys


@pytest.mark.parametrize("password", ["correct horse", os.fsdecode(b"stra\xdfe")], ids=["ASCII", "no UTF-8"])
def test_an_encrypted_key_takes_its_password_from_the_environment(
    password: str, written: Written, edgec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = pair(tmp_path / "locked", "key", "p256", password=password)
    for word, code, said in ((None, 2, "it is encrypted"), ("wrong", 2, "wrong password"), (password, 0, "")):
        if word is not None:
            monkeypatch.setenv("EDGEC_KEY_PASSWORD", word)
        ended, _, err = edgec("sign", "--key", locked.private, written.folder)
        assert (ended, said in err) == (code, True), err
    assert edgec("verify", written.folder, "--signature-only", "--key", locked.public)[0] == 0


def test_a_key_may_come_on_standard_input(
    written: Written, keys: dict[str, Pair], edgec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(keys["p256"].private.read_bytes())))
    assert edgec("sign", "--key", "-", written.folder)[0] == 0
    assert edgec("verify", written.folder, "--signature-only", "--key", keys["p256"].public)[0] == 0


@pytest.mark.parametrize(
    ("kind", "half", "said"),
    [
        ("p384", "private", "neither an Ed25519 nor an ECDSA P-256 key"),
        ("rsa", "private", "neither an Ed25519 nor an ECDSA P-256 key"),
        ("p256", "public", "it is a public key"),
    ],
)
def test_other_keys_do_not_sign(
    kind: str, half: str, said: str, written: Written, keys: dict[str, Pair], edgec: Any
) -> None:
    code, _, err = edgec("sign", "--key", getattr(keys[kind], half), written.folder)
    assert (code, "[key-invalid]" in err, said in err) == (2, True, True), err
    assert not signature_of(written).exists()


def test_what_is_no_key_is_refused(written: Written, edgec: Any, tmp_path: Path) -> None:
    (tmp_path / "noise.pem").write_bytes(b"\x00\xff noise")
    code, _, err = edgec("sign", "--key", tmp_path / "noise.pem", written.folder)
    assert (code, "[key-invalid]" in err) == (2, True)
    assert edgec("sign", "--key", tmp_path / "none.pem", written.folder)[0] == 2


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_key_that_others_can_read_gets_a_warning(written: Written, edgec: Any, tmp_path: Path) -> None:
    exposed = pair(tmp_path / "exposed", "key", "p256")
    exposed.private.chmod(0o644)
    code, _, err = edgec("sign", "--key", exposed.private, written.folder)
    assert (code, "warning[key-exposed]" in err) == (0, True)


# what is not signed


def test_what_is_not_for_release_is_signed_only_on_demand(keys: dict[str, Pair], edgec: Any, tmp_path: Path) -> None:
    trial = write(bundle(tmp_path / "parts", release=False), tmp_path / "out")
    code, _, err = edgec("sign", "--key", keys["p256"].private, trial.folder)
    assert (code, "[unfit-to-sign]" in err, "weights are random" in err) == (7, True, True)
    assert not signature_of(trial).exists()
    assert edgec("sign", "--key", keys["p256"].private, trial.folder, "--allow-unfit")[0] == 0


def test_what_missed_a_clocked_budget_is_not_signed(written: Written, keys: dict[str, Pair], edgec: Any) -> None:
    record = json.loads(written.measurements.read_bytes())
    for verdict in record["verdicts"]:
        verdict["status"] = "missed" if verdict["budget"] == "latency.p90" else verdict["status"]
    written.measurements.write_text(json.dumps(record))
    code, _, err = edgec("sign", "--key", keys["p256"].private, written.folder)
    assert (code, "the budget latency.p90 is missed" in err) == (7, True)


def test_what_was_rejected_is_not_signed(keys: dict[str, Pair], edgec: Any, tmp_path: Path) -> None:
    rejected = write(bundle(tmp_path / "parts", rejected=True), tmp_path / "out")
    code, _, err = edgec("sign", "--key", keys["p256"].private, rejected.tarball)
    assert (code, "its build was refused" in err) == (7, True)


def test_a_bundle_without_measurements_is_not_signed(
    written: Written, keys: dict[str, Pair], edgec: Any, tmp_path: Path
) -> None:
    written.measurements.rename(tmp_path / "elsewhere.json")
    code, _, err = edgec("sign", "--key", keys["p256"].private, written.folder)
    assert (code, "[no-measurements]" in err) == (2, True)
    given = ("--measurements", tmp_path / "elsewhere.json")
    assert edgec("sign", "--key", keys["p256"].private, written.folder, *given)[0] == 0
    assert edgec("verify", written.folder, "--signature-only", "--key", keys["p256"].public, *given)[0] == 0
    assert edgec("sign", "--key", keys["p256"].private, written.folder, written.tarball, *given)[0] == 2


def test_measurements_of_another_bundle_are_not_signed(
    written: Written, keys: dict[str, Pair], edgec: Any, tmp_path: Path
) -> None:
    other = write(bundle(tmp_path / "more", description="another"), tmp_path / "other")
    written.measurements.write_bytes(other.measurements.read_bytes())
    code, _, err = edgec("sign", "--key", keys["p256"].private, written.folder)
    assert (code, "[digest-mismatch]" in err, "was measured on the bundle" in err) == (7, True, True)
    written.measurements.write_text("nonsense")
    assert edgec("sign", "--key", keys["p256"].private, written.folder)[0] == 7


def test_a_tarball_of_another_bundle_is_not_signed_along(
    written: Written, keys: dict[str, Pair], edgec: Any, tmp_path: Path
) -> None:
    other = write(bundle(tmp_path / "more", description="another"), tmp_path / "other")
    written.tarball.write_bytes(other.tarball.read_bytes())
    code, _, err = edgec("sign", "--key", keys["p256"].private, written.folder)
    assert (code, "[digest-mismatch]" in err, "holds the bundle" in err) == (7, True, True)


def test_a_folder_by_itself_is_signed_where_it_lies(
    written: Written, keys: dict[str, Pair], edgec: Any, tmp_path: Path
) -> None:
    import shutil

    place = tmp_path / "apart"
    shutil.copytree(written.folder, place / "unpacked")
    shutil.copy(written.measurements, place)
    assert edgec("sign", "--key", keys["p256"].private, place / "unpacked")[0] == 0
    payload = json.loads(read_envelope((place / signature_of(written).name).read_bytes(), "").payload)
    assert len(payload["subject"]) == 2, "there is no tarball to sign"
    assert edgec("verify", place / "unpacked", "--signature-only", "--key", keys["p256"].public)[0] == 0
