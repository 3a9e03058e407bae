"""install.sh where something fails: what was active stays so, a release that may not run never is, and messages say why."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from keys import Pair
from shells import call
from signed_out import STEM, Out, policy_text

NEEDED = ("awk", "cat", "chmod", "cp", "cut", "dirname", "env", "find", "fold", "grep", "id", "ln", "mkdir", "mktemp", "mv",
          "readlink", "rm", "rmdir", "sed", "sh", "sha256sum", "sort", "sync", "tail", "tr", "uname", "uniq", "wc")  # fmt: skip


def install(script: Path, prefix: Path, *options: object, **environment: str) -> tuple[int, str]:
    code, _, err = call(script, "--prefix", prefix, "--no-service", *options, environment=environment)
    return code, err


def state(prefix: Path) -> dict[str, str]:
    """Return what is active below a prefix: the links, and the highest version."""
    base = prefix / "camera"
    links = {name: str((base / name).readlink()) for name in ("current", "previous") if (base / name).is_symlink()}
    return links | ({"newest": (base / "newest").read_text()} if (base / "newest").exists() else {})


def stub(folder: Path, name: str, text: str) -> str:
    """Write a stand-in for a tool into a folder, and return the PATH that has it first."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


# a release that may not run


def test_a_release_that_may_not_run_is_not_activated(out: Out, newer: Out, tmp_path: Path) -> None:
    """The stand-in for chmod is one for a file system that is mounted noexec."""
    path = stub(tmp_path / "bin", "chmod", f'[ -d "$2" ] || set -- 644 "$2"\nexec {shutil.which("chmod")} "$@"')
    code, err = install(out.folder / "install.sh", tmp_path / "p", PATH=path)
    assert (code, "may run in" in err, "--prefix" in err, (tmp_path / "p").exists()) == (8, True, True, False), err
    assert install(out.folder / "install.sh", tmp_path / "p")[0] == 0
    before = state(tmp_path / "p")
    assert install(newer.folder / "install.sh", tmp_path / "p", PATH=path)[0] == 8
    assert state(tmp_path / "p") == before


@pytest.mark.parametrize("name", ["run.sh", "bin/edgec-run", "verify.sh"])
def test_lost_execute_bits_are_mended_by_installing_again(name: str, out: Out, tmp_path: Path) -> None:
    assert install(out.folder / "install.sh", tmp_path / "p")[0] == 0
    current = tmp_path / "p" / "camera" / "current"
    (current / name).chmod(0o644)
    assert install(out.folder / "install.sh", tmp_path / "p")[0] == 0
    assert os.access(current / name, os.X_OK) and call(current / "run.sh", "x")[0] == 0


def test_a_script_that_lost_its_execute_bit_on_the_way_has_it_where_it_is_installed(out: Out, tmp_path: Path) -> None:
    (out.folder / "run.sh").chmod(0o644)
    assert install(out.folder / "install.sh", tmp_path / "p")[0] == 0
    assert call(tmp_path / "p" / "camera" / "current" / "run.sh", "x")[0] == 0


@pytest.mark.parametrize("what", ["file", "link", "folder of python"])
def test_a_release_with_what_is_not_listed_is_replaced(what: str, out: Out, tmp_path: Path) -> None:
    assert install(out.folder / "install.sh", tmp_path / "p")[0] == 0
    current = tmp_path / "p" / "camera" / "current"
    place = current / "video" / "__pycache__" / "x.pyc" if what == "folder of python" else current / "video" / "x y.py"
    place.parent.mkdir(exist_ok=True)
    place.symlink_to("/etc/passwd") if what == "link" else place.touch()
    assert call(current / "verify.sh")[0] == 7
    assert install(out.folder / "install.sh", tmp_path / "p")[0] == 0
    assert call(current / "verify.sh")[0] == 0
    (current / "tests" / "__pycache__").mkdir()
    (current / "tests" / "__pycache__" / "x.pyc").touch()
    assert install(out.folder / "install.sh", tmp_path / "p")[0] == 0
    assert (current / "tests" / "__pycache__" / "x.pyc").exists(), "what its own tests leave is no damage"


# failures on the way


@pytest.fixture(scope="module")
def both(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with 1.1.0, and 1.0.0 before it; to be copied."""
    prefix = tmp_path_factory.mktemp("both") / "p"
    for stem in (STEM, STEM.replace("1.0.0", "1.1.0")):
        assert install(Out(releases, stem).folder / "install.sh", prefix)[0] == 0
    return prefix


FAULTS = [
    ("--allow-downgrade", "mv", "camera/current"), ("--allow-downgrade", "mv", "camera/previous"),
    ("--allow-downgrade", "mv", "camera/newest"), ("--allow-downgrade", "mv", "verify.json"),
    ("--allow-downgrade", "ln", "current"), ("--allow-downgrade", "cp", "verify.json"),
    ("--rollback", "mv", "camera/current"), ("--rollback", "ln", "current"), ("--rollback", "mkdir", ".next/was"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=" ".join)
def test_a_failure_leaves_what_was_there(fault: tuple[str, str, str], out: Out, both: Path, tmp_path: Path) -> None:
    """A stand-in fails once, where a full disk would: what is put back by a rename needs no room."""
    option, tool, end = fault
    prefix, failed = tmp_path / "p", tmp_path / "failed"
    shutil.copytree(both, prefix, symlinks=True)
    (prefix / "camera" / "newest").write_text("1.0.0\n")  # so that it would change
    before = state(prefix)
    assert [Path(before[name]).name[:6] for name in ("current", "previous")] == ["1.1.0-", "1.0.0-"]
    path = stub(
        tmp_path / "bin", tool,
        f'for last do :; done\ncase $last in */{end} | *-*.{end}) [ -e "{failed}" ] || {{ : > "{failed}"; exit 1; }} ;; esac\n'
        f'exec {shutil.which(tool)} "$@"',
    )  # fmt: skip
    code, err = install(out.folder / "install.sh", prefix, option, PATH=path)
    assert (code, failed.exists(), state(prefix)) == (8, True, before), err
    assert not [path.name for path in (prefix / "camera").rglob(".*")]


def test_what_is_activated_lies_on_the_disk(out: Out, newer: Out, tmp_path: Path) -> None:
    prefix, log = tmp_path / "p", tmp_path / "log"
    assert install(out.folder / "install.sh", prefix)[0] == 0
    base = prefix / "camera"
    told = f"cd {base} && {{ readlink current; cat newest; ls .next; echo; }} >> {log} 2> /dev/null"
    path = stub(tmp_path / "bin", "sync", told)
    assert install(newer.folder / "install.sh", prefix, PATH=path)[0] == 0
    first, *rest, last = log.read_text().split("\n\n")[:-1]
    assert "releases/1.0.0-" in first and ".verify.json" not in first, "the copy"
    assert "releases/1.0.0-" in rest[0] and {"newest", "current", "previous"} <= set(rest[0].split())
    assert ".verify.json" in rest[0]
    assert "releases/1.0.0-" in rest[1] and ".verify.json" not in rest[1]
    assert last.split()[:2] == [state(prefix)["current"], "1.1.0"]


# the service


@pytest.fixture
def device(out: Out, tmp_path: Path) -> Path:
    """A folder with an install.sh that knows other places than this machine's own, and stand-ins for id and systemctl."""
    place = tmp_path / "device"
    (place / "units").mkdir(parents=True)
    text = (out.folder / "install.sh").read_text()
    hidden = "/home /root /run/user /tmp /var/tmp"
    for old, new in (("units=/etc/systemd/system", f"units={place}/units"), (hidden, "/nowhere")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (place / "install.sh").write_text(text)
    (place / "install.sh").chmod(0o755)
    shutil.copy(out.folder / "trust.sh", place)
    stub(place / "bin", "id", "echo 0")
    stub(place / "bin", "systemctl", f'echo "$1" >> {place}/log\n[ ! -e {place}/fails ] || [ "$1" != restart ]')
    return place


def served(device: Path, what: Out, *options: object) -> tuple[int, str, list[str]]:
    (device / "log").write_text("")
    given = ("--prefix", device / "p", "--service", *(options or ("--from", what.folder)))
    code, _, err = call(device / "install.sh", *given, environment={"PATH": f"{device}/bin:{os.environ['PATH']}"})
    return code, err, (device / "log").read_text().split()


def test_a_service_is_set_up_and_says_how_it_starts(device: Path, out: Out) -> None:
    code, err, log = served(device, out)
    assert (code, log) == (0, ["daemon-reload", "enable", "restart"]), err
    unit = (device / "units" / "edgec-camera.service").read_text()
    assert f"ExecStart={device}/p/camera/current/run.sh" in unit
    assert "/etc/edgec/camera.env (see README.md), then systemctl restart edgec-camera" in err


def test_a_service_that_does_not_start_leaves_what_was_there(device: Path, out: Out, newer: Out) -> None:
    (device / "fails").touch()
    code, err, log = served(device, out)
    assert (code, "could not start edgec-camera.service" in err, state(device / "p")) == (8, True, {}), err
    assert "disable" in log and not list((device / "units").iterdir())
    (device / "fails").unlink()
    assert served(device, out)[0] == 0
    unit = device / "units" / "edgec-camera.service"
    unit.write_text("# of somebody's own\n")
    before = state(device / "p")
    (device / "fails").touch()
    code, err, log = served(device, newer)
    assert (code, state(device / "p"), unit.read_text()) == (8, before, "# of somebody's own\n"), err
    assert log == ["daemon-reload", "enable", "restart", "daemon-reload", "restart"], "the release before runs again"
    (device / "fails").unlink()
    assert served(device, newer)[0] == 0
    between = state(device / "p")
    (device / "fails").touch()
    assert (served(device, newer, "--rollback")[0], state(device / "p")) == (8, between)


def test_a_unit_that_cannot_be_written_is_seen_before_anything_is_active(device: Path, out: Out, newer: Out) -> None:
    """A folder stands in for a read-only /etc, which stops root too; the same unit needs no writing."""
    assert served(device, out)[0] == 0
    before = state(device / "p")
    (device / "units" / ".edgec-camera.service").mkdir()
    assert served(device, out)[0] == 0
    (device / "units" / "edgec-camera.service").write_text("# another\n")
    code, err, log = served(device, newer)
    assert (code, "could not write" in err, log, state(device / "p")) == (8, True, [], before), err


# options, permissions and papers


@pytest.mark.parametrize("given", [["--from", "x"], ["--allow-downgrade"], ["--sustained"]])
def test_rollback_refuses_what_it_does_not_heed(given: list[str], out: Out, tmp_path: Path) -> None:
    for options in ([*given, "--rollback"], ["--rollback", *given]):
        code, err = install(out.folder / "install.sh", tmp_path / "p", *options)
        assert (code, "--rollback takes no" in err) == (2, True), err


def test_rollback_heeds_where_signature_and_measurements_lie(out: Out, newer: Out, policy: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "p"
    for one in (out, newer):
        assert install(one.folder / "install.sh", prefix, "--policy", policy)[0] == 0
    for kept in (prefix / "camera").glob("*.intoto.jsonl"):
        kept.unlink()
    given = (newer.folder / "install.sh", prefix, "--rollback", "--policy", policy)
    assert install(*given)[0] == 7
    out.measurements.write_bytes(out.measurements.read_bytes() + b" ")
    code, err = install(*given, "--signature", out.signature, "--measurements", out.measurements)
    assert (code, "is of another measurements file" in err) == (7, True), err
    code, err = install(*given, "--signature", out.signature)
    assert (code, "1.0.0-" in state(prefix)["current"]) == (0, True), err


def test_a_release_that_lies_below_the_prefix_has_its_signature_there(
    out: Out, keys: dict[str, Pair], tmp_path: Path
) -> None:
    prefix, policy = tmp_path / "p", tmp_path / "edgec.toml"
    policy_text(out, keys)
    shutil.copytree(out.place / "keys", tmp_path / "keys")
    policy.write_text(policy_text(out, keys))
    assert install(out.folder / "install.sh", prefix, "--policy", policy)[0] == 0
    shutil.rmtree(out.place)
    code, err = install(prefix / "camera" / "current" / "install.sh", prefix, "--policy", policy)
    assert (code, "signed by" in err) == (0, True), err


def test_a_folder_that_may_not_be_read_is_an_environment_error(out: Out) -> None:
    with tempfile.TemporaryDirectory() as name:  # below pytest's own folders no other user may enter any
        place = Path(name)
        place.chmod(0o755)
        shutil.copytree(out.folder, place / "bundle")
        assert install(place / "bundle" / "install.sh", place / "p")[0] == 0
        another = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if os.geteuid() != 0:
            another = []
        elif not shutil.which("setpriv"):
            pytest.skip("setpriv is not installed")
        (place / "p" / "camera").chmod(0o711 if another else 0o311)
        given = ("--prefix", place / "p", "--no-service")
        code, _, err = call(*another, place / "bundle" / "install.sh", *given)
        assert (code, "cannot read" in err) == (8, True), err
        (place / "p" / "camera").chmod(0o755)


def test_without_flock_a_prefix_that_is_not_writable_is_told_from_another_install(out: Out, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    stub(tools, "mkdir", f'case $1 in */.lock) exit 1 ;; esac\nexec {shutil.which("mkdir")} "$@"')
    for name in NEEDED:
        (tools / name).exists() or (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "python3").symlink_to(sys.executable)
    code, err = install(out.folder / "install.sh", tmp_path / "p", PATH=str(tools))
    assert (code, "cannot write below" in err, "another install" in err) == (8, True, False), err
    (tmp_path / "p" / "camera" / ".lock").mkdir(parents=True)
    code, err = install(out.folder / "install.sh", tmp_path / "p", PATH=str(tools))
    assert (code, "another install is running" in err) == (8, True), err
