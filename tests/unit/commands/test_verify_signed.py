"""`edgec verify` on signed bundles: what is stripped, mixed up, replayed, tampered with or too weak is refused by name."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle_parts import bundle
from edgec.cli import main
from edgec.stages.write import write
from edgec.store.keys import private_key
from edgec.store.signatures import signed
from keys import Pair, pair

Result = tuple[int, str, str]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("keys")
    made = {kind: pair(folder, kind, kind) for kind in ("ed25519", "p256")}
    return made | {"other": pair(folder, "other", "p256"), "rsa": pair(folder, "rsa", "rsa")}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Pair]) -> Path:
    """A folder as `edgec build --out` leaves it, signed by two keys."""
    from edgec.store.release import sign_bundle

    place = tmp_path_factory.mktemp("once")
    written = write(bundle(place / "parts"), place / "out")
    for kind in ("ed25519", "p256"):
        sign_bundle(written.folder, private_key(keys[kind].private.read_bytes(), kind, lambda: None))
    return place / "out"


@pytest.fixture
def out(once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(once, tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "out"


@pytest.fixture
def edgec(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


STEM = "camera-1.0.0-linux-x86_64"


def place(out: Path) -> Path:
    return out / f"{STEM}.intoto.jsonl"


def envelope(out: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(place(out).read_bytes())
    return record


def put(out: Path, record: dict[str, Any]) -> None:
    place(out).write_bytes(json.dumps(record, separators=(",", ":")).encode() + b"\n")


def private(pair: Pair) -> Any:
    return private_key(pair.private.read_bytes(), pair.private.name, lambda: None)


def refused(result: Result, code: str, *said: str) -> None:
    ended, _, err = result
    assert (ended, f"error[{code}]" in err) == (7, True), err
    assert all(words in err for words in said), err
    assert "running its verify.sh" not in err, "nothing of the bundle may run"


@pytest.fixture
def check(out: Path, keys: dict[str, Pair], edgec: Any) -> Callable[..., Result]:
    """Verify the bundle, trusting the named keys."""

    def run(*names: str) -> Result:
        given = [word for name in names or ("ed25519", "p256") for word in ("--key", keys[name].public)]
        result: Result = edgec("verify", out / f"{STEM}.tar.gz", *given)
        return result

    return run


def test_as_it_was_signed_it_passes(check: Callable[..., Result]) -> None:
    for names in (("ed25519",), ("p256",), ("other", "p256"), ("ed25519", "p256")):
        code, said, _ = check(*names)
        assert (code, "signed by" in said) == (0, True)


def test_a_signature_that_was_stripped(check: Callable[..., Result], out: Path) -> None:
    put(out, {**envelope(out), "signatures": []})
    refused(check(), "signature-missing", "they were stripped")
    place(out).unlink()
    refused(check(), "signature-missing", "there is no")


def test_a_signature_by_a_key_that_is_not_trusted(check: Callable[..., Result]) -> None:
    refused(check("other"), "signature-untrusted", "no signature by a trusted key", "other.pub.pem")


def flipped(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[-1] ^= 1
    return base64.b64encode(raw).decode()


def of(record: dict[str, Any], which: int) -> dict[str, Any]:
    found: dict[str, Any] = record["signatures"][which]
    return found


@pytest.mark.parametrize("which", [0, 1])
def test_one_bad_signature_among_good_ones(which: int, check: Callable[..., Result], out: Path) -> None:
    record = envelope(out)
    of(record, which)["sig"] = flipped(of(record, which)["sig"])
    put(out, record)
    refused(check(), "signature-invalid", "its key did not sign this statement")


def test_every_bad_signature_is_named(check: Callable[..., Result], out: Path) -> None:
    record = envelope(out)
    for item in record["signatures"]:
        item["sig"] = flipped(item["sig"])
    put(out, record)
    result = check()
    refused(result, "signature-invalid", "ed25519.pub.pem", "p256.pub.pem")


def test_signatures_of_one_key_in_the_name_of_the_other(check: Callable[..., Result], out: Path) -> None:
    record = envelope(out)
    first, second = record["signatures"]
    first["sig"], second["sig"] = second["sig"], first["sig"]
    put(out, record)
    refused(check(), "signature-invalid", "it is not an Ed25519 signature", "it is not an ECDSA P-256 signature")


def test_a_key_that_signs_in_another_s_name(check: Callable[..., Result], out: Path, keys: dict[str, Pair]) -> None:
    record = envelope(out)
    payload = base64.b64decode(record["payload"])
    forged = json.loads(signed(payload, [private(keys["other"])]))["signatures"][0]["sig"]
    mine = next(item for item in record["signatures"] if len(base64.b64decode(item["sig"])) != 64)
    mine["sig"] = forged
    put(out, record)
    refused(check("p256"), "signature-invalid", "its key did not sign this statement")


def test_another_statement_under_the_same_signatures(check: Callable[..., Result], out: Path) -> None:
    record = envelope(out)
    payload = base64.b64decode(record["payload"]).replace(b"camera", b"kamera")
    put(out, {**record, "payload": base64.b64encode(payload).decode()})
    refused(check(), "signature-invalid")


def test_another_type_of_payload(check: Callable[..., Result], out: Path) -> None:
    put(out, {**envelope(out), "payloadType": "application/octet-stream"})
    refused(check(), "signature-invalid", "application/octet-stream")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda statement: statement.update(predicateType="https://example.com/other/v1"), "example.com/other"),
        (lambda statement: statement.update(_type="https://in-toto.io/Statement/v0.1"), "Statement/v0.1"),
        (lambda statement: statement.update(subject="none"), "no in-toto statement"),
        (lambda statement: statement.update(more=1), "not in the form"),
    ],
)
def test_a_good_signature_of_something_else(
    change: Change, said: str, check: Callable[..., Result], out: Path, keys: dict[str, Pair]
) -> None:
    statement = json.loads(base64.b64decode(envelope(out)["payload"]))
    change(statement)
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    place(out).write_bytes(signed(payload, [private(keys["p256"])]))
    refused(check(), "signature-invalid", said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text + text, "more than one line"),
        (lambda text: b"nonsense\n", "no DSSE envelope"),
        (lambda text: b"[" * 100_000, "no DSSE envelope"),
        (lambda text: b"\xff\n", "no DSSE envelope"),
        (lambda text: text.replace(b'"payload":"', b'"payload":"!'), "no DSSE envelope"),
        (lambda text: text.replace(b'{"payload"', b'{"payload":"","payload"'), "not in the form"),
        (lambda text: text.replace(b",", b", "), "not in the form"),
        (lambda text: text.rstrip(b"\n"), "not in the form"),
        (lambda text: text + b" " * (9 << 20), "larger than"),
    ],
)
def test_a_file_that_two_readers_could_read_in_two_ways(
    change: Callable[[bytes], bytes], said: str, check: Callable[..., Result], out: Path
) -> None:
    place(out).write_bytes(change(place(out).read_bytes()))
    refused(check(), "signature-invalid", said)


def test_two_signatures_of_one_key(check: Callable[..., Result], out: Path) -> None:
    record = envelope(out)
    put(out, {**record, "signatures": [*record["signatures"], record["signatures"][1]]})
    refused(check(), "signature-invalid", "two signatures of one key")


def test_the_signature_of_another_bundle(
    check: Callable[..., Result], out: Path, tmp_path: Path, keys: dict[str, Pair]
) -> None:
    from edgec.store.release import sign_bundle

    for changes in ({"description": "another build"}, {"version": "0.9.0"}):
        other = write(bundle(tmp_path / str(changes), **changes), tmp_path / "other").folder  # type: ignore[arg-type]
        replayed = sign_bundle(other, private(keys["p256"])).signature
        place(out).write_bytes(replayed.read_bytes())
        refused(check(), "signature-mismatch", f"bundle {STEM}")


def test_the_signature_of_other_measurements(check: Callable[..., Result], out: Path) -> None:
    path = out / f"{STEM}.measurements.json"
    path.write_bytes(path.read_bytes().replace(b'"threads": 2', b'"threads": 1'))
    refused(check(), "signature-mismatch", "measurements.json")


def test_measurements_that_are_not_there_are_said_and_no_fault(check: Callable[..., Result], out: Path) -> None:
    (out / f"{STEM}.measurements.json").unlink()
    code, _, err = check()
    assert (code, "the signature covers it too" in err) == (0, True)


@pytest.mark.parametrize(("half", "kind"), [("private", "p256"), ("public", "rsa")])
def test_keys_that_check_nothing(half: str, kind: str, out: Path, keys: dict[str, Pair], edgec: Any) -> None:
    code, _, err = edgec("verify", out / f"{STEM}.tar.gz", "--key", getattr(keys[kind], half))
    assert (code, "error[key-invalid]" in err) == (2, True)


def test_without_a_key_a_signature_is_said_not_checked(out: Path, edgec: Any) -> None:
    code, _, err = edgec("verify", out / f"{STEM}.tar.gz", "--no-bench")
    assert (code, "there and not checked" in err) == (0, True)


def test_signature_only_runs_nothing(out: Path, keys: dict[str, Pair], edgec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_CODE", "7")
    arguments = ("verify", out / f"{STEM}.tar.gz", "--key", keys["p256"].public)
    assert edgec(*arguments)[0] == 7, "behaviour counts too"
    code, said, err = edgec(*arguments, "--signature-only")
    assert (code, "running" in err, ": signed\n" in said) == (0, False, True)
    record = json.loads(edgec(*arguments, "--signature-only", "--output", "json")[1])
    assert (record["version"], record["exit_code"], len(record["signatures"])) == ("1.0.0", 0, 1)


@pytest.mark.parametrize(
    "options",
    [("--signature-only",), ("--signature-only", "--key", "K", "--no-bench"), ("--signature-only", "--behaviour-only"),
     ("--behaviour-only", "--key", "K")],
)  # fmt: skip
def test_options_that_exclude_each_other(options: tuple[str, ...], out: Path, keys: dict[str, Pair], edgec: Any) -> None:
    given = [str(keys["p256"].public) if option == "K" else option for option in options]
    assert edgec("verify", out / f"{STEM}.tar.gz", *given)[0] == 2


# policies


@pytest.fixture
def policy(out: Path, keys: dict[str, Pair]) -> Callable[[str], Path]:
    """Write the repo's edgec.toml, whose keys lie beside it, around the current folder."""

    def put(text: str) -> Path:
        path = out.parent / "edgec.toml"
        for name, made in keys.items():
            shutil.copy(made.public, out.parent / f"{name}.pub.pem")
        path.write_text(text)
        return path

    return put


KEYS = '[signatures]\nkeys = ["ed25519.pub.pem", "p256.pub.pem"]\n'


def test_the_repo_s_policy_asks_for_signatures(out: Path, policy: Callable[[str], Path], edgec: Any) -> None:
    policy(KEYS)
    assert edgec("verify", out / f"{STEM}.tar.gz")[0] == 0
    place(out).unlink()
    refused(edgec("verify", out / f"{STEM}.tar.gz"), "signature-missing")
    assert edgec("verify", out / f"{STEM}.tar.gz", "--behaviour-only")[0] == 0


def test_another_policy_takes_the_place_of_the_repo_s(
    out: Path, policy: Callable[[str], Path], edgec: Any, tmp_path: Path
) -> None:
    policy('[signatures]\nkeys = ["other.pub.pem"]\n')
    refused(edgec("verify", out / f"{STEM}.tar.gz"), "signature-untrusted")
    (tmp_path / "from-main.toml").write_text(KEYS)
    assert edgec("verify", out / f"{STEM}.tar.gz", "--policy", tmp_path / "from-main.toml")[0] == 0
    assert edgec("verify", out / f"{STEM}.tar.gz", "--key", tmp_path / "p256.pub.pem")[0] == 0


def test_a_policy_may_ask_for_several_keys(out: Path, policy: Callable[[str], Path], edgec: Any) -> None:
    policy(KEYS + "needed = 2\n")
    assert edgec("verify", out / f"{STEM}.tar.gz", "--signature-only")[0] == 0
    record = envelope(out)
    put(out, {**record, "signatures": record["signatures"][:1]})
    refused(edgec("verify", out / f"{STEM}.tar.gz"), "signature-untrusted", "1 of 2 signatures")


def test_one_key_named_twice_is_one_key(out: Path, policy: Callable[[str], Path], edgec: Any) -> None:
    shutil.copy(policy("").parent / "p256.pub.pem", out.parent / "again.pem")
    policy('[signatures]\nkeys = ["p256.pub.pem", "again.pem"]\nneeded = 2\n')
    code, _, err = edgec("verify", out / f"{STEM}.tar.gz")
    assert (code, "error[policy-invalid]" in err, "1 different" in err) == (3, True, True)


def test_a_policy_s_key_that_is_not_there(out: Path, policy: Callable[[str], Path], edgec: Any) -> None:
    policy('[signatures]\nkeys = ["nowhere.pem"]\n')
    code, _, err = edgec("verify", out / f"{STEM}.tar.gz")
    assert (code, "error[policy-invalid]" in err) == (3, True)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('accuracy = "host"\nlatency = "host"\nsize = "artifact"', True),
        ('latency = "emulated"', True),
        ('latency = "device"', False),
        ('accuracy = "device"', False),
        ('throughput = "device"', True),  # no budget of that kind
    ],
)
def test_a_policy_asks_for_the_least_evidence(
    text: str, passes: bool, out: Path, policy: Callable[[str], Path], edgec: Any
) -> None:
    policy(f"[evidence]\n{text}\n")
    code, _, err = edgec("verify", out / f"{STEM}.tar.gz")
    assert (code, "[evidence-weak]" in err) == ((0, False) if passes else (7, True)), err


def test_measurements_are_where_clocked_evidence_comes_from(out: Path, policy: Callable[[str], Path], edgec: Any) -> None:
    policy(KEYS + '[evidence]\nlatency = "host"\n')
    assert edgec("verify", out / f"{STEM}.tar.gz", "--signature-only")[0] == 0
    (out / f"{STEM}.measurements.json").unlink()
    result = edgec("verify", out / f"{STEM}.tar.gz", "--signature-only")
    refused(result, "evidence-weak", "latency.p90", "not judged")


def test_strong_evidence_of_a_budget_that_is_not_met_is_no_evidence(
    out: Path, policy: Callable[[str], Path], edgec: Any
) -> None:
    policy('[evidence]\nlatency = "host"\n')
    path = out / f"{STEM}.measurements.json"
    record = json.loads(path.read_bytes())
    for verdict in record["verdicts"]:
        verdict["status"] = "inconclusive"
    path.write_text(json.dumps(record))
    code, _, err = edgec("verify", out / f"{STEM}.tar.gz")
    assert (code, "latency.p90 is inconclusive with 'host'" in err) == (7, True)
