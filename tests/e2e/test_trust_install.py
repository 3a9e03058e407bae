"""install.sh on signed bundles: what a policy lets in, which script checks which bundle, and versions that only go up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgec.store import bundles
from edgec.store.files import sha256_of
from keys import Pair
from shells import call
from signed_out import Out, flip, policy_text


def install(script: Path, prefix: Path, *options: object, shell: tuple[str, ...] = (), **environment: str) -> tuple[int, str]:
    code, _, err = call(*shell, script, "--prefix", prefix, "--no-service", *options, environment=environment)
    return code, err


def current(prefix: Path) -> str:
    return (prefix / "camera" / "current").readlink().name


def test_only_what_is_signed_is_installed(out: Out, policy: Path, tmp_path: Path, shell: tuple[str, ...]) -> None:
    prefix = tmp_path / "p"
    kept = out.signature.read_bytes()
    out.signature.unlink()
    code, err = install(out.folder / "install.sh", prefix, "--policy", policy, shell=shell)
    assert (code, "its signature was stripped" in err, prefix.exists()) == (7, True, False), err
    out.signature.write_bytes(kept)
    code, err = install(out.folder / "install.sh", prefix, "--policy", policy, shell=shell)
    assert code == 0, err
    assert (prefix / "camera" / f"{current(prefix)}.intoto.jsonl").read_bytes() == kept


def test_nothing_of_a_bundle_runs_before_its_signature_is_good(out: Out, policy: Path, tmp_path: Path) -> None:
    flip(out, 0)
    code, err = install(out.folder / "install.sh", tmp_path / "p", "--policy", policy, STAND_IN_CODE="5")
    assert (code, "verify.sh" in err) == (7, False), err


def test_the_running_release_checks_the_next_one(
    out: Out, newer: Out, policy: Path, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    prefix = tmp_path / "p"
    assert install(out.folder / "install.sh", prefix, "--policy", policy)[0] == 0
    script = prefix / "camera" / "current" / "install.sh"
    evil = newer.tarball.read_bytes()
    newer.tarball.write_bytes(evil[:-1] + b"x")
    code, err = install(script, prefix, "--policy", policy, "--from", newer.tarball, shell=shell)
    assert (code, "is not of the tarball" in err) == (7, True), err
    newer.tarball.write_bytes(evil)
    code, err = install(script, prefix, "--policy", policy, "--from", newer.tarball, shell=shell)
    assert (code, current(prefix)[:6]) == (0, "1.1.0-"), err
    assert sorted(path.name for path in (prefix / "camera").iterdir() if path.name.startswith(".")) == []


def test_a_folder_from_elsewhere_is_checked_by_this_script_not_by_its_own(
    out: Out, newer: Out, policy: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "p"
    assert install(out.folder / "install.sh", prefix, "--policy", policy)[0] == 0
    for name in ("install.sh", "trust.sh", "verify.sh"):
        (newer.folder / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    names = [line[66:] for line in (newer.folder / "SHA256SUMS").read_text().splitlines()]
    (newer.folder / "SHA256SUMS").write_bytes(bundles.sums({name: sha256_of(newer.folder / name) for name in names}))
    script = prefix / "camera" / "current" / "install.sh"
    code, err = install(script, prefix, "--policy", policy, "--from", newer.folder)
    assert (code, "is of another" in err, (tmp_path / "ran").exists()) == (7, True, False), err
    assert current(prefix)[:6] == "1.0.0-"


def test_a_bundle_of_another_name_is_not_installed_over_this_one(out: Out, policy: Path, tmp_path: Path) -> None:
    door = Out(out.place, "door-1.0.0-linux-x86_64")
    for what in (door.folder, door.tarball):
        code, err = install(out.folder / "install.sh", tmp_path / "p", "--policy", policy, "--from", what)
        assert (code, "is a bundle of door, not of camera" in err) == (7, True), err
    assert not (tmp_path / "p").exists()


def test_a_tarball_is_unpacked_only_where_a_key_vouches_for_it(out: Out, tmp_path: Path) -> None:
    code, err = install(out.folder / "install.sh", tmp_path / "p", "--from", out.tarball)
    assert (code, "no key is named" in err) == (2, True), err


def test_versions_only_go_up(out: Out, newer: Out, tmp_path: Path, shell: tuple[str, ...]) -> None:
    prefix = tmp_path / "p"
    assert install(newer.folder / "install.sh", prefix, shell=shell)[0] == 0
    code, err = install(out.folder / "install.sh", prefix, shell=shell)
    assert (code, "1.0.0 is older than 1.1.0" in err) == (7, True), err
    assert current(prefix)[:6] == "1.1.0-"
    assert install(out.folder / "install.sh", prefix, "--allow-downgrade", shell=shell)[0] == 0
    assert current(prefix)[:6] == "1.0.0-"
    assert (prefix / "camera" / "newest").read_text() == "1.1.0\n"
    assert install(out.folder / "install.sh", prefix, shell=shell)[0] == 7, "1.1.0 was active here"
    assert install(out.folder / "install.sh", prefix, "--rollback", shell=shell)[0] == 0
    assert install(newer.folder / "install.sh", prefix, shell=shell)[0] == 0, "the same version again"


def test_a_prefix_that_knows_no_newest_version_has_its_releases(out: Out, newer: Out, tmp_path: Path) -> None:
    """As installed by a release that kept no such file, or killed before it wrote it."""
    prefix = tmp_path / "p"
    assert install(newer.folder / "install.sh", prefix)[0] == 0
    (prefix / "camera" / "newest").unlink()
    assert install(out.folder / "install.sh", prefix)[0] == 7
    assert install(out.folder / "install.sh", prefix, "--allow-downgrade")[0] == 0
    assert (prefix / "camera" / "newest").read_text() == "1.1.0\n"


def test_going_back_needs_the_signature_too(out: Out, newer: Out, policy: Path, keys: dict[str, Pair], tmp_path: Path) -> None:
    prefix = tmp_path / "p"
    for one in (out, newer):
        assert install(one.folder / "install.sh", prefix, "--policy", policy)[0] == 0
    policy.write_text(policy_text(out, keys, "other"))
    code, err = install(newer.folder / "install.sh", prefix, "--rollback", "--policy", policy)
    assert (code, "0 of 1 signatures" in err) == (7, True), err
    policy.write_text(policy_text(out, keys))
    assert install(newer.folder / "install.sh", prefix, "--rollback", "--policy", policy)[0] == 0
    assert current(prefix)[:6] == "1.0.0-"


def test_what_lacks_evidence_is_not_activated(out: Out, tmp_path: Path) -> None:
    """The stand-in for the runner judges no latency, so only the measurements beside the tarball tell of it."""
    policy = out.place / "edgec.toml"
    policy.write_text('[evidence]\nlatency = "device"\n')
    code, err = install(out.folder / "install.sh", tmp_path / "p", "--policy", policy)
    assert (code, "asks for evidence device of latency" in err, (tmp_path / "p").exists()) == (7, True, False), err
    policy.write_text('[evidence]\nlatency = "host"\n')
    assert install(out.folder / "install.sh", tmp_path / "p", "--policy", policy)[0] == 0


@pytest.mark.parametrize("installed", [False, True])
def test_a_trust_script_that_may_not_run_is_the_folders_fault(
    installed: bool, out: Out, newer: Out, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    """As where modes were lost on the way, or the file system is mounted noexec; with a release there, versions come first."""
    if installed:
        assert install(out.folder / "install.sh", tmp_path / "p")[0] == 0
    (newer.folder / "trust.sh").chmod(0o644)
    code, err = install(newer.folder / "install.sh", tmp_path / "p", shell=shell)
    assert (code, f"trust.sh may not run in {newer.folder}" in err) == (8, True), err
    assert not installed or current(tmp_path / "p")[:6] == "1.0.0-"


def test_it_needs_no_more_than_busybox_and_openssl(out: Out, keys: dict[str, Pair], tmp_path: Path) -> None:
    if not shutil.which("busybox"):
        pytest.skip("busybox is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    subprocess.run(["busybox", "--install", "-s", str(tools)], check=True)
    (tools / "python3").unlink(missing_ok=True)
    for name, path in (("openssl", shutil.which("openssl")), ("python3", sys.executable)):
        (tools / name).symlink_to(path or "")
    (out.place / "edgec.toml").write_text(policy_text(out, keys) + '[evidence]\nsize = "artifact"\n')
    code, _, err = call(
        tools / "sh", out.folder / "install.sh", "--from", out.tarball, "--policy", out.place / "edgec.toml",
        "--prefix", tmp_path / "p", "--no-service", environment={"PATH": str(tools)},
    )  # fmt: skip
    assert code == 0, err
    assert (tmp_path / "p" / "camera" / "current").is_dir()
