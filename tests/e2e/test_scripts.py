"""The bundle's shell scripts, with a stand-in for the runner: exit codes, quoting, activation, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bundle_parts import bundle
from edgec.artifacts.needs import required_features
from edgec.artifacts.records import json_bytes
from edgec.stages.write import write
from edgec.store import bundles
from edgec.store.files import sha256_of
from shells import SHELLS, call


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made here")
    return write(bundle(place / "parts"), place / "out").folder


@pytest.fixture(scope="module")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made later")
    return write(bundle(place / "parts", version="1.1.0"), place / "out").folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "a bundle's copy"
    shutil.copytree(original, copy)
    return copy


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found = SHELLS[request.param]
    if not shutil.which(found[0]):
        pytest.skip(f"{found[0]} is not installed")
    return found


def entries(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*")} if place.exists() else set()


def test_the_scripts_are_clean(original: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    code, words, _ = call("shellcheck", *sorted(original.glob("*.sh")))
    assert code == 0, words


# run.sh


def test_arguments_reach_the_runner_as_they_are(folder: Path, tmp_path: Path, shell: tuple[str, ...]) -> None:
    given = ["a picture.png", "$(touch owned)", "--threads", "2", "'\"", "*"]
    code, out, err = call(*shell, folder / "run.sh", *given, cwd=tmp_path)
    assert (code, json.loads(out)["arguments"]) == (0, ["--run", *given]), err
    assert not (tmp_path / "owned").exists()


def test_a_dash_means_the_stream(folder: Path, shell: tuple[str, ...]) -> None:
    code, out, _ = call(*shell, folder / "run.sh", "-", "--frame", "4x4", stdin=b"12345")
    assert (code, json.loads(out)) == (0, {"arguments": ["--stream", "--frame", "4x4"], "bytes": 5})


def test_the_stream_may_come_from_a_command(folder: Path, shell: tuple[str, ...]) -> None:
    code, out, _ = call(*shell, folder / "run.sh", "-", environment={"EDGEC_SOURCE": "printf '%s' 'a b c'"})
    assert (code, json.loads(out)["bytes"]) == (0, 5)


@pytest.mark.parametrize(
    ("source", "ended", "said"),
    [("no-such-command", 6, "is not found"), ("printf abc; exit 3", 8, "ended with exit code 3"), ("printf abc", 0, "")],
)
def test_a_source_that_fails_is_no_success(
    source: str, ended: int, said: str, folder: Path, shell: tuple[str, ...], tmp_path: Path
) -> None:
    environment = {"EDGEC_SOURCE": source, "TMPDIR": str(tmp_path)}
    code, _, err = call(*shell, folder / "run.sh", "-", environment=environment)
    assert (code, said in err) == (ended, True), err
    assert not [name for name in entries(tmp_path) if name.startswith("tmp.")]


@pytest.mark.parametrize(("source", "ended"), [("exit 3", 8), ("printf abc", 0), ("no-such-command", 6)])
def test_how_a_source_ended_is_known_on_a_full_disk(
    source: str, ended: int, folder: Path, shell: tuple[str, ...]
) -> None:
    """Nothing may be written to a file: what it ended with was lost, and took its failure along."""
    full = ("sh", "-c", "ulimit -f 0; trap '' XFSZ; exec \"$@\"", "sh")
    code, _, err = call(*full, *shell, folder / "run.sh", "-", environment={"EDGEC_SOURCE": source})
    assert code == ended, err


def test_a_stream_that_nothing_writes_is_told(folder: Path, shell: tuple[str, ...]) -> None:
    """As of a service whose .env file names neither a source nor options: it started again and again without a word."""
    script = '"$@" < /dev/null'
    code, out, err = call("sh", "-c", script, "sh", *shell, folder / "run.sh", "-")
    assert (code, out, "EDGEC_SOURCE" in err and "/dev/null" in err) == (2, "", True), err
    assert call("sh", "-c", script, "sh", *shell, folder / "run.sh", "x")[0] == 0
    given = {"EDGEC_SOURCE": "printf abc"}
    assert call("sh", "-c", script, "sh", *shell, folder / "run.sh", "-", environment=given)[0] == 0


@pytest.mark.parametrize("source", ["", "printf abc"])
def test_a_runner_that_may_not_run_is_an_environment_error(source: str, folder: Path, shell: tuple[str, ...]) -> None:
    """As where an upload dropped its mode, or the file system is mounted noexec."""
    (folder / "bin" / "edgec-run").chmod(0o644)
    for arguments in (["-"], ["x"]):
        code, _, err = call(*shell, folder / "run.sh", *arguments, environment={"EDGEC_SOURCE": source})
        assert (code, "chmod +x" in err, "noexec" in err) == (8, True, True), err
    code, out, err = call(*shell, folder / "verify.sh")
    assert (code, out, "chmod +x" in err, "noexec" in err) == (8, "", True, True), err


def test_a_source_runs_without_standard_input(folder: Path, shell: tuple[str, ...]) -> None:
    code, out, err = call(
        *shell, "-c", '"$@" <&-', "sh", *shell, folder / "run.sh", "-", environment={"EDGEC_SOURCE": "cat; printf abc"}
    )
    assert (code, err, json.loads(out)["bytes"]) == (0, "", 3)


def test_the_runner_s_exit_code_counts_before_the_source_s(folder: Path, shell: tuple[str, ...]) -> None:
    environment = {"EDGEC_SOURCE": "exit 3", "STAND_IN_CODE": "7"}
    assert call(*shell, folder / "run.sh", "-", environment=environment)[0] == 7


def test_a_source_may_read_what_run_sh_is_given(folder: Path, shell: tuple[str, ...]) -> None:
    code, out, _ = call(*shell, folder / "run.sh", "-", environment={"EDGEC_SOURCE": "cat"}, stdin=b"12345")
    assert (code, json.loads(out)["bytes"]) == (0, 5)


def test_a_runner_that_ends_first_takes_no_blame_for_its_source(folder: Path, shell: tuple[str, ...]) -> None:
    """As where whoever read the results has gone: the source then breaks off, and not by itself."""
    (folder / "bin" / "edgec-run").write_text("#!/bin/sh\nhead -c 3 > /dev/null\n")
    for _ in range(5):
        assert call(*shell, folder / "run.sh", "-", environment={"EDGEC_SOURCE": "yes"})[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("before", "after"), [("", ""), ("", " | cat"), ('trap "" TERM; ', " | cat")])
def test_a_signal_ends_source_and_runner_too(
    before: str, after: str, number: signal.Signals, folder: Path, shell: tuple[str, ...], tmp_path: Path
) -> None:
    """Also a source that does not heed it, a little later."""
    source = f"sh -c '{before}echo $$ > \"{tmp_path}/source\"; exec sleep 300'{after}"
    environment = {**os.environ, "EDGEC_SOURCE": source, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*shell, folder / "run.sh", "-"], env=environment, stdout=subprocess.DEVNULL) as process:
        while not (tmp_path / "source").exists() or not (tmp_path / "source").read_text():
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(20) in (143, 128 + number)
    ends = time.monotonic() + 20
    while Path(f"/proc/{(tmp_path / 'source').read_text().strip()}").exists():
        assert time.monotonic() < ends, "the source lives on"
        time.sleep(0.05)
    assert not [name for name in entries(tmp_path) if name.startswith("tmp.")]


def test_code_that_python_left_in_the_bundle_is_not_run(folder: Path, shell: tuple[str, ...]) -> None:
    (folder / "video" / "__pycache__").mkdir()
    code, _, err = call(*shell, folder / "run.sh", "--source", "x.mp4")
    assert (code, "no part of the bundle" in err) == (7, True), err


def test_no_argument_is_a_usage_error(folder: Path, shell: tuple[str, ...]) -> None:
    code, out, err = call(*shell, folder / "run.sh")
    assert (code, out) == (2, "")
    assert "usage" in err


def test_the_runner_s_exit_code_is_run_sh_s(folder: Path, shell: tuple[str, ...]) -> None:
    assert call(*shell, folder / "run.sh", "x", environment={"STAND_IN_CODE": "8"})[0] == 8


def test_a_link_to_run_sh_finds_its_bundle(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "camera").symlink_to(folder / "run.sh")
    assert call(tmp_path / "camera", "x")[0] == 0


def test_the_emulator_goes_before_the_runner(folder: Path) -> None:
    assert call(folder / "run.sh", "x", environment={"EDGEC_EMULATOR": "env STAND_IN_CODE=4"})[0] == 4


# verify.sh


def test_a_good_bundle_passes(folder: Path, shell: tuple[str, ...], tmp_path: Path) -> None:
    code, out, err = call(*shell, folder / "verify.sh", "--samples", "9", cwd=tmp_path)
    assert code == 0, err
    digest = bundles.check(folder)
    expected = ["--self-test", "--evidence", "device", "--bundle-digest", digest, "--samples", "9"]
    assert json.loads(out)["arguments"] == expected


def test_the_result_goes_whole_into_a_file(folder: Path, shell: tuple[str, ...], tmp_path: Path) -> None:
    place = tmp_path / "the results"
    place.mkdir()
    (place / "old.json").write_text("old")
    code, out, _ = call(*shell, folder / "verify.sh", "--no-bench", "--out", "old.json", cwd=place)
    assert (code, out) == (0, "")
    assert json.loads((place / "old.json").read_text())["status"] == "passed"
    assert entries(place) == {"old.json"}
    assert stat.S_IMODE((place / "old.json").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("given", "ended"), [(5, 5), (7, 7), (8, 8), (2, 2), (4, 7), (1, 7), (126, 8), (139, 7), (130, 130)]
)
def test_how_the_runner_ends_decides(given: int, ended: int, folder: Path) -> None:
    assert call(folder / "verify.sh", environment={"STAND_IN_CODE": str(given)})[0] == ended


def test_a_runner_that_cannot_start_is_a_failure_with_a_result(folder: Path) -> None:
    code, out, _ = call(folder / "verify.sh", environment={"EDGEC_EMULATOR": "/no/such/emulator"})
    assert code == 7
    assert json.loads(out) == {"schema": "edgec/verification/v1", "status": "failed", "stage": "run"}


@pytest.mark.parametrize("fault", ["changed", "missing", "unlisted", "linked", "listing", "hidden"])
def test_files_that_are_not_as_built_are_refused(fault: str, folder: Path, shell: tuple[str, ...]) -> None:
    match fault:
        case "changed":
            (folder / "README.md").write_text("other")
        case "missing":
            (folder / "README.md").unlink()
        case "unlisted":
            (folder / "lib" / "lib more.so").touch()
        case "hidden":
            (folder / "tests" / ".hidden").touch()
        case "linked":
            (folder / "lib" / "link.so").symlink_to("/etc/passwd")
        case "listing":
            (folder / "SHA256SUMS").unlink()
    code, out, err = call(*shell, folder / "verify.sh")
    assert code == 7, err
    assert json.loads(out)["stage"] == "digests"
    assert "verify.sh:" in err


def test_pytest_s_leavings_are_no_fault(folder: Path) -> None:
    for name in ("tests/__pycache__", ".pytest_cache"):
        (folder / name).mkdir()
        (folder / name / "file").touch()
    assert call(folder / "verify.sh")[0] == 0
    (folder / "video" / "__pycache__").mkdir()
    (folder / "video" / "__pycache__" / "pipeline.cpython-311.pyc").touch()
    assert call(folder / "verify.sh")[0] == 7


def test_a_core_without_what_the_programs_need_is_refused(tmp_path: Path, shell: tuple[str, ...]) -> None:
    """What the target has beside is told where it is missing, and refuses nothing: a Pi 5's bundle runs on a Pi 4."""
    from dataclasses import replace

    from bundle_parts import TARGET

    needed = required_features(TARGET.architecture, ())[0]
    made = write(bundle(tmp_path / "parts", target=replace(TARGET, features=(needed, "asimddp"))), tmp_path / "out").folder
    cpuinfo = tmp_path / "cpu info"
    for second, code, noted in ((f"fp {needed} asimddp", 0, False), (f"fp {needed}", 0, True), ("fp asimddp asimdx", 7, False)):
        cpuinfo.write_text(f"Features\t: fp {needed} asimddp\nother: {needed}\nFeatures\t: {second}\n")
        found, _, words = call(*shell, made / "verify.sh", environment={"EDGEC_CPUINFO": str(cpuinfo)})
        assert found == code, second
        assert ("lacks asimddp" in words) == noted
        assert ("lacks " + needed in words) == (code == 7)


def test_a_core_without_what_a_delegate_needs_is_refused_though_its_target_has_it_not(
    tmp_path: Path, shell: tuple[str, ...]
) -> None:
    """OpenVINO's programs need AVX2; that any x86-64 had it would be said of the target, and is not so."""
    from dataclasses import replace

    from bundle_parts import TARGET

    needed = required_features(TARGET.architecture, ())[0]
    hardware = replace(TARGET, features=(needed,), needs=("avx2",))
    made = write(bundle(tmp_path / "parts", target=hardware), tmp_path / "out").folder
    cpuinfo = tmp_path / "cpu info"
    for features, expected in ((f"{needed} avx2", 0), (needed, 7)):
        cpuinfo.write_text(f"flags\t: {features}\n")
        code, answer, words = call(*shell, made / "verify.sh", environment={"EDGEC_CPUINFO": str(cpuinfo)})
        assert code == expected and "note: a processor core" not in words
        assert expected == 0 or ('"stage": "cpu"' in answer and "a processor core lacks avx2" in words)


def test_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    from dataclasses import replace

    from bundle_parts import TARGET

    made = write(bundle(tmp_path / "parts", target=replace(TARGET, architecture="riscv64")), tmp_path / "out").folder
    code, out, err = call(made / "verify.sh")
    assert code == 7
    assert json.loads(out)["stage"] == "cpu"
    assert "riscv64" in err
    code, out, err = call(made / "verify.sh", environment={"EDGEC_EMULATOR": "env", "EDGEC_CPUINFO": "/proc/cpuinfo"})
    assert code == 0, err
    assert "emulated" in json.loads(out)["arguments"]


@pytest.mark.parametrize("options", [["--nonsense"], ["--out"], ["--samples"], ["--out", "/tmp"]])
def test_verify_usage(options: list[str], folder: Path) -> None:
    assert call(folder / "verify.sh", *options)[0] == 2


def test_a_result_in_the_bundle_is_refused_before_anything_is_written(folder: Path, shell: tuple[str, ...]) -> None:
    for where in ("verify.json", folder / "tests" / "verify.json", "tests/../verify.json"):
        code, _, err = call(*shell, folder / "verify.sh", "--out", where, cwd=folder)
        assert (code, "lies in the bundle" in err) == (2, True), err
    assert call(*shell, folder / "verify.sh")[0] == 0


def test_a_result_goes_through_what_is_no_regular_file(folder: Path, tmp_path: Path, shell: tuple[str, ...]) -> None:
    (tmp_path / "link").symlink_to("there.json")
    assert call(*shell, folder / "verify.sh", "--out", tmp_path / "link")[0] == 0
    (tmp_path / "into").symlink_to(folder / "model.pte")
    assert call(*shell, folder / "verify.sh", "--out", tmp_path / "into")[0] == 2
    assert (tmp_path / "link").is_symlink() and json.loads((tmp_path / "there.json").read_text())["status"] == "passed"
    (tmp_path / "output").symlink_to("/dev/stdout")
    code, out, _ = call(*shell, folder / "verify.sh", "--out", tmp_path / "output")
    assert (code, json.loads(out)["status"]) == (0, "passed")
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        assert call(*shell, folder / "verify.sh", "--out", tmp_path / "pipe")[0] == 0
        assert reader.stdout is not None and json.loads(reader.stdout.read())["status"] == "passed"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize("redirected", ["| cat", ">> $0.json && cat $0.json"])
def test_a_result_may_be_named_dev_stdout(redirected: str, folder: Path, tmp_path: Path, shell: tuple[str, ...]) -> None:
    script = f'"$1" --out /dev/stdout {redirected}'
    (tmp_path / "result.json").write_text("\n")
    code, out, err = call(*shell, "-c", script, tmp_path / "result", folder / "verify.sh")
    assert (tmp_path / "result.json").read_text().startswith("\n"), "what was there stays"
    assert (code, json.loads(out)["status"]) == (0, "passed"), err


@pytest.mark.parametrize("closed", ["> /dev/full", ">&-"])
@pytest.mark.parametrize(("given", "ended"), [(0, 8), (5, 5), (7, 7)])
def test_a_result_that_cannot_be_printed_hides_no_failure(
    closed: str, given: int, ended: int, folder: Path, shell: tuple[str, ...]
) -> None:
    code, _, err = call(
        *shell, "-c", f'"$0" {closed}', folder / "verify.sh", environment={"STAND_IN_CODE": str(given)}
    )
    assert (code, "cannot write the result" in err) == (ended, True), err
    (folder / "README.md").write_text("other")
    assert call(*shell, "-c", f'"$0" {closed}', folder / "verify.sh")[0] == 7


def test_a_result_that_cannot_be_written_is_an_environment_error(folder: Path, tmp_path: Path) -> None:
    assert call(folder / "verify.sh", "--out", tmp_path / "missing" / "x.json")[0] == 8


# install.sh


def release(folder: Path) -> str:
    facts = json.loads((folder / "bundle.json").read_text())
    return f"{facts['version']}-{bundles.check(folder)[:12]}"


def install(folder: Path, prefix: Path, *options: str, shell: tuple[str, ...] = (), **environment: str) -> int:
    code, _, err = call(
        *shell, folder / "install.sh", "--prefix", prefix, "--no-service", *options, environment=environment
    )
    print(err)
    return code


def test_an_install_makes_the_release_current(folder: Path, tmp_path: Path, shell: tuple[str, ...]) -> None:
    prefix = tmp_path / "a prefix"
    assert install(folder, prefix, shell=shell) == 0
    base = prefix / "camera"
    assert str((base / "current").readlink()) == f"releases/{release(folder)}"
    assert bundles.check(base / "current") == bundles.check(folder)
    assert call(base / "current" / "verify.sh")[0] == 0
    assert json.loads((base / f"{release(folder)}.verify.json").read_text())["status"] == "passed"
    assert {name for name in entries(base) if "/" not in name} == {
        "releases",
        "current",
        "newest",
        f"{release(folder)}.verify.json",
    }


def test_installing_again_changes_nothing(folder: Path, tmp_path: Path) -> None:
    assert install(folder, tmp_path / "p") == 0
    before = {name: (tmp_path / "p" / name).lstat().st_ino for name in entries(tmp_path / "p") if "releases/" in name}
    assert install(folder, tmp_path / "p") == 0
    assert {
        name: (tmp_path / "p" / name).lstat().st_ino for name in entries(tmp_path / "p") if "releases/" in name
    } == before
    assert not (tmp_path / "p" / "camera" / "previous").exists()


@pytest.mark.parametrize("kind", ["android", "linux-source", ""])
def test_a_bundle_of_another_kind_is_refused_in_words(
    kind: str, folder: Path, next_release: Path, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(next_release, other)
    facts = json.loads((other / "bundle.json").read_text())
    facts["kind"] = kind
    (other / "bundle.json").write_bytes(json_bytes(facts))
    (other / "verify.sh").unlink()
    files = [path for path in other.rglob("*") if path.is_file() and path.name != bundles.SUMS]
    (other / bundles.SUMS).write_bytes(bundles.sums({path.relative_to(other).as_posix(): sha256_of(path) for path in files}))
    code, _, err = call(*shell, folder / "install.sh", "--from", other, "--prefix", tmp_path / "opt", "--no-service")
    assert (code, f"is a bundle of the kind {kind or 'unknown'}" in err) == (7, True), err
    assert not (tmp_path / "opt").exists()


def test_rollback_goes_back_and_forth(folder: Path, next_release: Path, tmp_path: Path, shell: tuple[str, ...]) -> None:
    prefix = tmp_path / "p"
    current = prefix / "camera" / "current"
    assert install(folder, prefix) == 0
    assert install(folder, prefix, "--rollback", shell=shell) == 8, "there is none yet"
    assert install(next_release, prefix, shell=shell) == 0
    assert str(current.readlink()) == f"releases/{release(next_release)}"
    assert install(folder, prefix, "--rollback", shell=shell) == 0
    assert str(current.readlink()) == f"releases/{release(folder)}"
    assert install(folder, prefix, "--rollback", shell=shell) == 0
    assert str(current.readlink()) == f"releases/{release(next_release)}"


def test_a_release_that_no_longer_verifies_is_not_gone_back_to(
    folder: Path, next_release: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "p"
    assert install(folder, prefix) == 0
    (prefix / "camera" / "releases" / release(folder) / "model.pte").write_bytes(b"damaged")
    assert install(next_release, prefix) == 0
    assert install(next_release, prefix, "--rollback") == 7
    assert str((prefix / "camera" / "current").readlink()) == f"releases/{release(next_release)}"


@pytest.mark.parametrize("code", [5, 7])
def test_what_does_not_verify_is_not_installed(code: int, folder: Path, next_release: Path, tmp_path: Path) -> None:
    assert install(folder, tmp_path / "p", STAND_IN_CODE=str(code)) == code
    assert not (tmp_path / "p").exists()
    assert install(folder, tmp_path / "p") == 0
    before = entries(tmp_path / "p")
    assert install(next_release, tmp_path / "p", STAND_IN_CODE=str(code)) == code
    assert entries(tmp_path / "p") == before


def test_a_damaged_release_is_replaced(folder: Path, tmp_path: Path) -> None:
    assert install(folder, tmp_path / "p") == 0
    (tmp_path / "p" / "camera" / "current" / "model.pte").write_bytes(b"damaged")
    assert install(folder, tmp_path / "p") == 0
    assert bundles.check(tmp_path / "p" / "camera" / "current") == bundles.check(folder)
    assert not [name for name in entries(tmp_path / "p") if "/." in name]


def test_only_listed_files_are_installed_readable_by_all(folder: Path, tmp_path: Path) -> None:
    (folder / "tests" / "__pycache__").mkdir()
    (folder / "tests" / "__pycache__" / "x.pyc").touch()
    (folder / "model.pte").chmod(0o600)
    assert install(folder, tmp_path / "p") == 0
    installed = tmp_path / "p" / "camera" / "current"
    assert not (installed / "tests" / "__pycache__").exists()
    assert stat.S_IMODE((installed / "model.pte").stat().st_mode) == 0o644
    assert stat.S_IMODE((installed / "bin" / "edgec-run").stat().st_mode) == 0o755


def test_an_unwritable_prefix_is_an_environment_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "p").write_text("a file")
    assert install(folder, tmp_path / "p") == 8
    assert install(folder, Path("/proc/no")) == 8


def test_a_tool_that_fails_while_copying_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cp").write_text('#!/bin/sh\ncase $1 in *model.pte) exit 1 ;; esac\nexec /bin/cp "$@"\n')
    (tmp_path / "bin" / "cp").chmod(0o755)
    assert install(folder, tmp_path / "p", PATH=f"{tmp_path}/bin:{os.environ['PATH']}") == 8
    assert not (tmp_path / "p").exists()


def test_another_machine_s_word_activates_nothing(folder: Path, tmp_path: Path) -> None:
    """What verify.sh takes for trials elsewhere must not reach the verification that guards an activation."""
    given = {"EDGEC_EVIDENCE": "emulated", "EDGEC_EMULATOR": "env STAND_IN_CODE=5", "EDGEC_CPUINFO": "/no/such"}
    assert install(folder, tmp_path / "p", **given) == 0
    record = json.loads((tmp_path / "p" / "camera" / f"{release(folder)}.verify.json").read_text())
    assert record["arguments"][:3] == ["--self-test", "--evidence", "device"]


def test_the_one_that_comes_late_touches_nothing_of_the_other_s(folder: Path, tmp_path: Path) -> None:
    import fcntl

    base = tmp_path / "p" / "camera"
    base.mkdir(parents=True)
    (base / ".current").symlink_to("releases/of-the-other")
    held = os.open(base, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert install(folder, tmp_path / "p") == 8
    os.close(held)
    assert (base / ".current").is_symlink()


def test_a_bundle_that_changes_after_it_was_verified_is_not_activated(folder: Path, tmp_path: Path) -> None:
    """The other bundle is whole and agrees with its own SHA256SUMS: only the digest tells it from the verified one."""
    (tmp_path / "bin").mkdir()
    files = (line[66:] for line in (folder / "SHA256SUMS").read_text().splitlines())
    (tmp_path / "bin" / "cp").write_text(
        "#!/bin/sh\n"
        f'cd "{folder}" && echo other > README.md && sha256sum {" ".join(files)} > SHA256SUMS\n'
        'exec /bin/cp "$@"\n'
    )
    (tmp_path / "bin" / "cp").chmod(0o755)
    assert install(folder, tmp_path / "p", PATH=f"{tmp_path}/bin:{os.environ['PATH']}") == 7
    assert not (tmp_path / "p").exists()


def test_a_copy_that_differs_is_not_activated(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cp").write_text('#!/bin/sh\n/bin/cp "$@"\ncase $2 in *model.pte) echo x >> "$2" ;; esac\n')
    (tmp_path / "bin" / "cp").chmod(0o755)
    assert install(folder, tmp_path / "p", PATH=f"{tmp_path}/bin:{os.environ['PATH']}") == 8
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("which", ["verify", "copy"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_leaves_nothing(which: str, number: signal.Signals, folder: Path, tmp_path: Path) -> None:
    environment = {**os.environ}
    if which == "verify":
        environment["STAND_IN_SECONDS"] = "1"
    else:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "sync").write_text("#!/bin/sh\nsleep 1\n")
        (tmp_path / "bin" / "sync").chmod(0o755)
        environment["PATH"] = f"{tmp_path}/bin:{os.environ['PATH']}"
    command = [folder / "install.sh", "--prefix", tmp_path / "p", "--no-service"]
    process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    time.sleep(0.7)
    os.killpg(process.pid, number)
    assert process.wait(20) not in (0, 1)
    assert not (tmp_path / "p").exists()


def test_what_a_killed_install_left_is_cleared_by_the_next(folder: Path, tmp_path: Path) -> None:
    left = tmp_path / "p" / "camera" / "releases" / ".staging.abcdef"
    left.mkdir(parents=True)
    (left / "model.pte").touch()
    assert install(folder, tmp_path / "p") == 0
    assert not [name for name in entries(tmp_path / "p") if "/." in name]


def test_installs_at_once_and_readers_never_miss_the_current_one(
    folder: Path, next_release: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "p"
    assert install(folder, prefix) == 0
    stop, misses, reads = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            try:
                reads.append((prefix / "camera" / "current" / "bundle.json").stat().st_size)
            except OSError as error:
                misses.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    codes = []
    for _ in range(3):
        given = ["--prefix", prefix, "--no-service", "--allow-downgrade"]
        both = [subprocess.Popen([one / "install.sh", *given], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL) for one in (folder, next_release)]  # fmt: skip
        codes += [process.wait(60) for process in both]
    stop.set()
    reader.join()
    assert not misses
    assert len(reads) > 100
    assert set(codes) <= {0, 8}
    assert 0 in codes
    assert bundles.check(prefix / "camera" / "current")


def test_a_bundle_whose_programs_may_not_run_is_an_environment_error(folder: Path, tmp_path: Path) -> None:
    (folder / "verify.sh").chmod(0o644)
    code, _, err = call(folder / "install.sh", "--prefix", tmp_path / "p", "--no-service")
    assert (code, "TMPDIR" in err) == (8, True), err


@pytest.mark.parametrize("options", [["--nonsense"], ["--prefix"], ["--prefix", ""]])
def test_install_usage(options: list[str], folder: Path) -> None:
    assert call(folder / "install.sh", *options)[0] == 2


def test_a_prefix_that_no_unit_can_name_is_refused_before_anything_happens(folder: Path, tmp_path: Path) -> None:
    assert call(folder / "install.sh", "--prefix", tmp_path / "a prefix", "--service")[0] == 2
    assert not (tmp_path / "a prefix").exists()


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_a_prefix_that_the_service_cannot_see_is_refused_before_anything_happens(
    folder: Path, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    tools = tmp_path / "tools"  # no systemctl: whatever is not refused ends there
    tools.mkdir()
    for name in ("id", "dirname"):
        (tools / name).symlink_to(str(shutil.which(name)))

    def service(prefix: str) -> tuple[int, str]:
        command = (str(shutil.which(shell[0])), *shell[1:], folder / "install.sh", "--prefix", prefix, "--service")
        code, _, err = call(*command, environment={"PATH": str(tools)})
        return code, err

    (tmp_path / "link").symlink_to("/root")
    word = f"edgec-{os.getpid()}"
    asked = {f"{place}/{word}": place for place in ("/home", "/root", "/run/user", "/tmp", "/var/tmp")}
    if tmp_path.parts[1] != "tmp":  # else it is refused for where the link lies
        asked[f"{tmp_path}/link/{word}/opt"] = "/root"
    for prefix, place in asked.items():
        code, err = service(prefix)
        assert (code, f"lies in {place}, which its unit hides" in err) == (2, True), err
        assert not Path(place, word).exists()
    code, err = service(f"/opt/{word}/../../tmp/{word}")
    assert (code, "without .." in err) == (2, True), err
    code, err = service(f"/homes/{word}")  # which only begins like one of them
    assert (code, "hides" in err) == (6 if os.geteuid() == 0 else 8, False), err


def test_the_scripts_need_no_more_than_busybox(folder: Path, tmp_path: Path) -> None:
    """Every tool from BusyBox, and no other on the PATH (the stand-in itself needs Python)."""
    if not shutil.which("busybox"):
        pytest.skip("busybox is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    subprocess.run(["busybox", "--install", "-s", str(tools)], check=True)
    for name in ("python3", "bash", "perl"):
        (tools / name).unlink(missing_ok=True)
    (tools / "python3").symlink_to(sys.executable)
    environment = {"PATH": str(tools)}
    for command in (("run.sh", "x"), ("verify.sh", "--no-bench")):
        code, _, err = call(tools / "sh", folder / command[0], *command[1:], environment=environment)
        assert code == 0, err
    code, _, err = call(
        tools / "sh", folder / "install.sh", "--prefix", tmp_path / "p", "--no-service", environment=environment
    )
    assert code == 0, err
    assert bundles.check(tmp_path / "p" / "camera" / "current")
