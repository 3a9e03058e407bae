"""The same command again is answered without planning; whatever an answer rests on is another, everything is looked at."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import stub_builds
from edgec import answers
from edgec.cli import group
from edgec.commands import build
from edgec.store import marks
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
    assert done.return_value == 0 and "not kept: the disk is full" in done.stderr


def test_json_has_no_other_fields_than_a_look_gives(place: Asked) -> None:
    answered = place.ask()
    (record,) = (path for path in (Path(os.environ["EDGEC_CACHE"]) / "answer").glob("*/record.json"))
    assert json.loads(json.loads(record.read_text())["out"]) == answered
