"""The same command again is answered without planning; whatever an answer rests on is another, everything is looked at."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import stub_builds
from edgec import answers, cores, marks
from edgec.artifacts.settings import Settings
from edgec.cli import group
from edgec.commands import build
from edgec.runtime.forks import Forks
from stub_builds import Place


class Asked(Place):
    """A built project, and how often a build has looked at more than its answer."""

    looks = 0

    def ask(self, *arguments: object) -> dict:
        return self.run("build", *arguments)

    def looked(self, *arguments: object) -> bool:
        before = self.looks
        self.ask(*arguments)
        return self.looks > before


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    found = Asked(tmp_path)
    stub_builds.install(monkeypatch.setattr, found.log)
    monkeypatch.setattr(answers, "SHELL", answers.SHELL | {"PYTEST_CURRENT_TEST"})
    whole = build._build

    def counted(*given: object) -> int:
        found.looks += 1
        return whole(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(build, "_build", counted)
    found.ask()
    return found


def bundle(place: Asked) -> Path:
    return place.out / "one" / "1.0.0" / "linux-x86_64"


def keep_times(path: Path, content: bytes) -> None:
    """Write as many bytes as there are, and put the time of modification back."""
    status = path.stat()
    assert len(content) == status.st_size
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_an_answer_is_what_looking_anew_would_say(place: Asked) -> None:
    told = place.ask()
    assert place.looks == 1
    assert told == place.ask("--jobs", 2), "other words, so everything is looked at"
    assert place.looks == 2 and told["outcomes"][0]["status"] == "unchanged"


def test_a_build_leaves_the_answer_to_the_next(place: Asked) -> None:
    place.edit("2MB", "3MB")
    assert place.ask()["outcomes"][0]["status"] == "built"
    looks = place.looks
    assert place.ask()["outcomes"][0]["status"] == "unchanged" and place.looks == looks


@pytest.mark.parametrize("few", [0, build.FEW], ids=["here", "in a fork"])
def test_a_build_is_planned_here_or_in_a_fork(few: int, place: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    begin = Forks.begin
    monkeypatch.setattr(Forks, "begin", lambda forks, work: begun.append(work) or begin(forks, work))
    monkeypatch.setattr(cores, "cores", lambda: 2)
    monkeypatch.setattr(build, "FEW", few)
    place.edit("2MB", "1B")
    told = place.run("build")
    assert [item["code"] for item in told["diagnostics"]] == ["budget-missed"]
    place.edit("1B", "3MB")
    assert place.ask()["outcomes"][0]["status"] == "built"
    assert not place.looked(), "what was read is known, whoever read it"
    assert len(begun) == (2 if few else 0)


def test_a_pipe_is_read_once(place: Asked) -> None:
    pipe = place.manifests / "pipe.yaml"
    text = (place.manifests / "one.yaml").read_text()
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    with pytest.raises(click.UsageError, match="no manifest has the target"):
        place.run("build", "--target", "linux-x86", paths=("pipe.yaml",))
    writer.join()


@pytest.mark.parametrize("few", [0, build.FEW], ids=["here", "in a fork"])
def test_a_target_that_no_manifest_has_is_named(few: int, place: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FEW", few)
    with pytest.raises(click.UsageError, match="no manifest has the target 'linux-x86'"):
        place.ask("--target", "linux-x86")


CHANGES: dict[str, Callable[[Asked], object]] = {
    "the manifest": lambda place: place.edit("2MB", "4MB"),
    "the manifest, its time put back": lambda place: keep_times(
        place.manifests / "one.yaml", (place.manifests / "one.yaml").read_bytes().replace(b"2MB", b"4MB")
    ),
    "weights, their time put back": lambda place: keep_times(place.manifests / "weights.safetensors", b"not weight!"),
    "another manifest": lambda place: stub_builds.write_manifest(place.manifests, "two"),
    "a manifest less": lambda place: (place.manifests / "one.yaml").rename(place.manifests / "one.txt"),
    "another root": lambda place: (place.manifests / ".git").mkdir(),
    "a flipped byte": lambda place: keep_times(
        bundle(place) / "README.md", (bundle(place) / "README.md").read_bytes().swapcase()
    ),
    "a file more in the bundle": lambda place: (bundle(place) / "more").write_text(""),
    "a file less in the bundle": lambda place: (bundle(place) / "run.sh").unlink(),
    "the tarball": lambda place: next(place.out.glob("*.tar.gz")).write_bytes(b""),
    "no report": lambda place: next(place.out.glob("*.html")).unlink(),
    "the measurements": lambda place: next(place.out.glob("*.measurements.json")).write_text("{}"),
    "an unfinished write": lambda place: (place.out / ".edgec-staging").mkdir(),
}


@pytest.mark.parametrize("settled", [False, True], ids=["young", "settled"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_an_answer_rests_on_is_looked_at(
    change: str, settled: bool, place: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:  # as if all files were old: they are known by their marks
        monkeypatch.setattr(marks, "SETTLED_NS", -(10**12))
        place.edit("budgets:", "budgets: ")
        place.ask()
        time.sleep(0.02)  # the next change must be of another tick of the file system's clock
    assert not place.looked()
    looks = place.looks
    CHANGES[change](place)
    CliRunner().invoke(group, ["build", str(place.manifests), "--output", "json"], standalone_mode=False)
    assert place.looks == looks + 1


SURROUNDINGS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "edgec's code": lambda patch: patch.setattr(answers, "source_digest", lambda: "0"),
    "templates": lambda patch: patch.setattr(answers, "templates_digest", lambda: "0"),
    "the runner's sources": lambda patch: patch.setattr(answers, "runner_digest", lambda: "0"),
    "schemas": lambda patch: patch.setattr(answers, "tree_digest", lambda folder: "0"),
    "a package": lambda patch: patch.setattr(answers, "installed", lambda: {"torch": "0"}),
    "Python": lambda patch: patch.setattr("sys.executable", "/opt/python"),
    "the processor": lambda patch: patch.setattr(answers, "cpu_name", lambda: "6502"),
    "the environment": lambda patch: patch.setenv("PATH", "/nowhere"),
    "zlib": lambda patch: patch.setattr("zlib.ZLIB_RUNTIME_VERSION", "0"),
    "the user": lambda patch: patch.setattr(os, "geteuid", lambda: 4242),
}


@pytest.mark.parametrize("change", SURROUNDINGS)
def test_the_program_and_its_surroundings_are_looked_at(
    change: str, place: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not place.looked()
    SURROUNDINGS[change](monkeypatch)
    assert place.looked()


@pytest.mark.parametrize(
    "arguments", [["--strict"], ["--target", "linux-x86_64"], ["--baseline"], ["--locked"], ["--offline"], ["--allow-code"]]
)
def test_other_words_are_another_question(arguments: list[str], place: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not place.looked()
    looks = place.looks
    command = ["build", str(place.manifests), *arguments, "--output", "json"]
    CliRunner().invoke(group, command, standalone_mode=False)
    assert place.looks == looks + 1


def test_another_folder_is_another_question(place: Asked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert place.looked()


@pytest.mark.parametrize("arguments", [["--no-cache"], ["--since", "HEAD"]])
def test_some_questions_are_never_answered_from_memory(arguments: list[str], place: Asked) -> None:
    for _ in range(2):
        looks = place.looks
        CliRunner().invoke(group, ["build", str(place.manifests), *arguments], standalone_mode=False)
        assert place.looks == looks + 1


def asked_twice(place: Asked, *words: str) -> int:
    """How often the second of two equal commands looked."""
    command = ["build", *words, "--output", "json"]
    CliRunner().invoke(group, command, standalone_mode=False)
    looks = place.looks
    CliRunner().invoke(group, command, standalone_mode=False)
    return place.looks - looks


def test_what_lies_behind_a_link_is_looked_at_each_time(place: Asked) -> None:
    (place.manifests / "weights.safetensors").rename(place.manifests / "v1")
    (place.manifests / "weights.safetensors").symlink_to("v1")
    assert asked_twice(place, str(place.manifests)) == 1


def test_a_manifest_by_another_way_is_another_question_when_the_way_is_another(place: Asked, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(place.folder)
    assert asked_twice(place, str(tmp_path / "way" / "manifests")) == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "way").unlink()
    (tmp_path / "way").symlink_to(tmp_path / "other")
    looks = place.looks
    CliRunner().invoke(group, ["build", str(tmp_path / "way" / "manifests"), "--output", "json"], standalone_mode=False)
    assert place.looks == looks + 1


def test_a_manifest_that_a_link_will_lead_to_is_looked_for(place: Asked, tmp_path: Path) -> None:
    (place.manifests / "two.yaml").symlink_to(tmp_path / "two.yaml")
    assert asked_twice(place, str(place.manifests)) == 0
    stub_builds.write_manifest(place.manifests, "three").rename(tmp_path / "two.yaml")
    assert place.looked()


def test_inputs_where_nobody_looks_have_no_answer(place: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    assert asked_twice(place, "/proc/self/cwd/manifests") == 1
    monkeypatch.setenv("EDGEC_CACHE", ".")
    assert asked_twice(place, "manifests") == 1


def test_a_manifest_from_a_pipe_has_no_answer(place: Asked, tmp_path: Path) -> None:
    text = (place.manifests / "one.yaml").read_text()
    for _ in range(2):
        reading, writing = os.pipe()
        os.write(writing, text.encode())
        os.close(writing)
        looks = place.looks
        CliRunner().invoke(group, ["build", f"/dev/fd/{reading}", "--root", "/"], standalone_mode=False)
        os.close(reading)
        assert place.looks == looks + 1


def test_where_the_hook_is_not_installed_nothing_is_kept(place: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgec import reads

    monkeypatch.setattr(reads, "_hook", lambda *given: None)
    monkeypatch.setattr(reads, "_opened", lambda *given: None)  # the one that is there already
    assert asked_twice(place, str(place.manifests), "--jobs", "3") == 1


def test_without_a_working_folder_builds_go_on(place: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: (_ for _ in ()).throw(FileNotFoundError("no such folder")))
    assert answers.question([place.manifests], Settings(cache=tmp_path), ()) is None


def test_an_answer_that_goes_while_it_is_read_is_none(place: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*given: object) -> None:
        raise FileNotFoundError("record.json")

    monkeypatch.setattr(answers.Cache, "peek", gone)
    asked = answers.question([place.manifests], Settings(cache=place.folder), ())
    assert asked is not None and asked.answer() is None


def test_what_the_projects_own_code_is_made_of_is_looked_for_each_time(
    place: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgec.sources import torchvision

    assert asked_twice(place, str(place.manifests), "--jobs", "3") == 0
    monkeypatch.setattr(torchvision, "RUNS_CODE", True)
    assert asked_twice(place, str(place.manifests), "--jobs", "4") == 1


def test_what_a_shell_counts_changes_nothing(place: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHLVL", "99")
    assert not place.looked()


def test_the_same_content_written_again_is_the_same(place: Asked) -> None:
    manifest = place.manifests / "one.yaml"
    manifest.write_bytes(manifest.read_bytes())
    assert not place.looked()


def test_a_damaged_answer_is_none(place: Asked, tmp_path: Path) -> None:
    for record in (tmp_path / "cache" / "answer").glob("*/record.json"):
        record.write_bytes(record.read_bytes().replace(b"unchanged", b"untouched"))
    assert place.looked()


def test_what_fails_is_tried_again(place: Asked) -> None:
    place.edit("2MB", "1kB")
    assert place.ask()["exit_code"] == 5
    assert place.looked()


def test_warnings_are_told_again(place: Asked) -> None:
    (place.manifests / "notes.yaml").write_text("a: 1")
    first, again = place.ask(), place.ask()
    assert [item["code"] for item in again["diagnostics"]] == ["no-api-version"] and again == {
        **first, "outcomes": again["outcomes"], "summary": again["summary"]
    }  # fmt: skip


def test_for_people_an_answer_has_the_same_words_on_both_streams(place: Asked) -> None:
    (place.manifests / "notes.yaml").write_text("a: 1")
    said = [CliRunner().invoke(group, ["build", str(place.manifests)], standalone_mode=False) for _ in range(3)]
    looks = place.looks
    last = CliRunner().invoke(group, ["build", str(place.manifests)], standalone_mode=False)
    assert place.looks == looks
    assert (last.stdout, last.stderr) == (said[1].stdout, said[1].stderr) and "no-api-version" in last.stderr
    assert "unchanged" in last.stdout or "since" in last.stdout


def test_a_change_while_a_build_runs_is_not_taken_for_what_was_built(place: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgec import pipeline

    whole = pipeline.build

    def disturbed(*given: object) -> object:
        (place.manifests / "one.yaml").write_text((place.manifests / "one.yaml").read_text().replace("3MB", "5MB"))
        return whole(*given)  # type: ignore[arg-type]

    place.edit("2MB", "3MB")
    monkeypatch.setattr(pipeline, "build", disturbed)
    place.ask()
    monkeypatch.setattr(pipeline, "build", whole)
    limits = [item["budget"]["limit"] for item in place.ask()["outcomes"][0]["verdicts"]]
    assert 5e6 in limits, "the second build is of the file as it is now"


def test_an_answer_that_cannot_be_kept_fails_no_build(place: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgec.diagnostics import Diagnostic, Failure

    def full(*given: object) -> None:
        raise Failure(Diagnostic(code="disk-full", message="the disk is full"))

    place.edit("2MB", "3MB")
    monkeypatch.setattr(answers.Question, "keep", full)
    done = CliRunner().invoke(group, ["build", str(place.manifests)], standalone_mode=False)
    assert done.return_value == 0 and "for the next time: the disk is full" in done.stderr


def test_json_has_no_other_fields_than_a_look_gives(place: Asked) -> None:
    answered = place.ask()
    (record,) = (path for path in (Path(os.environ["EDGEC_CACHE"]) / "answer").glob("*/record.json"))
    assert json.loads(json.loads(record.read_text())["out"]) == answered


def test_a_policy_is_looked_at_though_nothing_needs_it(place: Asked) -> None:
    policy = place.folder / "edgec.toml"
    policy.write_text('[versions]\ndowngrade = "refuse"\n')
    place.ask()
    (place.folder / "notes.txt").write_text("beside it")
    assert not place.looked()
    policy.write_text("keys = [[[")
    assert place.looked() and [item["code"] for item in place.ask()["diagnostics"]] == ["policy-invalid"]
    policy.unlink()
    place.ask()
    assert not place.looked()
    policy.symlink_to("gone.toml")
    assert [item["code"] for item in place.ask()["diagnostics"]] == ["policy-invalid"]
