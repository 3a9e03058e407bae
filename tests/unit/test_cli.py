"""cli: exit codes and what is said, for every way in which a command can end."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from edgec import cli
from edgec.diagnostics import Diagnostic, Failure
from edgec.stages.schema import manifest_schema

VALID = Path(__file__).parents[1] / "cases" / "valid"
INVALID = Path(__file__).parents[1] / "cases" / "invalid"


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Put a function in the place of `edgec list`."""

    def replace(function: Callable[[], Any]) -> None:
        from edgec.commands.options import common

        monkeypatch.setattr("edgec.commands.list.command", click.command("list")(common("human", "json")(function)))

    return replace


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Failure(Diagnostic(code="unknown-key", message="m")), 3),
        (Failure(Diagnostic(code="disk-full", message="m"), Diagnostic(code="tool-missing", message="m")), 6),
        (click.UsageError("m"), 2),
        (KeyboardInterrupt(), 130),
        (OSError(errno.ENOSPC, "No space left on device", "out/x"), 8),
        (PermissionError(errno.EACCES, "Permission denied", "out/x"), 8),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), 1),
        (KeyError("labels"), 1),
        (RecursionError(), 1),
    ],
)
def test_exit_codes(verb: Any, error: BaseException, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    verb(raising(error))
    assert run("list") == code
    assert "Traceback" not in capfd.readouterr().err


def test_a_bug_is_called_one(verb: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    verb(raising(KeyError("labels")))
    run("list")
    said = capsys.readouterr().err
    assert "a bug in edgec" in said and "KeyError: 'labels'" in said
    monkeypatch.setenv("EDGEC_DEBUG", "1")
    run("list")
    assert "Traceback" in capsys.readouterr().err


def test_the_real_error_of_a_child_is_shown(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    verb(raising(RuntimeError("the lowering job failed:\nTraceback (most recent call last):\n  x\nValueError: 7 axes\n")))
    assert run("list") == 1
    said = capsys.readouterr().err
    assert "the lowering job failed: ValueError: 7 axes\n" in said and "Traceback" not in said
    assert "report it" in said


def test_a_failure_is_json_on_standard_output_when_asked(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    verb(raising(Failure(Diagnostic(code="tool-missing", message="no compiler"))))
    assert run("list", "--output", "json") == 6
    captured = capsys.readouterr()
    assert json.loads(captured.out)["diagnostics"][0]["code"] == "tool-missing" and captured.err == ""


def test_a_failure_is_text_on_standard_error_for_people(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    verb(raising(Failure(Diagnostic(code="tool-missing", message="no compiler"))))
    run("list")
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error[tool-missing]: no compiler")


@pytest.mark.parametrize(("number", "code"), [(errno.EACCES, "not-writable"), (errno.ENOSPC, "disk-full")])
def test_what_the_machine_refuses_is_json_when_asked(
    number: int, code: str, verb: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    verb(raising(OSError(number, os.strerror(number), "out/x")))
    assert run("list", "--output", "json") == 8
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert (record["exit_code"], record["diagnostics"][0]["code"], captured.err) == (8, code, "")
    assert "out/x" in record["diagnostics"][0]["message"]
    assert run("list") == 8
    assert capsys.readouterr().err.endswith(": out/x\n")


def test_a_returned_number_is_the_exit_code(verb: Any) -> None:
    verb(lambda: 5)
    assert run("list") == 5


def test_unknown_verbs_and_options_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("valdate") == 2 and "'validate'" in capsys.readouterr().err
    assert run("validate", "--no-such") == 2
    assert run("list", "nonsense") == 2
    assert run("validate", "--output", "xml") == 2


def test_validate_tells_one_line_for_each_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate", VALID / "smallest" / "manifest.yaml") == 0
    assert capsys.readouterr().out == f"ok: {VALID / 'smallest' / 'manifest.yaml'}: trial 1.0.0 for linux-x86_64\n"


@pytest.mark.parametrize("form", ["human", "json", "github", "sarif"])
def test_validate_exits_with_3_in_every_format(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate", INVALID / "unknown-key" / "manifest.yaml", "--output", form) == 3
    assert "unknown-key" in capsys.readouterr().out


def test_strict_makes_warnings_fatal(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = INVALID / "not-for-release" / "manifest.yaml"
    assert run("validate", manifest) == 0
    assert run("validate", manifest, "--strict") == 3
    capsys.readouterr()
    assert run("validate", manifest, "--strict", "--output", "json") == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3


def test_a_missing_file_is_no_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate", tmp_path / "nothing.yaml") == 2
    assert run("validate", tmp_path) == 2
    assert capsys.readouterr().out.count("[no-manifest]") == 1


def test_color_is_for_terminals_only(capsys: pytest.CaptureFixture[str]) -> None:
    run("validate", INVALID / "unknown-key" / "manifest.yaml")
    assert "\x1b" not in capsys.readouterr().out


def test_the_version_and_help() -> None:
    assert run("--version") == 0
    assert run("--help") == 0


def test_python_dash_m_and_a_reader_that_hangs_up() -> None:
    command = f"{sys.executable} -m edgec schema | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=dict(os.environ), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")


@pytest.mark.parametrize(("given", "asks"), [((), True), (("--allow-code",), False)])
def test_a_plan_asks_for_trust_in_code_unless_it_is_given(
    given: tuple[str, ...], asks: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path))
    assert run("plan", INVALID / "runs-code" / "manifest.yaml", *given) == 0
    assert ("runs-code" in capfd.readouterr().err) == asks


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("form", ["human", "json"])
@pytest.mark.parametrize(("case", "code"), [(INVALID / "unknown-key", 3), (VALID / "smallest", 0)])
def test_a_reader_that_goes_away_changes_no_verdict(case: Path, code: int, form: str, buffered: bool) -> None:
    reader, writer = os.pipe()
    os.close(reader)  # so that it is gone for certain
    done = subprocess.run(
        [sys.executable, "-m", "edgec", "validate", case / "manifest.yaml", "--output", form],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
        check=False,
    )
    os.close(writer)
    assert done.returncode == code
    assert b"pipe" not in done.stderr and b"Exception" not in done.stderr


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["build", "--help"], 0), (["--version"], 0), (["lst"], 2)])
def test_nobody_listens(arguments: list[str], code: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "edgec", *arguments], stdout=writer, stderr=writer, check=False)
    os.close(writer)
    assert done.returncode == code


def test_plan_s_record_agrees_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = INVALID / "not-for-release" / "manifest.yaml"
    for command in (["plan"], ["build", "--no-cache"]):
        assert run(*command, manifest, "--strict", "--output", "json") == 3
        assert json.loads(capsys.readouterr().out)["exit_code"] == 3


def test_a_terminal_without_unicode_and_a_name_without_meaning(tmp_path: Path) -> None:
    manifest = tmp_path / os.fsdecode(b"caf\xe9.yaml")
    manifest.write_bytes((VALID / "smallest" / "manifest.yaml").read_bytes() + b"budgets: {latency: {p90: 5}}\n")
    for form in ("human", "json", "github", "sarif"):
        done = subprocess.run(
            [sys.executable, "-m", "edgec", "validate", manifest, "--output", form],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            check=False,
        )
        assert done.returncode == 3 and "p90" in done.stdout, done.stderr
        assert form not in ("json", "sarif") or json.loads(done.stdout)


@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
        {"PYTHONUTF8": "1"},
    ],
    ids=lambda surroundings: "-".join(surroundings),
)
def test_what_is_for_programs_is_json_whatever_the_terminal_is(surroundings: dict[str, str], tmp_path: Path) -> None:
    manifest = tmp_path / "café 😀.yaml"
    manifest.write_bytes((VALID / "smallest" / "manifest.yaml").read_bytes() + "größe: 1\n".encode())

    def told(*arguments: str | Path) -> Any:
        command = [sys.executable, "-m", "edgec", *arguments]
        return json.loads(subprocess.run(command, capture_output=True, env={**os.environ, **surroundings}, check=False).stdout)

    assert told("validate", manifest, "--output", "json")["diagnostics"][0]["message"] == "unknown key 'größe'"
    assert "größe" in told("validate", manifest, "--output", "sarif")["runs"][0]["results"][0]["message"]["text"]
    assert told("plan", manifest.with_name("weg 😀.yaml"), "--output", "json")["exit_code"] == 2
    assert told("explain", "größe 😀", "--output", "json")["exit_code"] == 2
    for arguments in (["list"], ["explain", "yaml-depth"]):
        told(*arguments, "--output", "json")
    assert told("schema") == manifest_schema()


def test_a_command_line_that_is_not_understood_is_json_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["lst", "--output", "json"],
        ["list", "nonsense", "--output=json"],
        ["validate", "--no-such", "--output", "json"],
        ["build", "--output", "sarif", "--output", "json", "--job-memory", "1GB"],
    ):
        assert run(*words) == 2
        captured = capsys.readouterr()
        record = json.loads(captured.out)
        (found,) = record["diagnostics"]
        assert (record["schema"], record["exit_code"], captured.err) == ("edgec/diagnostics/v1", 2, "")
        assert (found["code"], found["exit_code"], found["where"]) == ("usage-error", 2, None)
        assert found["message"] and found["hint"].startswith("edgec ")
    assert run("validate", "--no-such", "--output", "sarif") == 2
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"][0]["ruleId"] == "usage-error"
    for words in (["list", "--output", "sarif"], ["lst", "--", "--output", "json"], ["list", "-x", "--output", "human"]):
        assert run(*words) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and "Error: " in captured.err


def test_a_folder_that_is_gone_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for words in (["init", "x"], ["verify", "x"], ["pull", "oci://127.0.0.1:1/x:y"], ["validate"]):
        assert run(*words) == 8
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.startswith("error[not-readable]: the current folder is gone\n")
    assert run("validate", "--output", "json") == 8
    assert json.loads(capsys.readouterr().out)["exit_code"] == 8
    assert run("--version") == run("build", "--help") == 0


def test_a_full_disk_is_one_line() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m edgec schema >/dev/full"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 8 and done.stderr == "edgec: the disk is full\n"


@pytest.mark.parametrize("verb", ["cache stat", "schema", "--help"])
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("where", [">&-", ">/dev/full", "<&- >&-"])
def test_a_standard_output_that_takes_nothing_is_one_line(where: str, buffered: bool, verb: str) -> None:
    done = shell(f"{verb} {where}", buffered)
    why = "the disk is full" if "full" in where else "standard output is closed"
    assert (done.returncode, done.stderr) == (8, f"edgec: {why}\n")


@pytest.mark.parametrize(
    ("verb", "code"), [("cache stat", 0), ("plan {}", 0), ("build nosuch", 2), ("validate nosuch", 2), ("lst", 2)]
)
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_a_standard_error_that_takes_nothing_changes_nothing(where: str, verb: str, code: int) -> None:
    done = shell(f"{verb.format(VALID / 'smallest' / 'manifest.yaml')} {where}")
    assert (done.returncode, done.stderr) == (code, "")
    assert bool(done.stdout) == (verb.split()[0] not in ("build", "lst"))


def test_no_file_takes_the_descriptor_of_a_closed_stream(tmp_path: Path) -> None:
    """Nor does a child's, which inherits them."""
    code = (
        "import os; from edgec import cli; cli._open_closed()",
        "print(os.open(os.devnull, 0) > 2, file=open('said', 'w'))",
        "os.system('echo >&2 && echo heard >> said; echo >&1 || echo refused >> said')",
    )
    subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", "; ".join(code)], cwd=tmp_path, check=True)
    assert (tmp_path / "said").read_text().split() == ["True", "heard", "refused"]


@pytest.fixture
def handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_cleans_up_and_has_its_exit_code(
    number: signal.Signals,
    code: int,
    verb: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def end() -> None:
        try:
            with tempfile.TemporaryDirectory(dir=tmp_path):
                signal.raise_signal(number)
        finally:  # once more, while what was begun is cleaned up
            signal.raise_signal(number)
            (tmp_path / "cleaned").touch()

    def told_again(*given: Any) -> None:
        signal.raise_signal(number)
        put(*given)

    put = cli.put
    monkeypatch.setattr(cli, "put", told_again)
    verb(end)
    assert run("list") == code
    assert [path.name for path in tmp_path.iterdir()] == ["cleaned"]
    told = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    assert capsys.readouterr().err.split("\n")[-2:] == [f"edgec: {told}", ""]


@pytest.mark.usefixtures("handlers")
def test_ctrl_c_once_more_after_a_while_ends_what_cleans_up(verb: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def end() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            monkeypatch.setattr(cli, "AGAIN_SECONDS", 0.0)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            (tmp_path / "cleaned").touch()

    verb(end)
    assert run("list") == 130
    assert not [*tmp_path.iterdir()]


@pytest.mark.usefixtures("handlers")
def test_an_ignored_signal_stays_ignored_and_the_others_are_given_back(verb: Any) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    verb(lambda: signal.raise_signal(signal.SIGHUP))
    assert run("list") == 0
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def shell(command: str, buffered: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f"{sys.executable} -m edgec {command}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
        check=False,
    )
