"""Pictures and masks: pairs, sizes, classes, and that a mask's pixels go where the picture's go."""

import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edgec.artifacts.manifest import Dimension, Image, Input
from edgec.artifacts.project import Project
from edgec.datasets import segmentation_folder as module
from edgec.datasets.masks import fitted_mask, read_mask
from edgec.datasets.pixels import fit, picture_size
from edgec.diagnostics import Diagnostic, Failure, Location

LABELS = ("sky", "road", "tree")


def image_input(width: int = 6, height: int = 4, how: str = "stretch") -> Input:
    shape = tuple(Dimension(minimum=size, maximum=size) for size in (1, height, width, 3))
    return Input(name="image", dtype="float32", shape=shape, image=Image(width=width, height=height, fit=how))  # type: ignore[arg-type]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path.resolve() / "root"
    root.mkdir()
    return Project(root=root, folder=root)


def put(project: Project, name: str, mask: object = None, size: tuple[int, int] = (6, 4), suffix: str = ".png") -> None:
    picture = project.folder / "data" / "images" / f"{name}{suffix}"
    truth = project.folder / "data" / "masks" / f"{name}.png"
    for path in (picture, truth):
        path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", size, (1, 2, 3)).save(picture)
    if mask is not False:
        array = np.zeros((size[1], size[0]), np.uint8) if mask is None else np.asarray(mask)
        PIL.Image.fromarray(array).save(truth)


def check(project: Project, **options: object) -> list[Diagnostic]:
    return module.check({"path": "data", **options}, project, [image_input()], LABELS)


def said(findings: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in findings]


def test_pictures_go_with_the_masks_of_their_path(project: Project) -> None:
    put(project, "night/2", np.full((4, 6), 2, np.uint8), suffix=".jpg")
    put(project, "1", np.array([[0, 1, 2, 0, 1, 255]] * 4, np.uint8))
    assert check(project) == []
    found = module.samples({"path": "data"}, project, [image_input()], LABELS)
    assert [sample.id for sample in found] == ["1.png", "night/2.jpg"]
    assert found[0].label.tolist() == [[0, 1, 2, 0, 1, -1]] * 4 and found[0].label.dtype == np.int16
    assert found[1].tensors["image"].shape == (1, 4, 6, 3) and found[1].picture is not None
    assert found.identities() == [("1.png", "1.png"), ("night/2.jpg", "night/2.png")]  # type: ignore[attr-defined]
    assert len(module.files({"path": "data"}, project)) == 4 and len(found[0:2]) == 2


def test_other_folders_and_another_index_to_ignore(project: Project) -> None:
    put(project, "a", np.array([[0, 1, 2, 0, 9, 9]] * 4, np.uint8))
    data = project.folder / "data"
    (data / "images").rename(data / "left")
    (data / "masks").rename(data / "truth")
    options = {"images": "left", "masks": "truth", "ignore": 9}
    assert check(project, **options) == []
    (sample,) = module.samples({"path": "data", **options}, project, [image_input()], LABELS)
    assert sample.label[0].tolist() == [0, 1, 2, 0, -1, -1]
    (finding,) = check(project)
    assert finding.code == "data-missing" and "data/images" in finding.message


@pytest.mark.parametrize("mode", ["P", "1", "I;16"])
def test_masks_may_be_palette_bits_or_sixteen_bits(project: Project, mode: str) -> None:
    indices = np.array([[0, 1, 1, 0, 1, 0]] * 4)
    put(project, "a")
    path = project.folder / "data" / "masks" / "a.png"
    if mode == "P":
        picture = PIL.Image.fromarray(indices.astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 128, 0, 0])
    else:
        picture = PIL.Image.fromarray(indices.astype(bool) if mode == "1" else indices.astype(np.uint16))
    picture.save(path)
    assert check(project) == []
    (sample,) = module.samples({"path": "data"}, project, [image_input()], LABELS)
    assert sample.label.tolist() == indices.tolist()


def grey_png(rows: list[list[int]], bits: int) -> bytes:
    """A PNG of grey with ``bits`` a pixel, which Pillow reads and does not write."""
    packed = b"".join(b"\0" + int("".join(f"{value:0{bits}b}" for value in row), 2).to_bytes(3, "big") for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(packed)), (b"IEND", b""))
    whole = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


@pytest.mark.parametrize(("bits", "values"), [(2, [0, 1, 2, 3] * 3), (4, [0, 1, 2, 3, 14, 15])])
def test_grey_of_few_bits_is_the_index_itself(tmp_path: Path, bits: int, values: list[int]) -> None:
    (tmp_path / "a.png").write_bytes(grey_png([values, values[::-1]], bits))
    assert read_mask(tmp_path / "a.png", "a.png").tolist() == [values, values[::-1]]


def test_what_lacks_its_other_half_is_named(project: Project) -> None:
    put(project, "a")
    put(project, "b", False)
    put(project, "c/d", False, suffix=".jpg")
    put(project, "e")
    (project.folder / "data" / "images" / "e.png").unlink()
    assert said(check(project)) == [
        ("data-mismatch", "2 of 3 pictures have no mask: 'b.png', 'c/d.jpg'"),
        ("data-mismatch", "1 of 2 masks have no picture: 'e.png'"),
    ]


def test_pictures_in_another_format_are_not_left_out_in_silence(project: Project) -> None:
    put(project, "a")
    for kind in ("images", "masks"):
        for name in ("b.bmp", "c.bmp"):
            PIL.Image.new("L", (6, 4)).save(project.folder / "data" / kind / name)
    (found,) = check(project)
    message = "pictures left out because they end in none of .png, .jpg, .jpeg: 2, first 'data/images/b.bmp'"
    assert (found.code, found.severity, found.message) == ("data-unreadable", "warning", message)
    assert len(module.samples({"path": "data"}, project, [image_input()], LABELS)) == 1
    (project.folder / "data" / "images" / "a.png").unlink()
    assert [item.code for item in check(project)] == ["data-unreadable", "data-empty"]


def test_a_mask_of_another_size_is_named(project: Project) -> None:
    put(project, "a", np.zeros((6, 4), np.uint8))
    assert said(check(project)) == [("data-mismatch", "the mask 'data/masks/a.png' has 4 x 6 pixels, its picture 6 x 4")]


def test_a_class_that_no_label_names_is_told_with_its_place(project: Project) -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[2, 5] = 3
    put(project, "a", mask)
    (finding,) = check(project)
    message = "the mask 'data/masks/a.png' holds class 3, first at column 5, row 2"
    assert (finding.code, finding.message) == ("data-labels", message)
    assert finding.hint is not None and "0 to 2" in finding.hint and "255" in finding.hint


def test_a_bad_mask_that_validate_did_not_look_at_is_refused_when_it_is_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(4):
        put(project, str(index), np.full((4, 6), 7 if index == 3 else 0, np.uint8))
    monkeypatch.setattr(module, "LOOKED_AT", 2)
    assert check(project) == []
    found = module.samples({"path": "data"}, project, [image_input()], LABELS)
    with pytest.raises(Failure, match="holds class 7") as caught:
        found[3]
    assert [item.where for item in caught.value.diagnostics] == [Location(file="data/masks/3.png")]


@pytest.mark.parametrize(
    ("mask", "code"), [(np.zeros((6, 4), np.uint8), "data-mismatch"), (np.zeros((4, 6, 3), np.uint8), "data-unreadable")]
)
def test_a_mask_that_is_refused_is_told_with_its_file_and_by_validate_at_the_manifest(
    project: Project, mask: object, code: str
) -> None:
    put(project, "night/a", mask)
    with pytest.raises(Failure) as caught:
        module.samples({"path": "data"}, project, [image_input()], LABELS)[0]
    (found,) = caught.value.diagnostics
    assert (found.code, found.where) == (code, Location(file="data/masks/night/a.png"))
    (told,) = check(project)
    assert (told.code, told.message, told.where) == (code, found.message, Location(file="", route=("path",)))


@pytest.mark.parametrize(("content", "words"), [(b"\x89PNG\r\n\x1a\nno", "cannot be read"), (b"text", "it is no PNG")])
def test_a_file_that_is_no_mask_is_unreadable(project: Project, content: bytes, words: str) -> None:
    put(project, "a")
    (project.folder / "data" / "masks" / "a.png").write_bytes(content)
    (finding,) = check(project)
    assert finding.code == "data-unreadable" and words in finding.message


def test_a_colour_picture_is_no_mask(project: Project) -> None:
    put(project, "a", np.zeros((4, 6, 3), np.uint8))
    (finding,) = check(project)
    assert finding.code == "data-unreadable" and "RGB" in finding.message


def test_two_pictures_cannot_share_a_mask(project: Project) -> None:
    put(project, "a")
    put(project, "a", suffix=".jpg")
    (finding,) = check(project)
    assert finding.code == "data-mismatch" and "'a.jpg' and 'a.png'" in finding.message


def test_a_plain_tensor_takes_no_pictures(project: Project) -> None:
    put(project, "a")
    (finding,) = module.check({"path": "data"}, project, [Input(name="x", dtype="float32", shape=())], LABELS)
    assert finding.code == "data-mismatch"


@pytest.mark.parametrize("how", ["stretch", "cover", "contain"])
@pytest.mark.parametrize("size", [(120, 40), (40, 120), (33, 57)])
def test_a_masks_pixels_are_where_the_pictures_are(how: str, size: tuple[int, int]) -> None:
    """A picture of its own classes as shades: away from their borders, both are the same after `fit`."""
    shades = np.zeros((size[1], size[0]), np.uint8)
    shades[size[1] // 3 :, size[0] // 4 :] = 100
    shades[size[1] // 2 :, size[0] // 2 :] = 200
    picture = np.asarray(fit(PIL.Image.fromarray(np.stack([shades] * 3, -1)), 60, 48, how))[..., 0].astype(int)  # type: ignore[arg-type]
    mask = fitted_mask(shades.astype(np.int32), Image(width=60, height=48, fit=how), 255)  # type: ignore[arg-type]
    known = mask >= 0
    assert (mask[known] == picture[known]).mean() > 0.75
    far = np.abs(mask - picture)[known] > 100
    assert far.mean() < 0.02, "half a pixel at most lies between the two"
    assert known.all() == (how != "contain" or size[0] * 48 == size[1] * 60)
    assert not picture[~known].any(), "what is ignored is the border"


def test_more_pixels_than_pillow_opens_are_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)  # Pillow refuses twice as many
    PIL.Image.new("L", (8, 8)).save(tmp_path / "a.png")
    for read in (read_mask, picture_size):
        with pytest.raises(Failure) as caught:
            read(tmp_path / "a.png", "a.png")
        assert caught.value.diagnostics[0].code == "data-unreadable"
