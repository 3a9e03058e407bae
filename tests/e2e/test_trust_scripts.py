"""trust.sh and install.sh on signed bundles, with a POSIX shell and openssl alone: what they let in, and what they refuse."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bundle_parts import bundle
from edgec.artifacts.records import json_bytes
from edgec.artifacts.semver import precedence
from edgec.diagnostics import Failure
from edgec.stages.write import write
from edgec.store import bundles
from edgec.store.admission import trusted
from edgec.store.files import sha256_of
from edgec.store.policy import read_policy
from edgec.store.release import sign_bundle
from keys import Pair
from shells import SHELLS, call
from signed_out import STEM, TAMPERING, Out, policy_text, private


def trust(out: Out, *options: object, shell: tuple[str, ...] = (), what: Path | None = None, **more: Any) -> tuple[int, str]:
    code, said, err = call(*shell, out.folder / "trust.sh", "signature", *options, what or out.folder, **more)
    assert said == ""
    return code, err


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_what_edgec_signed_openssl_verifies(kind: str, out: Out, keys: dict[str, Pair], shell: tuple[str, ...]) -> None:
    for what in (out.folder, out.tarball):
        code, err = trust(out, "--key", keys[kind].public, shell=shell, what=what)
        assert (code, "signed by" in err) == (0, True), err
        code, err = trust(out, "--key", keys["other"].public, shell=shell, what=what)
        assert (code, "0 of 1 signatures by a trusted key" in err) == (7, True), err


# what is refused


@pytest.mark.parametrize("name", TAMPERING)
def test_what_was_tampered_with_is_refused_in_its_own_words(
    name: str, out: Out, keys: dict[str, Pair], shell: tuple[str, ...]
) -> None:
    change, said = TAMPERING[name]
    change(out, keys)
    given = [word for kind in ("ed25519", "p256") for word in ("--key", keys[kind].public)]
    code, err = trust(out, *given, shell=shell)
    assert (code, said in err) == (7, True), err


def test_another_build_of_the_same_version_is_not_what_was_signed(out: Out, keys: dict[str, Pair], tmp_path: Path) -> None:
    other = Out(tmp_path / "other", STEM)
    write(bundle(tmp_path / "parts", description="built by somebody else"), other.place)
    shutil.copy(out.signature, other.signature)
    code, err = trust(other, "--key", keys["p256"].public)
    assert (code, f"is of another bundle {STEM}" in err) == (7, True), err
    code, err = trust(other, "--key", keys["p256"].public, what=other.tarball)
    assert (code, "is not of the tarball" in err) == (7, True), err


@pytest.mark.parametrize(
    ("half", "kind", "said"), [("private", "p256", "private key"), ("public", "rsa", "neither an Ed25519")]
)
def test_keys_that_check_nothing(half: str, kind: str, said: str, out: Out, keys: dict[str, Pair]) -> None:
    code, err = trust(out, "--key", getattr(keys[kind], half))
    assert (code, said in err) == (2, True), err


def test_an_openssl_without_raw_input_says_what_to_do(out: Out, keys: dict[str, Pair], tmp_path: Path) -> None:
    """A stand-in for OpenSSL 1.1.1, whose pkeyutl has no -rawin: P-256 works there, Ed25519 does not."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "openssl"
    script.write_text(
        "#!/bin/sh\ncase $1 in\n"
        "  version) echo 'OpenSSL 1.1.1 (a stand-in)' ;;\n"
        "  pkeyutl) echo 'Usage: pkeyutl [options]' >&2; exit 1 ;;\n"
        f'  *) exec {shutil.which("openssl")} "$@" ;;\nesac\n'
    )
    script.chmod(0o755)
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    assert trust(out, "--key", keys["p256"].public, environment=environment)[0] == 0
    code, err = trust(out, "--key", keys["ed25519"].public, environment=environment)
    assert (code, "cannot verify Ed25519" in err) == (6, True), err


def test_without_a_key_nothing_is_asked_unless_it_is_required(out: Out) -> None:
    out.signature.unlink()
    assert trust(out)[0] == 0
    assert trust(out, "--required")[0] == 2


@pytest.mark.parametrize(
    "options",
    [[], ["nonsense"], ["signature"], ["signature", "--key"], ["signature", "a", "b"], ["compare", "1.0.0"],
     ["signature", "--what", "x"], ["signature", "/no/such"]],
)  # fmt: skip
def test_trust_usage(options: list[str], out: Out) -> None:
    assert call(out.folder / "trust.sh", *options)[0] == 2


def test_the_openssl_commands_of_the_manual(out: Out, keys: dict[str, Pair], tmp_path: Path) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "trust.md").read_text(encoding="utf-8")
    block = next(found for found in re.findall(r"```sh\n(.*?)```", manual, re.DOTALL) if "pkeyutl" in found)
    for kind, command in (("p256", "openssl dgst"), ("ed25519", "openssl pkeyutl")):
        out.signature.unlink(missing_ok=True)
        sign_bundle(out.folder, private(keys[kind]))
        shutil.copy(out.signature, tmp_path / "camera-1.0.0-jetson-nano.intoto.jsonl")
        shutil.copy(keys[kind].public, tmp_path / "release.pub.pem")
        lines = [line for line in block.splitlines() if "-verify" not in line or line.startswith(command)]
        assert len(lines) == 4
        code, said, err = call("sh", "-e", "-c", "\n".join(lines), cwd=tmp_path)
        assert (code, "erified" in said + err) == (0, True), err


# versions


VERSIONS = ("0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc",
            "1.0.0-rc.1", "1.0.0-rc.1.0", "1.0.0-rc-1", "1.0.0-rc1", "1.0.0-rc10", "1.0.0", "1.0.0+7", "1.10.0", "1.9.0",
            "2.0.0--", "18446744073709551617.0.0")  # fmt: skip


def test_versions_compare_as_edgec_compares_them(out: Out) -> None:
    for shell in SHELLS.values():
        if not shutil.which(shell[0]):
            continue
        pairs = [*itertools.pairwise(VERSIONS), *itertools.pairwise(VERSIONS[::-1]), *itertools.pairwise(VERSIONS[::3])]
        script = "".join(f'{" ".join(shell)} "{out.folder}/trust.sh" compare {one} {two}\n' for one, two in pairs)
        _, said, err = call("sh", "-c", script)
        signs = [(precedence(one) > precedence(two)) - (precedence(one) < precedence(two)) for one, two in pairs]
        assert said.split() == [{-1: "older", 0: "same", 1: "newer"}[sign] for sign in signs], err


# policies


def test_keys_may_come_from_a_policy(out: Out, keys: dict[str, Pair], shell: tuple[str, ...]) -> None:
    policy = out.place / "edgec.toml"
    for names, more, code in (
        ((), "needed = 2", 0),
        (("p256", "other"), "", 0),
        (("p256", "other"), "needed = 2", 7),
        (("other",), "", 7),
        (("p256", "p256"), "needed = 2", 3),
    ):
        policy.write_text(policy_text(out, keys, *names, more=more))
        assert trust(out, "--policy", policy, shell=shell)[0] == code, (names, more)


GOOD = (
    '[[allow]]\nentry = "net:build"\nsha256 = "DIGEST"\n\n[versions]\ndowngrade = "refuse"',
    '  [evidence] # of budgets\n\tlatency="device"   # here\r\nsize = "artifact"\n',
    '[signatures]\nkeys = [ "keys/p256.pub.pem" , "keys/ed25519.pub.pem", ]\nneeded = 2 # both',
    "",
)
BAD = (
    "[signature]\nneeded = 1", "[signatures]\nkey = 'x'", '[signatures]\nkeys = "keys/p256.pub.pem"', "[signatures]\nkeys = []",
    "[signatures]", "[signatures]\nneeded = 1", '[signatures]\n[versions]\ndowngrade = "refuse"',
    '[signatures]\nkeys = ["keys/p256.pub.pem"]\nneeded = 2', '[signatures]\nkeys = ["keys/p256.pub.pem"]\nneeded = 0',
    '[signatures]\nkeys = ["keys/none.pub.pem"]', '[evidence]\nlatencies = "device"', '[evidence]\nlatency = "devices"',
    '[versions]\ndowngrade = false', '[versions]\ndowngrade = "never"', 'downgrade = "refuse"', '[versions]\ndowngrade = "all',
    '[versions]\ndowngrade = "allow"\ndowngrade = "refuse"', '[versions]\n[versions]', '[versions]\nnonsense', 'keys = ["x"]',
    '[[signatures]]\nneeded = 1', '[allow]\nentry = "x"',
)  # fmt: skip


def test_device_and_edgec_agree_on_what_a_policy_is(out: Out, keys: dict[str, Pair], shell: tuple[str, ...]) -> None:
    policy_text(out, keys)
    policy = out.place / "edgec.toml"
    for written, valid in [(each, True) for each in GOOD] + [(each, False) for each in BAD]:
        policy.write_text(written.replace("DIGEST", "a" * 64), newline="")
        code = trust(out, "--policy", policy, shell=shell)[0]
        if code != 3:  # it may be the other half of the policy that is wrong
            code = call(*shell, out.folder / "trust.sh", "evidence", "--policy", policy, out.folder)[0]
        try:
            read = read_policy(policy)
            mine = not read.keys or bool(trusted(read))
        except Failure as failure:
            assert [found.code for found in failure.diagnostics] == ["policy-invalid"]
            mine = False
        assert (mine, code == 3) == (valid, not valid), written


@pytest.mark.parametrize(("lies_there", "code", "said"), [("link", 8, "cannot read the policy"), ("folder", 3, "is a folder")])
def test_a_policy_that_is_no_file_is_not_taken_for_none(
    lies_there: str, code: int, said: str, out: Out, shell: tuple[str, ...], tmp_path: Path
) -> None:
    default = tmp_path / "etc" / "edgec.toml"
    default.parent.mkdir()
    default.symlink_to("nowhere.toml") if lies_there == "link" else default.mkdir()
    script = tmp_path / "trust.sh"  # it judges any bundle, from wherever it lies
    script.write_text((out.folder / "trust.sh").read_text().replace("=/etc/edgec/edgec.toml\n", f"={default}\n"))
    for action in ("signature", "evidence"):
        ended, _, err = call(*shell, script, action, out.folder)
        assert (ended, said in err, str(default) in err) == (code, True, True), err


def test_a_default_policy_in_a_folder_that_may_not_be_entered(out: Out, shell: tuple[str, ...]) -> None:
    """Whether there is one cannot be seen, and so it is not taken for none."""
    with tempfile.TemporaryDirectory() as name:  # below pytest's own folders no other user may enter any
        place = Path(name)
        place.chmod(0o755)
        bundle, etc = place / "bundle", place / "etc"
        shutil.copytree(out.folder, bundle)
        script, default = place / "trust.sh", etc / "edgec.toml"
        script.write_text((out.folder / "trust.sh").read_text().replace("=/etc/edgec/edgec.toml\n", f"={default}\n"))
        script.chmod(0o755)
        etc.mkdir(0o700)
        another = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if os.geteuid() != 0:
            another = []
            etc.chmod(0)
        elif not shutil.which("setpriv"):
            pytest.skip("setpriv is not installed")
        ended, _, err = call(*another, *shell, script, "signature", bundle)
        assert (ended, str(default) in err) == (8, True), err
        etc.chmod(0o755)
        assert call(*another, *shell, script, "signature", bundle)[0] == 0


@pytest.mark.parametrize(
    ("asked", "verification", "code"),
    [
        ('accuracy = "host"\nsize = "artifact"', None, 0),
        ('latency = "host"', None, 0),  # by the measurements beside the tarball
        ('latency = "device"', None, 7),
        ('latency = "device"', ("met", "device"), 0),
        ('latency = "device"', ("inconclusive", "device"), 7),
        ('latency = "device"', ("met", "emulated"), 7),
        ('accuracy = "device"', None, 7),
        ('memory = "device"', None, 0),  # no such budget
    ],
)
def test_the_least_evidence(
    asked: str, verification: tuple[str, str] | None, code: int, out: Out, shell: tuple[str, ...], tmp_path: Path
) -> None:
    (out.place / "edgec.toml").write_text(f"[evidence]\n{asked}\n")
    script, policy = out.folder / "trust.sh", out.place / "edgec.toml"
    given: list[object] = []
    if verification:
        status, evidence = verification
        verdict = {"budget": "latency.p90", "status": status, "value": 0.01, "limit": 0.1, "unit": "s", "evidence": evidence}
        record = {"schema": "edgec/verification/v1", "bundle_sha256": bundles.check(out.folder), "verdicts": [verdict]}
        for form in ({}, {"indent": 2, "sort_keys": True}):  # as the runner writes it, and as `edgec verify --out` does
            (tmp_path / "v.json").write_text(json.dumps(record, **form) + "\n")  # type: ignore[arg-type]
            given = ["--verification", tmp_path / "v.json"]
            assert call(*shell, script, "evidence", "--policy", policy, *given, out.folder)[0] == code
    ended, _, err = call(*shell, script, "evidence", "--policy", policy, *given, out.folder)
    assert (ended, "the policy asks for evidence" in err) == (code, code == 7), err


FULL = "ulimit -f {}; trap '' XFSZ; exec \"$@\""
"""A disk that takes no more, for a program's files: what is written to one fails beyond so many 512 bytes."""


@pytest.mark.parametrize("blocks", [0, 1])
@pytest.mark.parametrize("tools", ["its own", "busybox"])
def test_a_full_disk_lets_nothing_pass(
    tools: str, blocks: int, out: Out, policy: Path, shell: tuple[str, ...], tmp_path: Path
) -> None:
    """BusyBox's awk ends with 0 where what it printed was not written: the policy seemed to ask for nothing."""
    environment = dict(os.environ)
    if tools == "busybox":
        if not shutil.which("busybox"):
            pytest.skip("busybox is not installed")
        (tmp_path / "bin").mkdir()
        for name in ("awk", "sed", "grep", "sort", "cat", "printf", "sha256sum"):
            (tmp_path / "bin" / name).symlink_to(str(shutil.which("busybox")))
        environment["PATH"] = f"{tmp_path}/bin:{os.environ['PATH']}"
    full, script = ("sh", "-c", FULL.format(blocks), "sh"), (*shell, out.folder / "trust.sh")
    code, _, err = call(*full, *script, "signature", "--policy", policy, out.folder, environment=environment)
    assert (code, "cannot write a temporary file" in err) == (8, True), err
    policy.write_text('[evidence]\nlatency = "device"\n')
    for name, said in ((policy, "asks for evidence device of latency"), (out.place / "none.toml", "cannot read the policy")):
        given = ("evidence", "--policy", name, out.folder)
        code, _, err = call(*full, *script, *given, environment=environment)
        assert (code, said in err) == (7 if name == policy else 8, True), err
    unsaid = ("sh", "-c", f'"$@" 2> {tmp_path}/said', "sh")
    assert call(*full, *unsaid, *script, *given, environment=environment)[0] == 8


def test_evidence_is_asked_whatever_tool_is_missing(out: Out, shell: tuple[str, ...], tmp_path: Path) -> None:
    """Without tr or head the budgets could not be read, and so none was found wanting."""
    (out.place / "edgec.toml").write_text('[evidence]\nlatency = "device"\n')
    every = ["awk", "sed", "grep", "sha256sum", "mktemp", "fold", "sort", "uniq", "cut", "tr", "wc", "tail", "head", "cat"]
    for missing in every:
        tools = tmp_path / f"without {missing}"
        tools.mkdir()
        for name in {*every, "readlink", "rm", "dirname"} - {missing}:
            (tools / name).symlink_to(str(shutil.which(name)))
        command = (shutil.which(shell[0]), *shell[1:], out.folder / "trust.sh", "evidence", "--policy")
        code, _, err = call(*command, out.place / "edgec.toml", out.folder, environment={"PATH": str(tools)})
        said = "asks for evidence device of latency" if code == 7 else f"needs {missing}"
        assert code in (6, 7) and said in err, (missing, err)


@pytest.mark.parametrize("form", [{"indent": 1}, {"separators": (",", ":")}])
def test_budgets_that_are_not_as_edgec_writes_them_are_refused(
    form: dict[str, Any], out: Out, shell: tuple[str, ...]
) -> None:
    (out.place / "edgec.toml").write_text('[evidence]\nlatency = "host"\n')
    facts = json.loads((out.folder / "bundle.json").read_bytes())
    (out.folder / "bundle.json").write_text(json.dumps(facts, **form) + "\n")
    names = [line[66:] for line in (out.folder / "SHA256SUMS").read_text().splitlines()]
    (out.folder / "SHA256SUMS").write_bytes(bundles.sums({path: sha256_of(out.folder / path) for path in names}))
    given = ("evidence", "--policy", out.place / "edgec.toml", out.folder)
    code, _, err = call(*shell, out.folder / "trust.sh", *given)
    assert (code, "the budgets in" in err) == (7, True), err
    facts["budgets"] = []
    (out.folder / "bundle.json").write_bytes(json_bytes(facts))
    (out.folder / "SHA256SUMS").write_bytes(bundles.sums({path: sha256_of(out.folder / path) for path in names}))
    out.measurements.unlink()
    assert call(*shell, out.folder / "trust.sh", *given)[0] == 0, "there is no budget"


@pytest.mark.parametrize("name", ["a{b", "a}b", 'a"b', "a]b", "a\\{", '{"sense": "', "], [", "é{ß"])
@pytest.mark.parametrize(("asked", "code"), [("host", 0), ("device", 7)])
def test_no_name_of_a_class_hides_its_budget(
    name: str, asked: str, code: int, keys: dict[str, Pair], shell: tuple[str, ...], tmp_path: Path
) -> None:
    budget = f"accuracy.top1.min[class {name}]"
    written = write(bundle(tmp_path / "parts"), tmp_path / "out")
    facts = json.loads((written.folder / "bundle.json").read_bytes())
    of_accuracy, *others = facts["budgets"]
    facts["budgets"] = [{**of_accuracy, "name": budget}, *others]
    facts["verdicts"][0]["budget"] = budget
    (written.folder / "bundle.json").write_bytes(json_bytes(facts))
    names = [line[66:] for line in (written.folder / "SHA256SUMS").read_text().splitlines()]
    (written.folder / "SHA256SUMS").write_bytes(bundles.sums({path: sha256_of(written.folder / path) for path in names}))
    (tmp_path / "edgec.toml").write_text(f'[evidence]\naccuracy = "{asked}"\n')
    given = ("evidence", "--policy", tmp_path / "edgec.toml", "--measurements", tmp_path / "none")
    ended, _, err = call(*shell, written.folder / "trust.sh", *given, written.folder)
    assert (ended, "asks for evidence device of accuracy" in err) == (code, code == 7), err
    record = {"schema": "edgec/verification/v1", "bundle_sha256": bundles.check(written.folder)}
    verdict = {"budget": budget, "status": "met", "value": 1.0, "limit": 0.1, "unit": "1", "evidence": "device"}
    (tmp_path / "v.json").write_text(json.dumps(record | {"verdicts": [verdict]}, ensure_ascii=False) + "\n")
    more = ("--verification", tmp_path / "v.json")
    assert call(*shell, written.folder / "trust.sh", *given, *more, written.folder)[0] == 0


def test_evidence_of_another_bundle_is_no_evidence(out: Out, newer: Out) -> None:
    (out.place / "edgec.toml").write_text('[evidence]\nlatency = "host"\n')
    given = ("--policy", out.place / "edgec.toml", "--measurements", newer.measurements)
    code, _, err = call(out.folder / "trust.sh", "evidence", *given, out.folder)
    assert (code, "was measured on another bundle" in err) == (7, True)
