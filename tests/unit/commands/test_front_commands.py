"""list, explain, schema, init and doctor: what they print, for people and programs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgec.cli import group
from edgec.codes import CODES
from edgec.diagnostics import Failure
from edgec.stages.fields import fields
from edgec.stages.schema import manifest_schema

PICTURE = Path(__file__).parents[2] / "cases" / "valid" / "full" / "data" / "test" / "no" / "1.png"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(argument) for argument in arguments], standalone_mode=False)


def test_list_names_everything() -> None:
    data = json.loads(run("list", "--output", "json").stdout)
    assert set(data) == {"schema", "sources", "datasets", "recipes", "delegates", "metrics", "tasks", "targets"}
    text = run("list").stdout
    for rows in data.values():
        for row in rows if isinstance(rows, list) else ():
            assert row["summary"] and row["name"] in text
    assert run("list", "targets").stdout.startswith("  jetson-nano")


TOPICS = [
    *CODES,
    *(field.path for field in fields(manifest_schema())),
    *("jetson-nano", "cortex-a76", "int8", "xnnpack", "top1", "torchvision", "image-folder", "classification"),
]


def test_explain_knows_every_topic() -> None:
    from edgec.commands.explain import _told, _topics

    told = {entry["name"]: _told(entry) for entry in _topics()}
    assert set(TOPICS) <= set(told)
    assert all(text.count("\n") >= 1 for text in told.values())


def test_explain_a_field_and_its_plugins() -> None:
    text = run("explain", "inputs.image.fit").stdout
    assert "stretch, cover, contain" in text and "default: cover" in text.replace("  ", " ").replace("  ", " ")
    assert "manifest field of torchvision" in run("explain", "model.weights").stdout
    assert json.loads(run("explain", "int8", "--output", "json").stdout)["topics"][0]["kind"] == "recipe"


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("budgets.latensy", "budgets.latency"),
        ("int-8", "int8"),
        ("metric", "budgets.accuracy.metric"),
        ("latency", "budgets.latency"),
        ("budgets.accuracy[0].min", "budgets.accuracy.min"),
        ("inputs[].image.fit", "inputs.image.fit"),
    ],
)
def test_explain_offers_the_nearest(asked: str, meant: str) -> None:
    failed = run("explain", asked)
    assert failed.return_value == 2 and f"'{meant}'" in failed.stderr and "[unknown-topic]" in failed.stderr


def test_schema_is_the_manifests() -> None:
    assert json.loads(run("schema").stdout) == manifest_schema()


def test_init_without_data_writes_a_manifest_that_validates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("init", "new", "--name", "cam").exit_code == 0
    assert run("validate", "--strict", "new").stdout == "ok: new/cam.yaml: cam 0.1.0 for linux-x86_64\n"


def test_init_uses_the_data_and_weights_it_finds(tmp_path: Path) -> None:
    for folder in (
        "data/train/no",
        "data/train/07",
        "data/test/no",
        "data/test/07",
        ".hidden/train/a",
        ".hidden/train/b",
    ):
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(PICTURE, tmp_path / folder / "1.png")
    (tmp_path / "best.safetensors").write_bytes(b"weights")
    done = run("init", tmp_path / "My Camera.yaml", "--output", "json")
    assert json.loads(done.stdout)["exit_code"] == 0
    text = (tmp_path / "My Camera.yaml").read_text()
    assert (
        'labels: ["07", "no"]' in text and "data/train" in text and "best.safetensors" in text and ".hidden" not in text
    )
    assert run("validate", "--strict", tmp_path / "My Camera.yaml").return_value == 0


def test_init_without_weights_for_its_classes_says_it_is_a_trial(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        shutil.copy(PICTURE, tmp_path / "train" / name / "1.png")
    assert "not for release" in run("init", tmp_path).stderr


def test_init_never_overwrites_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("mine")
    done = run("init", path)
    assert done.return_value == 2 and "[already-exists]" in done.stderr and path.read_text() == "mine"
    assert run("init", path, "--force").exit_code == 0 and path.read_text() != "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.yaml"]


@pytest.mark.parametrize("name", ["My_Cam", "", "-a", "a\n"])
def test_init_refuses_names_that_are_no_label(name: str, tmp_path: Path) -> None:
    assert run("init", tmp_path, "--name", name).exit_code != 0
    assert not list(tmp_path.iterdir())


def test_doctor_is_content_here_or_says_what_is_needed() -> None:
    data = json.loads(run("doctor", "--output", "json").stdout)
    names = {row["name"] for row in data["findings"]}
    assert {"python", "torch", "executorch", "disk"} <= names
    needed = [row for row in data["findings"] if row["needed"] and row["status"] == "missing"]
    assert data["exit_code"] == (6 if needed else 0)


def test_doctor_misses_a_wrong_version_and_the_hosts_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgec.commands import doctor
    from edgec.diagnostics import Diagnostic

    def no_compiler(architecture: str, glibc: str) -> None:
        raise Failure(Diagnostic(code="tool-missing", message="no g++", hint="install it"))

    version = doctor.metadata.version
    monkeypatch.setattr("edgec.runtime.toolchain.toolchain", no_compiler)
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "2.12.0+cpu" if name == "torch" else version(name))
    done = run("doctor")
    assert done.return_value == 6
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("missing")}
    assert "2.13.0 is needed" in lines["torch"] and "no g++" in done.stdout
    assert any(line.startswith("note") and "runner for aarch64" in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("place", ["x" * 300, f"{'x' * 300}/a.yaml", "circle", "circle/a.yaml"], ids=len)
def test_init_where_nothing_can_be_written_says_so(place: str, tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    failed = run("init", tmp_path / place)
    assert failed.return_value == 8 and "[not-writable]" in failed.stderr


def test_init_passes_over_weights_that_are_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").symlink_to("gone")
    (tmp_path / "b.safetensors").symlink_to("b.safetensors")
    (tmp_path / "c.safetensors").mkdir()
    assert run("init", tmp_path, "--name", "cam").return_value is None
    assert "safetensors}" not in (tmp_path / "cam.yaml").read_text()


def pictures(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(PICTURE, folder / "1.png")


def begun(folder: Path) -> str:
    """Let `init` write a manifest, which `validate` then takes; return its text."""
    done = run("init", folder, "--name", "cam")
    assert done.exit_code == 0 and done.return_value is None, done.stderr
    assert run("validate", folder / "cam.yaml").return_value == 0
    return (folder / "cam.yaml").read_text(encoding="utf-8")


def test_init_writes_names_as_they_are(tmp_path: Path) -> None:
    pictures(*(tmp_path / "train" / name for name in ("😀", "été", "می\u200cخواهم")))
    assert 'labels: ["été", "می\u200cخواهم", "😀"]' in begun(tmp_path)


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\nb", "a\u202eb".encode(), b"\x7f"])
def test_init_passes_over_data_whose_names_no_manifest_holds(name: bytes, tmp_path: Path) -> None:
    folder = os.fsdecode(name)
    pictures(*(tmp_path / "a" / "train" / entry for entry in ("no", "yes", folder)))
    pictures(*(tmp_path / folder / "train" / entry for entry in ("one", "two")))
    (tmp_path / f"{folder}.safetensors").write_bytes(b"weights")
    pictures(*(tmp_path / "z" / "train" / entry for entry in ("day", "night")))
    text = begun(tmp_path)
    assert 'labels: ["day", "night"]' in text and "{random: 0}" in text


def test_init_looks_as_the_loaders_do(tmp_path: Path) -> None:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    project = tmp_path / "project"
    pictures(tmp_path / "elsewhere", *(project / "train" / name for name in ("no", "yes", ".thumbnails")))
    pictures(*(project / "test" / name for name in ("no", "yes")))
    (project / "test" / "linked").symlink_to(tmp_path / "elsewhere")
    pictures(*(project / "eval" / name for name in ("no", "yes")))
    (project / "eval" / "beside.png").symlink_to("no/1.png")
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    (project / "a.safetensors").symlink_to("../a.safetensors")
    text = begun(project)
    assert 'labels: ["no", "yes"]' in text and '"train"' in text and "evaluation:" not in text and "random: 0" in text


def _linked(place: Path) -> None:
    (place / "more").symlink_to("no")


def _beside(place: Path) -> None:
    shutil.copy(PICTURE, place / "1.png")


def _nowhere(place: Path) -> None:
    (place / "no" / "2.png").symlink_to("gone.png")


def _unwritable(place: Path) -> None:
    pictures(place / "a\u202eb")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_linked, "'more' is a symbolic link to a folder: not followed"),
        (_beside, "1 pictures lie in no class folder, beside 2 class folders (move each picture into the folder of its class)"),
        (_nowhere, "'no/2.png' is not a file, or a link that leads nowhere"),
        (_unwritable, "no manifest can hold the class 'a\\u202eb' (rename it:"),
    ],
)
def test_init_says_which_data_it_leaves_out_and_why(spoil: Callable[[Path], None], why: str, tmp_path: Path) -> None:
    pictures(*(tmp_path / "data" / role / name for role in ("training", "test") for name in ("no", "yes")))
    spoil(tmp_path / "data" / "training")
    done = run("init", tmp_path, "--name", "cam")
    lines = [line for line in done.stderr.splitlines() if "left out" in line]
    assert len(lines) == 1 and lines[0].startswith(f"warning: 'data/training' is left out, as data for calibration: {why}")
    assert "calibration:" not in (tmp_path / "cam.yaml").read_text() and "evaluation:" in (tmp_path / "cam.yaml").read_text()
    told = json.loads(run("init", tmp_path, "--name", "cam", "--force", "--output", "json").stdout)["diagnostics"]
    assert [item["severity"] for item in told if "left out" in item["message"]] == ["warning"]


def test_init_says_nothing_of_folders_without_classes(tmp_path: Path) -> None:
    pictures(tmp_path / "train", tmp_path / "test" / "a")
    assert "left out" not in run("init", tmp_path, "--name", "cam").stderr


def test_init_leaves_no_file_that_does_not_validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.commands.starter._task", lambda found: "task: nonsense\n")
    failed = run("init", tmp_path, "--name", "cam")
    assert failed.return_value == 3 and "nonsense" in failed.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_init_says_of_a_folder_that_it_is_one(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "dd.yaml").mkdir()
    failed = run("init", tmp_path / "dd.yaml", *options)
    assert failed.return_value == 2 and "dd.yaml is a folder" in failed.stderr and "--force" not in failed.stderr
    assert "[already-exists]" in failed.stderr and not list((tmp_path / "dd.yaml").iterdir())


@pytest.mark.parametrize(
    ("place", "word"), [("my models/cam.yaml", "'my models/cam.yaml'"), ("-x.yaml", "./-x.yaml"), ("a.yaml", "a.yaml")]
)
def test_init_says_what_comes_next_as_a_shell_takes_it(
    place: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"next: edgec validate {word} && edgec build {word}\n" in run("init", "--", place).stderr
