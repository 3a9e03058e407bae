"""Folders of pictures: order, balance, labels, and what is wrong with a folder."""

import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edgec.artifacts.manifest import Dimension, Image, Input
from edgec.artifacts.project import Project
from edgec.datasets import image_folder
from edgec.diagnostics import Diagnostic, Failure

LABELS = ("cat", "dog")


def image_input(width: int = 4, height: int = 3) -> Input:
    shape = tuple(Dimension(minimum=size, maximum=size) for size in (1, height, width, 3))
    return Input(name="image", dtype="float32", shape=shape, image=Image(width=width, height=height))


def paint(path: Path, shade: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (4, 3), (shade, shade, shade)).save(path)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path.resolve() / "root"
    (root / "data").mkdir(parents=True)
    return Project(root=root, folder=root)


def check(project: Project, labels: tuple[str, ...] = LABELS, **options: object) -> list[Diagnostic]:
    return image_folder.check({"path": "data", **options}, project, [image_input()], labels)


def codes(findings: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in findings]


def test_samples_are_sorted_labelled_and_decoded_on_demand(project: Project) -> None:
    for number in range(3):
        paint(project.folder / "data" / "dog" / f"{number}.png", 10 + number)
        paint(project.folder / "data" / "cat" / f"{number}.JPG", 20 + number)
    assert check(project) == []
    samples = image_folder.samples({"path": "data"}, project, [image_input()], LABELS)
    assert [sample.id for sample in samples] == [f"cat/{n}.JPG" for n in range(3)] + [f"dog/{n}.png" for n in range(3)]
    assert [sample.label for sample in samples] == [0, 0, 0, 1, 1, 1]
    tensor = samples[4].tensors["image"]
    assert (tensor.shape, tensor.dtype) == ((1, 3, 4, 3), np.float32)
    assert np.all(tensor == 11)
    assert len(samples[1:3]) == 2


def test_a_sample_count_is_class_balanced(project: Project) -> None:
    for number in range(12):
        paint(project.folder / "data" / "cat" / f"{number:02}.png")
    for number in range(3):
        paint(project.folder / "data" / "dog" / f"{number}.png")
    samples = image_folder.samples({"path": "data", "samples": 8}, project, [image_input()], LABELS)
    assert [sample.label for sample in samples] == [0] * 5 + [1] * 3
    assert [path.name for path in image_folder.files({"path": "data", "samples": 4}, project)] == [
        "00.png", "06.png", "0.png", "1.png",
    ]  # fmt: skip


def test_a_flat_folder_has_no_labels(project: Project) -> None:
    paint(project.folder / "data" / "b.png")
    paint(project.folder / "data" / "a.jpeg")
    assert check(project) == []
    samples = image_folder.samples({"path": "data"}, project, [image_input()], LABELS)
    assert [(sample.id, sample.label) for sample in samples] == [("a.jpeg", None), ("b.png", None)]


def test_hidden_files_are_left_out(project: Project) -> None:
    paint(project.folder / "data" / "cat" / "._0.png")
    paint(project.folder / "data" / ".thumbs" / "0.png")
    paint(project.folder / "data" / "cat" / "0.png")
    paint(project.folder / "data" / "dog" / "0.png")
    assert [path.name for path in image_folder.files({"path": "data"}, project)] == ["0.png", "0.png"]
    assert check(project) == []


def test_no_folder(project: Project) -> None:
    (finding,) = image_folder.check({"path": "dta"}, project, [image_input()], LABELS)
    assert finding.code == "data-missing" and finding.hint == "did you mean 'data'?"
    assert finding.where is not None and finding.where.route == ("path",)


def test_an_empty_folder(project: Project) -> None:
    (project.folder / "data" / "notes.txt").write_text("hello")
    assert codes(check(project)) == [("data-empty", "error")]
    with pytest.raises(Failure, match="holds no PNG or JPEG"):
        image_folder.samples({"path": "data"}, project, [image_input()], LABELS)


def test_a_class_folder_without_a_label_and_a_label_without_a_picture(project: Project) -> None:
    paint(project.folder / "data" / "cats" / "0.png")
    unknown, missing, *others = check(project)
    assert (unknown.code, unknown.hint) == ("data-labels", "did you mean 'cat'?")
    assert "'data/cats'" in unknown.message
    assert (missing.code, missing.severity) == ("data-labels", "warning")
    assert "'cat', 'dog'" in missing.message and not others


def test_a_label_that_looks_the_same_is_told_to_be_in_another_normalisation(project: Project) -> None:
    paint(project.folder / "data" / "cafe\u0301" / "0.png")
    unknown, _ = check(project, ("caf\u00e9", "dog"))
    assert unknown.hint is not None and unknown.hint.startswith("'caf\u00e9' only looks the same: it is in another Unicode")


def test_pictures_beside_class_folders(project: Project) -> None:
    for name in ("cat/0.png", "dog/0.png", "stray.png"):
        paint(project.folder / "data" / name)
    assert codes(check(project)) == [("data-labels", "error")]


@pytest.mark.parametrize("suffix", ["webp", "jfif", "jpe", "ppm", "pgm"])
def test_pictures_of_other_formats_and_names_are_named(project: Project, suffix: str) -> None:
    for name in ("cat/0.png", "dog/0.png", f"dog/1.{suffix}"):
        paint(project.folder / "data" / name)
    (finding,) = check(project)
    assert (finding.code, finding.severity) == ("data-unreadable", "warning")
    assert f"none of .png, .jpg, .jpeg: 1, first 'data/dog/1.{suffix}'" in finding.message


def test_a_name_that_is_not_utf8_is_refused_in_words_that_are(project: Project) -> None:
    paint(project.folder / "data" / "cat" / "0.png")
    (project.folder / "data" / "cat" / "0.png").rename(os.fsdecode(os.fsencode(project.folder) + b"/data/cat/caf\xe9.png"))
    (finding,) = check(project)
    assert (finding.code, finding.message) == ("data-unreadable", r"the name of 'cat/caf\udce9.png' is not UTF-8")
    assert finding.hint == "rename the file or its folder"
    with pytest.raises(Failure, match="is not UTF-8"):
        image_folder.files({"path": "data"}, project)


def test_links_may_not_leave_the_root(project: Project, tmp_path: Path) -> None:
    paint(tmp_path / "outside" / "0.png")
    paint(project.folder / "data" / "cat" / "0.png")
    (project.folder / "data" / "cat" / "1.png").symlink_to(tmp_path / "outside" / "0.png")
    assert codes(check(project)) == [("path-outside-root", "error")]
    (project.folder / "data" / "cat" / "1.png").unlink()
    (project.folder / "data" / "dog").symlink_to(tmp_path / "outside")
    assert codes(check(project)) == [("data-unreadable", "error")]
    assert codes(image_folder.check({"path": "../outside"}, project, [image_input()], LABELS)) == [
        ("path-outside-root", "error")
    ]


def test_a_link_inside_the_root_is_followed_and_a_dangling_one_refused(project: Project) -> None:
    paint(project.folder / "store" / "x.png")
    (project.folder / "data" / "a.png").symlink_to(project.folder / "store" / "x.png")
    assert check(project) == []
    (project.folder / "data" / "b.png").symlink_to(project.folder / "store" / "none.png")
    assert codes(check(project)) == [("data-unreadable", "error")]


@pytest.mark.parametrize("leads", ["b.png", "x" * 300], ids=["circle", "long"])
def test_a_link_in_a_circle_or_to_a_name_too_long_is_refused_as_a_dangling_one(leads: str, project: Project) -> None:
    paint(project.folder / "data" / "a.png")
    (project.folder / "data" / "b.png").symlink_to(leads)
    assert [(found.code, found.message) for found in check(project)] == [
        ("data-unreadable", "'b.png' is not a file, or a link that leads nowhere")
    ]
    (project.folder / "data" / "b.png").rename(project.folder / "data" / "b.txt")
    assert check(project) == []


def test_a_corrupt_picture_is_named_when_it_is_read(project: Project) -> None:
    (project.folder / "data" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnot")
    samples = image_folder.samples({"path": "data"}, project, [image_input()], LABELS)
    with pytest.raises(Failure, match=r"^data/a\.png cannot be read") as caught:
        samples[0]
    where = caught.value.diagnostics[0].where
    assert where is not None and where.file == "data/a.png", "as it is named in the project"


def test_only_one_image_input_is_fed(project: Project) -> None:
    paint(project.folder / "data" / "a.png")
    plain = Input(name="x", dtype="float32", shape=(Dimension(minimum=1, maximum=1),))
    for inputs in ([plain], [image_input(), plain], [image_input(), image_input()]):
        assert codes(image_folder.check({"path": "data"}, project, inputs, LABELS)) == [("data-mismatch", "error")]
