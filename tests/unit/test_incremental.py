"""What a second build does, by the real command line around a stand-in for the lowering: only what changed, and why."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import bundle_parts
import stub_builds
from edgec import trials
from edgec.artifacts.bundle import Bundle, Written
from edgec.cli import group
from edgec.diagnostics import Diagnostic, Failure
from edgec.stages import write
from edgec.store.cache import Cache
from stub_builds import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    found = Place(tmp_path)
    stub_builds.install(monkeypatch.setattr, found.log)
    return found


def test_the_second_build_does_nothing_and_says_since_when(place: Place) -> None:
    first = place.run("build")
    again = place.run("build")
    assert place.lowered() == ["one"]
    (before,), (after,) = first["outcomes"], again["outcomes"]
    assert (before["status"], after["status"], again["summary"]["unchanged"]) == ("built", "unchanged", 1)
    assert after["since"] and {**after, "since": None, "status": "built"} == before


def test_what_the_evaluation_data_cannot_show_is_told_each_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    gap = Diagnostic(code="data-labels", message="auc is left out", severity="warning")
    known = trials.appraisal
    monkeypatch.setattr(trials, "appraisal", lambda *given: replace(known(*given), gaps=(gap,)))
    for status in ("built", "unchanged"):
        done = place.run("build")
        assert [outcome["status"] for outcome in done["outcomes"]] == [status] and done["exit_code"] == 0
        assert [item["message"] for item in done["diagnostics"]].count("auc is left out") == 1


def test_a_changed_budget_is_judged_without_lowering(place: Place) -> None:
    place.run("build")
    place.lowered()
    place.edit("2MB", "1kB")
    done = place.run("build")
    assert place.lowered() == [] and done["exit_code"] == 5
    assert done["outcomes"][0]["status"] == "rejected"
    assert place.statuses() == ["rejected"]  # never taken for done
    place.edit("1kB", "2MB")
    assert place.statuses() == ["unchanged"]  # what was accepted lies there still
    place.edit("2MB", "3MB")
    assert place.statuses() == ["built"] and place.lowered() == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("version: 1.0.0", "version: 1.0.1"), ("name: one", "name: two"), ("targets", "description: Sees.\ntargets"),
     ("targets", "# a remark\ntargets"), ("targets", "runtime: {threads: 1}\ntargets")],
)  # fmt: skip
def test_what_the_lowering_does_not_read_renders_anew(place: Place, old: str, new: str) -> None:
    place.run("build")
    place.lowered()
    place.edit(old, new)
    assert place.statuses() == ["built"] and place.lowered() == []


def test_another_target_of_the_same_lowering_only_renders(place: Place) -> None:
    place.run("build")
    place.lowered()
    place.edit("[linux-x86_64]", "[linux-x86_64, jetson-nano]")
    assert place.statuses() == ["built", "built"] and place.lowered() == []


@pytest.mark.parametrize(("cores", "writers"), [(1, 1), (2, 2), (8, 3)])
def test_bundles_are_written_side_by_side_one_a_core(
    cores: int, writers: int, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write.write

    def noted(bundle: Bundle, out: Path, cache: Cache | None = None) -> Written:
        with (tmp_path / "writers").open("a") as log:
            log.write(f"{os.getpid()}\n")
        end = time.monotonic() + 60
        while len((tmp_path / "writers").read_text().split()) < writers:  # as many are at work at once
            assert time.monotonic() < end, "nobody works beside this one"
            time.sleep(0.01)
        return real(bundle, out, cache)

    monkeypatch.setattr(write, "write", noted)
    monkeypatch.setattr("edgec.cores.cores", lambda: cores)
    place.edit("[linux-x86_64]", "[linux-x86_64, jetson-nano, raspberry-pi-5]")
    done = place.run("build")
    assert [outcome["target"] for outcome in done["outcomes"]] == ["linux-x86_64", "jetson-nano", "raspberry-pi-5"]
    assert done["exit_code"] == 0 and place.statuses() == ["unchanged"] * 3
    pids = (tmp_path / "writers").read_text().split()
    assert len(pids) == 3 and len(set(pids)) == writers and str(os.getpid()) in pids


def test_what_fails_in_a_fork_is_told_as_here(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(bundle: Bundle, out: Path, cache: Cache | None = None) -> Written:
        cache.damaged("the entry", "why") if cache and cache.damaged else None
        raise Failure(Diagnostic(code="disk-full", message=f"no room for {bundle.target}"))

    monkeypatch.setattr(write, "write", full)
    monkeypatch.setattr("edgec.cores.cores", lambda: 2)
    place.edit("[linux-x86_64]", "[linux-x86_64, jetson-nano]")
    done = place.run("build")
    assert done["exit_code"] == 8
    assert [found["message"] for found in done["diagnostics"] if found["code"] == "disk-full"] == [
        "no room for linux-x86_64", "no room for jetson-nano"
    ]  # fmt: skip
    assert [found["code"] for found in done["diagnostics"]].count("cache-damaged") == 1


def test_a_bug_in_a_fork_stops_no_other_bundle(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = write.write

    def odd(bundle: Bundle, out: Path, cache: Cache | None = None) -> Written:
        written = real(bundle, out, cache)
        return replace(written, report=lambda: "no pickle") if bundle.target == "linux-x86_64" else written  # type: ignore[arg-type]

    monkeypatch.delenv("EDGEC_DEBUG", raising=False)
    monkeypatch.setattr(write, "write", odd)
    monkeypatch.setattr("edgec.cores.cores", lambda: 2)
    place.edit("[linux-x86_64]", "[linux-x86_64, jetson-nano]")
    done = place.run("build")
    assert done["exit_code"] == 1 and [found["code"] for found in done["diagnostics"]] == ["internal-error"]
    assert [outcome["status"] for outcome in done["outcomes"]] == ["failed", "built"]


def test_other_weights_lower_anew(place: Place) -> None:
    place.run("build")
    (place.manifests / "weights.safetensors").write_bytes(b"other weights")
    stub_builds.write_manifest(place.manifests, "one")
    assert place.statuses() == ["built"] and place.lowered() == ["one", "one"]


def test_a_damaged_lowering_is_made_anew_with_a_warning(place: Place, tmp_path: Path) -> None:
    place.run("build")
    place.lowered()
    (model,) = (tmp_path / "cache" / "lowered").glob("*/model.pte")
    model.write_bytes(b"flipped")
    place.edit("2MB", "3MB")
    done = place.run("build")
    assert place.lowered() == ["one"] and done["exit_code"] == 0
    assert [(found["code"], found["severity"]) for found in done["diagnostics"]] == [("cache-damaged", "warning")]
    model.write_bytes(b"flipped")
    place.edit("3MB", "4MB")
    assert [found["severity"] for found in place.run("build", "--strict")["diagnostics"]] == ["note"]


def test_a_bundle_that_is_gone_is_put_together_again(place: Place) -> None:
    first = place.run("build")["outcomes"][0]
    Path(first["tarball"]).unlink()
    again = place.run("build")["outcomes"][0]
    assert (again["status"], again["tarball_sha256"]) == ("built", first["tarball_sha256"])
    assert place.lowered() == ["one"]


def test_without_a_cache_everything_is_made(place: Place) -> None:
    place.run("build")
    assert place.statuses("--no-cache") == ["built"] and place.lowered() == ["one", "one"]


def test_one_failure_stops_nothing_else(place: Place) -> None:
    (place.manifests / "broken.bin").write_bytes(b"broken")
    stub_builds.write_manifest(place.manifests, "broken", "broken.bin")
    for name in ("three", "two"):
        stub_builds.write_manifest(place.manifests, name)
    done = place.run("build", "--jobs", "2")
    assert [(outcome["name"], outcome["status"]) for outcome in done["outcomes"]] == [
        ("broken", "failed"), ("one", "built"), ("three", "built"), ("two", "built")
    ]  # fmt: skip
    assert place.lowered() == ["one"]  # which the other two share
    assert done["exit_code"] == 4 and done["summary"] == {"targets": 4, "built": 3, "unchanged": 0, "rejected": 0, "failed": 1}
    text = CliRunner().invoke(group, ["build", str(place.manifests)], standalone_mode=False)
    assert "4 targets: 3 unchanged, 1 failed" in text.stdout and "exit 4: lower-failed" in text.stdout
    assert "one for linux-x86_64: built" not in text.stderr


def plan(place: Place, *arguments: object) -> dict:
    return place.run("plan", *arguments)["forecasts"][0]


def test_a_plan_says_what_runs_and_why(place: Place) -> None:
    assert (plan(place)["action"], plan(place)["why"]) == ("lower", ["no earlier build of this target is known here"])
    place.run("build")
    done = plan(place)
    assert done["action"] == "nothing" and done["of_this_artifact"] and done["size_bytes"] == 1300
    place.edit("2MB", "1kB")
    changed = plan(place)
    assert (changed["action"], changed["why"]) == ("render", ["budgets.size"])
    standing = {budget["budget"]: budget["standing"] for budget in changed["budgets"]}
    assert standing == {"size": "missed", "latency.p90": "kept"}
    place.edit("1kB", "1.4kB")
    assert next(budget for budget in plan(place)["budgets"] if budget["budget"] == "size")["standing"] == "tight"
    place.edit("fp32", "int8-dynamic")
    assert (plan(place)["action"], plan(place)["why"]) == ("lower", ["quantization.name"])


def test_a_plan_names_the_file_that_changed(place: Place) -> None:
    place.run("build")
    (place.manifests / "weights.safetensors").write_bytes(b"other weights")
    stub_builds.write_manifest(place.manifests, "one")
    found = plan(place)
    assert found["action"] == "lower" and found["why"] == ["model.weights", "file manifests/weights.safetensors"]
    assert found["changed_since"] and not found["of_this_artifact"]


def test_a_cached_lowering_that_the_last_build_did_not_use_lends_only_its_own_figures(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.edit("2MB", "2kB, delegation: 90%")
    place.run("build")
    lowered = bundle_parts.lowered
    monkeypatch.setattr(bundle_parts, "lowered", lambda folder: replace(lowered(folder), pte_bytes=9000, operators=()))
    place.edit("fp32", "int8-dynamic")
    place.run("build")
    place.edit("int8-dynamic", "fp32")
    found = plan(place)
    assert (found["action"], found["size_bytes"], found["of_this_artifact"]) == ("nothing", 1300, False)
    told = {item["budget"]: (item["standing"], item["last_figure"], item["of_this_artifact"]) for item in found["budgets"]}
    assert told["size"] == ("kept", "1.30 kB", True) and told["delegation"][::2] == ("kept", True)
    assert told["latency.p90"][::2] == ("kept", False)
    done = CliRunner().invoke(group, ["plan", str(place.manifests)], standalone_mode=False)
    assert "expected     1.30 kB\n" in done.stdout and "1.30 kB, kept\n" in done.stdout
    assert "1.5 ms, kept (the last build's, of what has changed since)\n" in done.stdout


def test_a_plan_is_what_the_build_then_does(place: Place) -> None:
    """Each edit's forecast holds: nothing is unchanged, render lowers nothing, lower lowers."""
    for old, new in (("fp32", "fp32"), ("2MB", "3MB"), ("fp32", "int8-dynamic"), ("int8-dynamic", "fp32")):
        place.edit(old, new)
        action = plan(place)["action"]
        place.lowered()
        (status,) = place.statuses()
        assert (status == "unchanged", bool(place.lowered())) == (action == "nothing", action == "lower")


def test_one_thread_is_no_threads(place: Place) -> None:
    place.edit("targets", "runtime: {threads: 1}\ntargets")
    for verb in ("plan", "build"):
        done = CliRunner().invoke(group, [verb, str(place.manifests)], standalone_mode=False)
        assert "1 thread\n" in done.stdout and "1 threads" not in done.stdout


def test_a_comment_for_a_pull_request(place: Place) -> None:
    place.run("build")
    place.edit("2MB", "1kB")
    done = CliRunner().invoke(group, ["plan", str(place.manifests), "--output", "github"], standalone_mode=False)
    assert done.stdout.startswith("### edgec plan\n\n1 of 1 targets would be built, 0 lowerings run; 1 budgets would be missed")
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("| one 1.0.0")]
    assert "judge and render" in row and "`budgets.size`" in row and "size: 1.30 kB, would be missed" in row
    assert "<details><summary>one 1.0.0 for linux-x86_64</summary>" in done.stdout


def test_since_builds_only_what_changed(place: Place) -> None:
    stub_builds.write_manifest(place.manifests, "two")
    (place.folder / ".git").rmdir()
    for arguments in (["init", "-q"], ["add", "-A"], ["-c", "user.name=n", "-c", "user.email=e@e", "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(place.folder), *arguments], check=True)
    assert place.statuses("--since", "HEAD") == []
    place.edit("2MB", "3MB", "two")
    assert [outcome["name"] for outcome in place.run("build", "--since", "HEAD")["outcomes"]] == ["two"]
    assert len(place.run("plan", "--since", "HEAD")["forecasts"]) == 1
    (place.manifests / "weights.safetensors").write_bytes(b"other weights")
    for name in ("one", "two"):
        stub_builds.write_manifest(place.manifests, name)
    assert place.statuses("--since", "HEAD") == ["built", "built"]
    refused = CliRunner().invoke(group, ["build", str(place.manifests), "--since", "nowhere"], standalone_mode=False)
    assert refused.return_value == 2 and "[since-unknown]" in refused.stderr


@pytest.mark.parametrize("below", ["", "out"])
def test_a_place_for_bundles_that_cannot_be_is_refused_by_the_build_alone(below: str, place: Place) -> None:
    place.run("build")
    out = place.folder / ("x" * 300) / below
    assert place.run("plan", "--out", out)["exit_code"] == 0
    done = place.run("build", "--out", out)
    assert (done["exit_code"], [found["code"] for found in done["diagnostics"]]) == (8, ["not-writable"])


@pytest.mark.parametrize("verb", ["validate", "plan", "build", "lock"])
def test_a_broken_policy_is_told_of_once_though_no_manifest_needs_it(verb: str, place: Place) -> None:
    stub_builds.write_manifest(place.manifests, "two")
    (place.folder / "edgec.toml").write_text("keys = [[[")
    found = place.run(verb)
    assert ([item["code"] for item in found["diagnostics"]], found["exit_code"]) == (["policy-invalid"], 3)
    assert not place.lowered() and not list(place.manifests.glob("*.lock"))


@pytest.mark.parametrize("verb", ["plan", "build"])
def test_a_broken_policy_that_is_named_takes_the_place_of_the_own(verb: str, place: Place) -> None:
    (place.folder / "edgec.toml").write_text("keys = [[[")
    (place.folder / "good.toml").write_text("")
    assert place.run(verb, "--policy", place.folder / "good.toml")["exit_code"] == 0
    found = place.run(verb, "--policy", place.manifests / "one.yaml")
    assert ([item["code"] for item in found["diagnostics"]], found["exit_code"]) == (["policy-invalid"], 3)


def test_since_sees_that_the_named_policy_has_changed(place: Place) -> None:
    (place.folder / ".git").rmdir()
    policy = place.folder / "ci" / "policy.toml"
    policy.parent.mkdir()
    policy.write_text("")
    for arguments in (["init", "-q"], ["add", "-A"], ["-c", "user.name=n", "-c", "user.email=e@e", "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(place.folder), *arguments], check=True)
    assert place.run("plan", "--since", "HEAD", "--policy", policy)["forecasts"] == []
    policy.write_text("# edited\n")
    assert len(place.run("plan", "--since", "HEAD", "--policy", policy)["forecasts"]) == 1
    assert place.run("plan", "--since", "HEAD")["forecasts"] == []
