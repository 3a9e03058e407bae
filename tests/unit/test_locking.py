"""A lock holds what a build reads and what came out; whatever is another is refused by name, and nothing is built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import stub_builds
from edgec.artifacts.bundle import Runner
from edgec.cli import group
from edgec.delegates import openvino
from edgec.stages import inputs


class Place:
    """A project with one manifest, its cache, and the command line with the stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.manifests = stub_builds.project(folder / "project", "one")
        self.lock = self.manifests / "one.yaml.lock"
        self.log = folder / "lowerings"
        self.log.touch()

    def run(self, *arguments: object) -> dict:
        named = [str(argument) for argument in (*arguments[:1], self.manifests, *arguments[1:])]
        done = CliRunner().invoke(group, [*named, "--output", "json"], standalone_mode=False, catch_exceptions=False)
        return json.loads(done.stdout)

    def codes(self, *arguments: object) -> list[str]:
        return [found["code"] for found in self.run(*arguments)["diagnostics"]]

    def record(self) -> dict:
        return json.loads(self.lock.read_text())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    found = Place(tmp_path)
    stub_builds.install(monkeypatch.setattr, found.log)
    return found


def test_without_a_build_a_lock_holds_the_inputs(place: Place) -> None:
    (row,) = place.run("lock")["locks"]
    assert (row["status"], row["targets"]) == ("new", {"linux-x86_64": None})
    record = place.record()
    assert record["inputs"]["model"].keys() == {"weights.safetensors"} and len(record["inputs"]["weights"]) == 64
    assert {"torch", "executorch", "jinja2", "python", "zlib"} <= record["inputs"]["packages"].keys()
    assert "executorch" in record["inputs"]["runtime"]["x86_64 glibc 2.27"]
    assert str(place.manifests) not in place.lock.read_text()
    done = place.run("build", "--locked")
    assert [found["code"] for found in done["diagnostics"]] == ["lock-incomplete"] and done["exit_code"] == 0


def test_after_a_build_it_holds_the_artifacts_too(place: Place) -> None:
    (outcome,) = place.run("build")["outcomes"]
    place.run("lock")
    artifact = place.record()["targets"]["linux-x86_64"]
    assert artifact["tarball"] == outcome["tarball_sha256"] and artifact["model"] == outcome["model_sha256"]
    assert place.codes("build", "--locked") == []
    assert place.run("lock")["locks"][0]["status"] == "current"
    assert place.codes("lock", "--check") == []


def test_a_rebuild_elsewhere_is_byte_identical(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = place.run("build")["outcomes"]
    place.run("lock")
    shutil.copytree(place.manifests.parent, tmp_path / "elsewhere")
    place.manifests = tmp_path / "elsewhere" / "manifests"
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "another cache"))
    shutil.rmtree(tmp_path / "elsewhere" / "out")
    done = place.run("build", "--locked", "--offline")
    assert done["exit_code"] == 0 and done["outcomes"][0]["tarball_sha256"] == first["tarball_sha256"]


def test_artifacts_stay_locked_where_no_build_of_them_is_known(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.run("build")
    place.run("lock")
    before = place.record()
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "another cache"))
    assert place.run("lock")["locks"][0]["status"] == "current" and place.record() == before
    (place.manifests / "weights.safetensors").write_bytes(b"other weights")
    stub_builds.write_manifest(place.manifests, "one")
    place.run("lock")
    assert place.record()["targets"] == {"linux-x86_64": None}


def edit(place: Place) -> str:
    path = place.manifests / "one.yaml"
    path.write_text(path.read_text() + "# a remark\n")
    return "manifest one.yaml"


def swap(place: Place) -> str:
    (place.manifests / "weights.safetensors").write_bytes(b"other weights")
    stub_builds.write_manifest(place.manifests, "one")
    return "model weights.safetensors"


@pytest.mark.parametrize("change", [edit, swap])
def test_drift_is_refused_by_name_and_nothing_is_built(change, place: Place) -> None:
    place.run("build")
    place.run("lock")
    lines = place.log.read_text()
    name = change(place)
    done = place.run("build", "--locked")
    assert done["exit_code"] == 7 and done["outcomes"] == [] and place.log.read_text() == lines
    found = [item for item in done["diagnostics"] if item["code"] == "lock-drift"]
    assert any(item["message"].startswith(f"{name} is ") for item in found)
    assert place.run("lock", "--check")["exit_code"] == 7
    place.run("lock")
    assert place.run("build", "--locked")["exit_code"] == 0


def test_another_package_and_another_edgec_are_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run("lock")
    versions = dict(inputs.installed())
    monkeypatch.setattr(inputs, "installed", lambda: {**versions, "torch": "0.0.1"})
    monkeypatch.setattr("edgec.stages.lock.source_digest", lambda: "0" * 64)
    told = [found["message"] for found in place.run("build", "--locked")["diagnostics"]]
    assert any(text.startswith("packages torch is 0.0.1, and was locked as") for text in told)
    assert any(text.startswith("edgec code is 000") for text in told)


def test_no_lock_is_refused(place: Place) -> None:
    assert place.codes("build", "--locked") == ["lock-missing"]
    assert place.run("lock", "--check")["exit_code"] == 7 and not place.lock.exists()
    place.lock.write_text("{")
    assert place.codes("build", "--locked") == ["lock-invalid"] and place.codes("lock", "--check") == ["lock-invalid"]


@pytest.mark.parametrize("content", ["{", "{}", "\0", "[" * 100_000])
def test_a_damaged_lock_is_written_anew_with_a_warning(content: str, place: Place) -> None:
    place.run("build")
    place.run("lock")
    whole = place.lock.read_bytes()
    place.lock.write_text(content)
    assert place.run("lock", "--check")["exit_code"] == 7 and place.lock.read_text() == content
    done = place.run("lock")
    (told,) = done["diagnostics"]
    assert (told["code"], told["severity"], done["exit_code"]) == ("lock-invalid", "warning", 0)
    assert "written anew" in told["message"] and done["locks"][0]["status"] == "changed"
    assert place.lock.read_bytes() == whole and place.codes("lock", "--check") == []


def test_another_bundle_from_the_same_inputs_is_not_written(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runner that comes out otherwise, which no input tells of: the first file that differs is named."""
    from edgec import workshop

    (first,) = place.run("build")["outcomes"]
    place.run("lock")
    made: Runner = workshop.runner_for()
    other = tmp_path / "another-run"
    other.write_text(made.executable.read_text() + "# otherwise\n")
    monkeypatch.setattr(
        workshop, "runner_for", lambda *given: Runner(executable=other, libraries=made.libraries, toolchain=made.toolchain)
    )
    Path(first["tarball"]).unlink()
    done = place.run("build", "--locked")
    (found,) = done["diagnostics"]
    assert (done["exit_code"], found["code"]) == (7, "not-reproduced") and "bin/edgec-run has sha256" in found["message"]
    assert not Path(first["tarball"]).exists()
    assert place.run("build")["exit_code"] == 0


def test_a_bundle_on_the_disk_is_held_against_the_lock_too(place: Place) -> None:
    """An unchanged bundle that is not the locked one is no reason to say that all is well."""
    place.run("build")
    place.run("lock")
    record = place.record()
    record["targets"]["linux-x86_64"]["tarball"] = "0" * 64
    record["targets"]["linux-x86_64"]["files"]["model.pte"] = "0" * 64
    place.lock.write_text(json.dumps(record))
    assert place.codes("build", "--locked") == ["not-reproduced"]
    assert place.run("build")["outcomes"][0]["status"] == "unchanged"


EACH = [("linux-x86_64",), ("raspberry-pi-4",), ("linux-x86_64", "raspberry-pi-4")]


@pytest.mark.parametrize("chosen", EACH, ids="+".join)
def test_what_only_other_targets_need_is_not_gone(chosen: tuple[str, ...], place: Place) -> None:
    """One target is for Arm, and has another runtime pack and toolchain than the other."""
    stub_builds.write_manifest(place.manifests, "one", targets="linux-x86_64, raspberry-pi-4")
    place.run("lock")
    asked = [word for name in chosen for word in ("--target", name)]
    assert set(place.codes("build", "--locked", *asked)) == {"lock-incomplete"}
    record = place.record()
    record["inputs"]["runtime"] = {name: {"executorch": "0" * 64} for name in record["inputs"]["runtime"]}
    place.lock.write_text(json.dumps(record))
    done = place.run("build", "--locked", *asked)
    assert done["exit_code"] == 7 and done["outcomes"] == []
    told = [found["message"] for found in done["diagnostics"]]
    assert {"aarch64" in text for text in told} == {name == "raspberry-pi-4" for name in chosen}


def test_what_every_target_reads_is_never_left_out(place: Place) -> None:
    stub_builds.write_manifest(place.manifests, "one", targets="linux-x86_64, raspberry-pi-4")
    place.run("lock")
    record = place.record()
    record["inputs"]["data"] = {"gone.png": "0" * 64}
    place.lock.write_text(json.dumps(record))
    (found,) = place.run("build", "--locked", "--target", "linux-x86_64")["diagnostics"]
    assert found["code"] == "lock-drift" and found["message"].startswith("data gone.png is gone")


@pytest.mark.skipif(bool(openvino.missing()), reason="a target whose delegate cannot be had here is left out of a lock")
@pytest.mark.parametrize("chosen", ["linux-x86_64", "intel"])
def test_packages_of_every_targets_delegates_are_locked(chosen: str, place: Place) -> None:
    targets = "linux-x86_64, {base: linux-x86_64, name: intel, delegate: [openvino, xnnpack]}"
    stub_builds.write_manifest(place.manifests, "one", targets=targets)
    place.run("lock")
    assert "nncf" in place.record()["inputs"]["packages"]
    assert set(place.codes("build", "--locked", "--target", chosen)) == {"lock-incomplete"}


def tampered(place: Place, *keys: str, value: object = "0" * 64) -> None:
    """Write another value into the lock, at the route ``keys``."""
    record = part = place.record()
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    place.lock.write_text(json.dumps(record))


ARTIFACT = ("targets", "linux-x86_64")
LOCKED = [("model",), ("bundle",), ("tarball",), ("files", "model.pte"), ("files", "README.md")]


@pytest.mark.parametrize("route", LOCKED, ids=".".join)
def test_every_locked_digest_is_compared(route: tuple[str, ...], place: Place) -> None:
    place.run("build")
    place.run("lock")
    tampered(place, *ARTIFACT, *route)
    done = place.run("lock", "--check")
    (found,) = done["diagnostics"]
    assert (found["code"], done["exit_code"]) == ("lock-drift", 7) and "and had 0000" in found["message"]
    assert done["locks"][0]["status"] == "changed"
    assert place.codes("build", "--locked") == ["not-reproduced"]


OTHERS = [("name",), ("version",), ("more",), ("targets", "other")]


@pytest.mark.parametrize("route", OTHERS, ids=".".join)
def test_check_names_whatever_else_differs(route: tuple[str, ...], place: Place) -> None:
    place.run("build")
    place.run("lock")
    tampered(place, *route, value=None if route[-1] == "other" else "another")
    done = place.run("lock", "--check")
    (found,) = done["diagnostics"]
    assert (found["code"], done["exit_code"]) == ("lock-drift", 7) and route[-1] in found["message"]


def test_a_lock_from_before_the_build_is_no_drift_and_its_line_says_what_is_missing(place: Place) -> None:
    place.run("lock")
    place.run("build")
    done = place.run("lock", "--check")
    assert done["exit_code"] == 0 and done["diagnostics"] == []
    assert (done["locks"][0]["status"], done["locks"][0]["unlocked"]) == ("changed", ["linux-x86_64"])
    shown = CliRunner().invoke(group, ["lock", "--check", str(place.manifests)], standalone_mode=False).stdout
    assert "built since, `edgec lock` adds the artifacts of: linux-x86_64" in shown
    place.run("lock")
    assert place.run("lock", "--check")["locks"][0]["unlocked"] == []


@pytest.mark.parametrize("verb", [("lock", "--check"), ("build", "--locked")], ids=" ".join)
def test_a_malformed_artifact_is_refused(verb: tuple[str, ...], place: Place) -> None:
    place.run("lock")
    tampered(place, *ARTIFACT, value=5)
    assert place.codes(*verb) == ["lock-invalid"]


def test_a_check_says_what_a_lock_would_be(place: Place) -> None:
    def line(*arguments: str) -> str:
        return CliRunner().invoke(group, ["lock", str(place.manifests), *arguments], standalone_mode=False).stdout

    assert line("--check").startswith("would be new ") and not place.lock.exists()
    assert place.run("lock", "--check")["locks"][0]["written"] is False
    assert line().startswith("new ") and line("--check").startswith("current ") and line().startswith("current ")
    manifest = place.manifests / "one.yaml"
    manifest.write_text(manifest.read_text() + "# a remark\n")
    assert line("--check").startswith("would be changed ")
    assert place.run("lock")["locks"][0]["written"] is True


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_what_is_in_the_place_of_a_lock_is_told_the_same_way(options: list[str], place: Place) -> None:
    place.lock.mkdir()
    done = place.run("lock", *options)
    assert done["exit_code"] == 8 and [found["code"] for found in done["diagnostics"]] == ["not-readable"]
    assert done["diagnostics"][0]["message"] == f"{place.lock} is not a regular file"
    assert place.codes("build", "--locked") == ["not-readable"]
