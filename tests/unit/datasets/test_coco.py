"""Folders in COCO's format: pictures with and without boxes, and every fault told with the file and the annotation's id."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edgec.artifacts.boxes import unpacked
from edgec.artifacts.manifest import Dimension, Image, Input
from edgec.artifacts.project import Project
from edgec.datasets import coco, coco_file
from edgec.diagnostics import Diagnostic, Failure, Location

LABELS = ("cat", "dog")
NAN, INFINITY = float("nan"), float("inf")


def image_input(width: int = 8, height: int = 8) -> Input:
    shape = tuple(Dimension(minimum=size, maximum=size) for size in (1, height, width, 3))
    return Input(name="image", dtype="float32", shape=shape, image=Image(width=width, height=height, fit="contain"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path.resolve() / "root"
    (root / "pictures").mkdir(parents=True)
    for number in range(1, 4):
        PIL.Image.new("RGB", (16, 12), (number, 0, 0)).save(root / "pictures" / f"{number}.png")
    return Project(root=root, folder=root)


def content(*boxes: object, **changes: object) -> dict[str, object]:
    """Three pictures; each of ``boxes`` is an annotation's bbox, or its whole entry."""
    entries = [
        {"id": number, "image_id": 1, "category_id": 7, **(box if isinstance(box, dict) else {"bbox": box})}
        for number, box in enumerate(boxes, 101)
    ]
    images = [{"id": n, "file_name": f"{n}.png", "width": 16, "height": 12} for n in range(1, 4)]
    categories = [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}]
    return {"images": images, "annotations": entries, "categories": categories} | changes


def write(project: Project, what: object) -> None:
    text = what if isinstance(what, str) else json.dumps(what)
    (project.folder / "boxes.json").write_text(text)


def options(**more: object) -> dict[str, object]:
    return {"path": "pictures", "annotations": "boxes.json", **more}


def check(project: Project, what: object, labels: tuple[str, ...] = LABELS) -> list[Diagnostic]:
    write(project, what)
    return coco.check(options(), project, [image_input()], labels)


def errors(found: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in found if finding.severity == "error"]


GOOD = content([1, 2, 3, 4], {"bbox": [0, 0, 16, 12], "image_id": 3, "category_id": 9, "iscrowd": 1}, [2.5, 0, 1, 1])


def test_pictures_come_in_the_files_order_with_their_boxes_and_one_may_have_none(project: Project) -> None:
    assert check(project, GOOD) == []
    samples = coco.samples(options(), project, [image_input()], LABELS)
    assert [sample.id for sample in samples] == ["1.png", "2.png", "3.png"]
    truths = [unpacked(sample.label) for sample in samples]
    assert [len(truth.boxes) for truth in truths] == [2, 0, 1]
    assert {truth.size for truth in truths} == {(16, 12)}
    first, crowd = truths[0].boxes[0], truths[2].boxes[0]
    assert (first.label, first.x, first.y, first.width, first.height, first.crowd) == (0, 1, 2, 3, 4, False)
    assert (crowd.label, crowd.crowd) == (1, True)
    assert len({sample.label.shape for sample in samples}) == 1, "evaluation data is one array"
    tensor = samples[1].tensors["image"]
    assert (tensor.shape, tensor.dtype, tensor.max()) == ((1, 8, 8, 3), np.float32, 2.0)
    assert len(samples[1:]) == 2
    assert [name for name, _ in samples.identities()] == ["1.png", "2.png", "3.png"]  # type: ignore[attr-defined]


def test_the_files_are_the_annotations_and_the_chosen_pictures(project: Project) -> None:
    write(project, GOOD)
    names = [path.name for path in coco.files(options(samples=2), project)]
    assert names == ["boxes.json", "1.png", "2.png"]
    assert len(coco.samples(options(samples=2), project, [image_input()], LABELS)) == 2


@pytest.mark.parametrize(
    ("box", "code", "words"),
    [
        ([NAN, 0, 1, 1], "data-not-finite", "annotation 102 (1.png) holds NaN or infinity: [nan, 0, 1, 1]"),
        ([0, 0, INFINITY, 1], "data-not-finite", "annotation 102 (1.png) holds NaN or infinity: [0, 0, inf, 1]"),
        ([10**400, 0, 1, 1], "data-not-finite", "annotation 102 (1.png) holds NaN or infinity: [inf, 0, 1, 1]"),
        ([-(10**400), 0, 1, 1], "data-not-finite", "annotation 102 (1.png) holds NaN or infinity: [-inf, 0, 1, 1]"),
        ([20, 2, 4, 4], "data-labels", "annotation 102 (1.png) lies outside the picture of 16 x 12 pixels: [20, 2, 4, 4]"),
        ([-5, 2, 4, 4], "data-labels", "annotation 102 (1.png) lies outside the picture of 16 x 12 pixels"),
        ([3, 2, 0, 4], "data-labels", "annotation 102 (1.png) is empty: [3, 2, 0, 4]"),
        ([3, 2, 4, -4], "data-labels", "annotation 102 (1.png) is empty"),
        ([3, 2, 4], "data-labels", "annotation 102 (1.png) has no bbox of four numbers"),
        ([3, 2, 4, "4"], "data-labels", "annotation 102 (1.png) has no bbox of four numbers"),
        ([3, 2, 4, True], "data-labels", "annotation 102 (1.png) has no bbox of four numbers"),
        (None, "data-labels", "annotation 102 (1.png) has no bbox of four numbers"),
        ({"bbox": [1, 1, 1, 1], "category_id": 8}, "data-labels", "annotation 102 (1.png) is of category 8, which is not"),
        ({"bbox": [1, 1, 1, 1], "category_id": [1]}, "data-labels", "annotation 102 (1.png) is of category [1], which is"),
        ({"bbox": [1, 1, 1, 1], "image_id": 4}, "data-labels", "annotation 102 is of image 4, which is not among the images"),
        ({"bbox": [1, 1, 1, 1], "id": 101}, "data-unreadable", "the id 101 stands at two annotations"),
        ({"bbox": [1, 1, 1, 1], "id": None}, "data-unreadable", "annotation number 2 has no id"),
    ],
)
def test_a_bad_annotation_is_told_by_its_file_and_id(project: Project, box: object, code: str, words: str) -> None:
    found = errors(check(project, content([1, 2, 3, 4], box)))
    assert [name for name, _ in found] == [code]
    assert found[0][1].startswith("boxes.json: ") and words in found[0][1]
    with pytest.raises(Failure):
        coco.samples(options(), project, [image_input()], LABELS)


def test_a_box_that_reaches_out_is_cut_off_and_told_and_a_rounding_is_not(project: Project) -> None:
    found = check(project, content([12, 2, 10, 4], [-0.6, 0, 4, 12.9]))
    assert [(item.code, item.severity) for item in found if "reaches" in item.message] == [("data-labels", "warning")]
    assert "annotation 101 (1.png) reaches out of the picture of 16 x 12 pixels: [12, 2, 10, 4]" in found[0].message
    truth = unpacked(coco.samples(options(), project, [image_input()], LABELS)[0].label)
    assert [(box.x, box.y, box.width, box.height) for box in truth.boxes] == [(12, 2, 4, 4), (0, 0, 3.4, 12)]


def test_many_mistakes_of_one_kind_are_counted_and_other_kinds_not_hidden(project: Project) -> None:
    found = errors(check(project, content(*[[NAN, 0, 1, 1]] * 9, [0, 0, 0, 0])))
    assert [code for code, _ in found] == ["data-not-finite"] * 3 + ["data-labels"]
    assert found[2][1].endswith("(and 6 more of this kind)")


def test_a_category_that_no_label_names_is_told_with_what_was_meant(project: Project) -> None:
    named = content([1, 2, 3, 4], categories=[{"id": 7, "name": "cats"}])
    found = [item for item in check(project, named) if item.severity == "error"]
    assert found[0].message == "boxes.json: annotation 101 (1.png) is a 'cats', which is not among the task's labels"
    assert found[0].hint == "did you mean 'cat'?"


def test_labels_without_a_box_are_a_warning(project: Project) -> None:
    found = check(project, content([1, 2, 3, 4]))
    assert [(item.code, item.severity) for item in found] == [("data-labels", "warning")]
    assert "no box for 1 of 2 labels: 'dog'" in found[0].message


def test_pictures_that_are_missing_or_elsewhere_are_told_with_their_ids(project: Project, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (16, 12)).save(tmp_path / "outside.png")
    (project.folder / "pictures" / "link.png").symlink_to(tmp_path / "outside.png")
    (project.folder / "pictures" / "5.webp").write_bytes(b"")
    names = ["1.png", "gone.png", "../../outside.png", "link.png", "5.webp"]
    images = [{"id": n, "file_name": name, "width": 16, "height": 12} for n, name in enumerate(names, 1)]
    found = errors(check(project, content([1, 2, 3, 4], images=images)))
    assert ("data-missing", "boxes.json: pictures that are not there: image 2 (gone.png)") in found
    outside = "boxes.json: pictures outside the project's root: image 3 (../../outside.png), image 4 (link.png)"
    assert ("path-outside-root", outside) in found
    assert ("data-unreadable", "boxes.json: pictures that are neither PNG nor JPEG: image 5 (5.webp)") in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON file"),
        ("{", "no JSON file"),
        ("[" * 100_000, "no JSON file"),
        ("[]", "no list 'images'"),
        ('{"images": {}}', "no list 'images'"),
        ('{"images": [], "annotations": []}', "no list 'categories'"),
    ],
)
def test_what_is_no_coco_file_is_refused(project: Project, text: str, words: str) -> None:
    found = check(project, text)
    assert [item.code for item in found] == ["data-unreadable"]
    assert words in found[0].message


@pytest.mark.parametrize(
    "image",
    [5, {"file_name": "1.png"}, {"id": 9, "width": 3, "height": 3}, {"id": 9, "file_name": "1.png", "width": 0, "height": NAN}],
)
def test_entries_of_images_that_are_none_are_told(project: Project, image: object) -> None:
    assert "data-unreadable" in {code for code, _ in errors(check(project, content(images=[image])))}


def test_one_picture_of_two_images_is_refused(project: Project) -> None:
    names = {7: "1.png", 8: "2.png", 9: "./1.png"}
    images = [{"id": key, "file_name": name, "width": 16, "height": 12} for key, name in names.items()]
    found = errors(check(project, content(images=images)))
    assert found == [("data-mismatch", "boxes.json: images 7 and 9 have one file_name: ./1.png")]


@pytest.mark.parametrize("name", ["caf\udce9.png", "\ud800.png"])
def test_a_file_name_that_is_not_utf8_is_told(project: Project, name: str) -> None:
    found = errors(check(project, content(images=[{"id": 9, "file_name": name, "width": 16, "height": 12}])))
    assert found == [("data-unreadable", f"boxes.json: the file_name of image 9 is not UTF-8: {name!r}")]


def test_an_absolute_file_name_is_refused_also_inside_the_root(project: Project) -> None:
    name = str(project.folder / "pictures" / "1.png")
    found = check(project, content(images=[{"id": 9, "file_name": name, "width": 16, "height": 12}]))
    assert errors(found) == [("path-outside-root", f"boxes.json: the file_name of image 9 is absolute: {name!r}")]
    assert found[0].hint == "file names are relative to `path`"
    assert coco.files(options(), project) == [project.folder / "boxes.json"]


@pytest.mark.parametrize("crowd", ["1", 2, -1, 0.5, None, []])
def test_a_crowd_that_is_neither_0_nor_1_is_told(project: Project, crowd: object) -> None:
    found = errors(check(project, content({"bbox": [1, 2, 3, 4], "iscrowd": crowd})))
    assert found == [("data-labels", f"boxes.json: annotation 101 (1.png) has iscrowd {crowd!r}")]


@pytest.mark.parametrize("crowd", [True, False, 1, 0])
def test_a_crowd_may_be_a_truth_value(project: Project, crowd: object) -> None:
    assert errors(check(project, content({"bbox": [1, 2, 3, 4], "iscrowd": crowd}))) == []
    truth = unpacked(coco.samples(options(), project, [image_input()], LABELS)[0].label)
    assert [box.crowd for box in truth.boxes] == [bool(crowd)]


def test_no_image_at_all_is_empty(project: Project) -> None:
    assert [item.code for item in check(project, content(images=[]))] == ["data-empty"]


def test_a_picture_of_another_size_than_the_file_says_is_refused_when_it_is_read(project: Project) -> None:
    PIL.Image.new("RGB", (12, 16)).save(project.folder / "pictures" / "2.png")
    write(project, GOOD)
    samples = coco.samples(options(), project, [image_input()], LABELS)
    with pytest.raises(Failure, match=r"image 2 \(2.png\) is given as 16 x 12 pixels, and is 12 x 16") as caught:
        samples[1]
    assert [item.where for item in caught.value.diagnostics] == [Location(file="boxes.json", route=("images", 1))]


def test_such_a_pictures_place_is_its_entrys_in_the_file_that_lies_in_the_project(project: Project) -> None:
    (project.folder / "more").mkdir()
    (project.folder / "more" / "pictures").symlink_to("../pictures")
    inner = Project(root=project.root, folder=project.folder / "more")
    images = [{"id": 9}, {"id": 4, "file_name": "1.png", "width": 1, "height": 1}]
    write(inner, content(images=images, annotations=[]))
    pictures = coco_file.read(inner.folder / "boxes.json", "boxes.json", LABELS).pictures
    assert [(picture.id, picture.position) for picture in pictures] == [(4, 1)]
    write(inner, content(images=images[1:], annotations=[]))
    with pytest.raises(Failure) as caught:
        coco.samples(options(), inner, [image_input()], LABELS)[0]
    assert caught.value.diagnostics[0].where == Location(file="more/boxes.json", route=("images", 0))


def test_inputs_that_are_no_picture_are_refused(project: Project) -> None:
    plain = Input(name="x", dtype="float32", shape=(Dimension(minimum=1, maximum=1),))
    write(project, GOOD)
    for inputs in ([plain], [image_input(), plain]):
        assert [item.code for item in coco.check(options(), project, inputs, LABELS)] == ["data-mismatch"]


def test_missing_files_are_told_by_their_key(project: Project) -> None:
    found = coco.check(options(), project, [image_input()], LABELS)
    assert [(item.code, item.where and item.where.route) for item in found] == [("data-missing", ("annotations",))]
    write(project, GOOD)
    found = coco.check({**options(), "path": "nowhere"}, project, [image_input()], LABELS)
    assert [(item.code, item.where and item.where.route) for item in found] == [("data-missing", ("path",))]
