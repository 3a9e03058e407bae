"""run-on-device.sh and verify-on-mac.sh against stand-ins: where the result goes, what is refused, and the bundle as it was."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from app_parts import content, made, on_disk
from shells import SHELLS, call

PASSED = '{"status":"passed"}'
NEEDED = ("dirname", "readlink", "rm", "mktemp", "chmod", "mv", "cat", "cp", "mkdir", "grep", "sed", "tail", "tr", "cut")
TOOLS = {
    "adb": r"""#!/bin/sh
case $* in
*get-state) echo device ;;
*abilist64) echo arm64-v8a ;;
*instrument*) printf 'INSTRUMENTATION_STATUS: edgec=%s\n' "$RESULT" ;;
esac
""",
    "gradle": r"""#!/bin/sh
mkdir -p app/build/outputs/apk/debug app/build/outputs/apk/androidTest/debug
: > app/build/outputs/apk/debug/app-debug.apk
: > app/build/outputs/apk/androidTest/debug/app-debug-androidTest.apk
""",
    "swift": '#!/bin/sh\nprintf %s "$RESULT" > "$EDGEC_OUT"\n',
}

SHASUM = """#!/bin/sh
# What a Mac calls shasum, by the name it has here.
[ "$1 $2" = "-a 256" ] || exit 9
shift 2
exec {} "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Script:
    """A bundle's script, in a shell, with stand-ins for the tools of its device: this checks its commands, no device."""

    shell: tuple[str, ...]
    path: Path
    tools: Path
    work: Path

    @property
    def folder(self) -> Path:
        return self.path.parent

    def run(
        self, *options: object, path: str | None = None, cwd: Path | None = None, **environment: str
    ) -> tuple[int, str, str]:
        """Run it as ``call`` does."""
        given = {"RESULT": PASSED, "EDGEC_BUILD": str(self.work), "PATH": path or f"{self.tools}:{os.environ['PATH']}"}
        program = shutil.which(self.shell[0])
        return call(program, *self.shell[1:], self.path, *options, cwd=cwd, environment={**given, **environment})

    def whole(self) -> bool:
        """Whether the bundle holds its files and nothing else."""
        listed = re.findall(r"^[0-9a-f]{64}  (.*)$", (self.folder / "SHA256SUMS").read_text(), re.M)
        found = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()}
        done = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=self.folder, check=False)
        return found == {*listed, "SHA256SUMS"} and done.returncode == 0


@pytest.fixture(params=[("android-arm64", "run-on-device.sh"), ("macos-arm64", "verify-on-mac.sh")], ids=lambda item: item[0])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    target, name = request.param
    folder, _ = on_disk(tmp_path, target)
    return folder / name


@pytest.fixture(params=SHELLS)
def script(request: pytest.FixtureRequest, bundle: Path, tmp_path: Path) -> Script:
    shell = SHELLS[request.param]
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in TOOLS.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return Script(shell=shell, path=bundle, tools=tools, work=tmp_path / "build")


def test_shellcheck_passes_it(bundle: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed; `make test` installs it")
    code, words, _ = call("shellcheck", bundle)
    assert code == 0, words


def test_nothing_is_written_into_the_bundle(script: Script) -> None:
    here = script.folder
    for where in ("verify.json", here / "verify.json", "Sources/../verify.json", here / "new" / "verify.json"):
        code, _, err = script.run("--out", where, cwd=script.folder)
        assert (code, "lies in the bundle" in err) == (2, True), err
    for where in ("build", str(script.folder / "a" / "build")):
        code, _, err = script.run(EDGEC_BUILD=where, cwd=script.folder)
        assert (code, "EDGEC_BUILD names a folder elsewhere" in err) == (2, True), err
    assert script.whole()
    assert script.run(cwd=script.folder)[:2] == (0, f"{PASSED}\n") and script.whole()


def test_a_result_goes_over_a_file_in_one_step_and_not_into_a_folder(script: Script, tmp_path: Path) -> None:
    out = tmp_path / "results"
    out.mkdir()
    code, _, err = script.run("--out", out)
    assert (code, "is a folder" in err, list(out.iterdir())) == (2, True, []), err
    (out / "verify.json").write_text("before")
    assert script.run("--out", "verify.json", cwd=out)[:2] == (0, "")
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("verify.json", f"{PASSED}\n")]
    assert stat.S_IMODE((out / "verify.json").stat().st_mode) == 0o644
    assert script.run("--out", tmp_path / "no" / "verify.json")[0] == 8
    assert script.run("--out", out / "failed.json", RESULT="")[0] == 7
    assert [path.name for path in out.iterdir()] == ["verify.json"]


def test_a_result_goes_through_what_is_no_regular_file(script: Script, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("there.json")
    assert script.run("--out", tmp_path / "link")[0] == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there.json").read_text() == f"{PASSED}\n"
    (tmp_path / "into").symlink_to(script.folder / "README.md")
    assert script.run("--out", tmp_path / "into")[0] == 2 and script.whole()
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        assert script.run("--out", tmp_path / "pipe")[0] == 0
        assert reader.stdout is not None and reader.stdout.read() == f"{PASSED}\n"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    (tmp_path / "output").symlink_to("/dev/stdout")
    assert script.run("--out", tmp_path / "output")[:2] == (0, f"{PASSED}\n")


@pytest.mark.parametrize(("result", "ended"), [(PASSED, 8), ('{"status":"budget-missed"}', 5), ('{"status":"failed"}', 7)])
def test_a_result_that_cannot_be_written_hides_no_failure(
    script: Script, tmp_path: Path, result: str, ended: int
) -> None:
    """By a link: as root, a script that replaces what it should write through would replace the machine's device."""
    (tmp_path / "full").symlink_to("/dev/full")
    assert script.run("--out", tmp_path / "full", RESULT=result)[0] == ended


def test_what_another_bundle_left_in_the_build_folder_is_gone(script: Script, tmp_path: Path) -> None:
    sources = script.work / ("app" if script.path.name == "run-on-device.sh" else "Sources")
    assert script.run()[0] == 0
    (sources / "kept").touch()
    assert script.run()[0] == 0 and (sources / "kept").exists(), "the same bundle builds on what it has"
    (script.work / ".edgec-bundle").write_text("0" * 64 + "\n")
    (script.work / ".hidden").touch()
    assert script.run()[0] == 0
    assert sources.is_dir() and not (sources / "kept").exists() and not (script.work / ".hidden").exists()
    (tmp_path / "link").symlink_to(script.work)
    (script.work / ".edgec-bundle").write_text("0" * 64 + "\n")
    assert script.run(EDGEC_BUILD=str(tmp_path / "link") + "/")[0] == 0 and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("name", ["app", ".hidden", "..hidden"])
def test_a_folder_that_no_script_made_stays_as_it_is(script: Script, name: str) -> None:
    (script.work / name).mkdir(parents=True)
    code, _, err = script.run()
    assert (code, "was not made by this script" in err) == (2, True), err
    assert [path.name for path in script.work.iterdir()] == [name]
    (script.work / name).rmdir()
    assert script.run()[0] == 0, "an empty one is taken"


def test_a_build_folder_that_would_take_the_bundle_or_the_result_with_it_is_refused(script: Script) -> None:
    code, _, err = script.run(EDGEC_BUILD=str(script.folder.parent))
    assert (code, "the bundle lies in" in err) == (2, True), err
    code, _, err = script.run("--out", script.work / "verify.json")
    assert (code, "which is emptied" in err or "no such folder" in err) == (8, True), err
    script.work.mkdir()
    code, _, err = script.run("--out", script.work / "verify.json")
    assert (code, "which is emptied" in err) == (2, True), err
    assert script.whole() and not list(script.work.iterdir())


def test_what_was_built_of_another_bundle_is_not_run(script: Script) -> None:
    if script.path.name != "run-on-device.sh":
        pytest.skip("it always builds")
    assert script.run()[0] == 0 and script.run("--no-build")[0] == 0
    (script.work / ".edgec-bundle").write_text("0" * 64 + "\n")
    code, _, err = script.run("--no-build")
    assert (code, "was not built of this bundle" in err) == (8, True), err


def test_it_may_be_called_by_a_link(script: Script, tmp_path: Path) -> None:
    (tmp_path / "check").symlink_to(script.path)
    (tmp_path / "again").symlink_to("check")
    linked = Script(shell=script.shell, path=tmp_path / "again", tools=script.tools, work=script.work)
    assert linked.run()[:2] == (0, f"{PASSED}\n")


def test_digests_are_taken_with_what_is_there(script: Script, tmp_path: Path) -> None:
    """Other shells than busybox, whose own sha256sum needs no PATH."""
    if script.shell[0] == "busybox":
        pytest.skip("it has sha256sum built in")
    for name in NEEDED:
        (script.tools / name).symlink_to(str(shutil.which(name)))
    code, _, err = script.run(path=str(script.tools))
    assert (code, "needs sha256sum or shasum" in err, "SHA256SUMS" in err) == (6, True, False), err
    (script.tools / "shasum").write_text(SHASUM.format(shutil.which("sha256sum")))
    (script.tools / "shasum").chmod(0o755)
    assert script.run(path=str(script.tools))[:2] == (0, f"{PASSED}\n")


def test_a_changed_file_is_named(script: Script) -> None:
    (script.folder / "README.md").write_text("other")
    code, _, err = script.run()
    assert (code, "README.md: FAILED" in err, "is not the one" in err) == (7, True, True), err
    (script.folder / "SHA256SUMS").unlink()
    code, _, err = script.run()
    assert (code, "SHA256SUMS is missing" in err) == (7, True), err


@pytest.mark.parametrize("target", ["android-arm64", "ios", "macos-arm64"])
def test_what_readme_says_to_run_leaves_the_bundle_alone(target: str, tmp_path: Path) -> None:
    page = content(made(tmp_path, target).files["README.md"]).decode()
    commands = re.findall(r"^(.+?) +# ", page.split("```sh\n")[1].split("```")[0], re.M)
    assert len(commands) == 3
    assert commands[0].endswith(".sh --out ../verify.json") and commands[1] == "edgec inspect . --with ../verify.json"
    assert re.fullmatch(r"cp -R \. (\.\./[a-z-]+) && \(cd \1 && (gradle|swift) .*\)", commands[2]), commands[2]
