"""Arrays in .npz files against the manifest's inputs."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgec.artifacts.manifest import Dimension, Image, Input
from edgec.artifacts.project import Project
from edgec.datasets import npz
from edgec.diagnostics import Diagnostic, Failure


def tensor(name: str, *sizes: int | tuple[int, int], dtype: str = "float32", image: Image | None = None) -> Input:
    pairs = [(size, size) if isinstance(size, int) else size for size in sizes]
    shape = tuple(Dimension(minimum=low, maximum=high) for low, high in pairs)
    return Input(name=name, dtype=dtype, shape=shape, image=image)


X = tensor("x", 1, 4)
PLAIN = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


def finding(project: Project, inputs: list[Input], labels: tuple[str, ...] = (), **arrays: object) -> Diagnostic:
    np.savez(project.folder / "d.npz", **arrays)
    with pytest.raises(Failure) as caught:
        npz.samples({"path": "d.npz"}, project, inputs, labels)
    return caught.value.diagnostics[0]


def test_rows_become_samples_with_a_batch_axis(project: Project) -> None:
    y = np.arange(6, dtype=np.int64).reshape(3, 2)
    np.savez(project.folder / "d.npz", x=PLAIN, y=y, label=np.array([1, 0, 1]))
    inputs = [X, tensor("y", 1, 2, dtype="int64")]
    assert npz.check({"path": "d.npz"}, project, inputs, ()) == []
    samples = npz.samples({"path": "d.npz"}, project, inputs, ("a", "b"))
    assert [(sample.id, sample.label) for sample in samples] == [("d.npz#0", 1), ("d.npz#1", 0), ("d.npz#2", 1)]
    assert samples[1].tensors["x"].tolist() == [[4, 5, 6, 7]]
    assert samples[1].tensors["y"].dtype == np.int64
    assert npz.files({"path": "d.npz"}, project) == [project.folder / "d.npz"]


def test_label_names_become_indices_and_the_choice_is_balanced(project: Project) -> None:
    labels = np.array(["b", "b", "b", "b", "a", "b"])
    np.savez(project.folder / "d.npz", x=np.zeros((6, 4), np.float32), label=labels)
    samples = npz.samples({"path": "d.npz", "samples": 2}, project, [X], ("a", "b"))
    assert [(sample.id, sample.label) for sample in samples] == [("d.npz#0", 1), ("d.npz#4", 0)]


def test_pictures_may_be_bytes_and_come_out_as_float32(project: Project) -> None:
    np.savez(project.folder / "d.npz", image=np.full((2, 3, 5, 3), 200, np.uint8))
    entry = tensor("image", 1, 3, 5, 3, image=Image(width=5, height=3))
    tensors = npz.samples({"path": "d.npz"}, project, [entry], ())[0].tensors["image"]
    assert tensors.dtype == np.float32 and tensors.shape == (1, 3, 5, 3) and np.all(tensors == 200)


def test_a_dynamic_axis_takes_any_size_between_its_bounds(project: Project) -> None:
    np.savez(project.folder / "d.npz", x=np.zeros((2, 7), np.float32))
    assert len(npz.samples({"path": "d.npz"}, project, [tensor("x", 1, (1, 8))], ())) == 2
    found = finding(project, [tensor("x", 1, (1, 6))], x=np.zeros((2, 7), np.float32))
    assert "[N, 1..6]" in found.message


@pytest.mark.parametrize(
    ("arrays", "code", "words"),
    [
        ({"y": PLAIN}, "data-mismatch", "no array 'x'"),
        ({"x": PLAIN, "extra": PLAIN}, "data-mismatch", "'extra'"),
        ({"x": PLAIN.astype(np.float64)}, "data-mismatch", "float64, the input is float32"),
        ({"x": PLAIN.astype(np.complex64)}, "data-mismatch", "complex64"),
        ({"x": PLAIN[:, :3]}, "data-mismatch", "[3, 3], the input wants [N, 4]"),
        ({"x": PLAIN[0]}, "data-mismatch", "[4], the input wants [N, 4]"),
        ({"x": np.float32(1)}, "data-mismatch", "[], the input wants [N, 4]"),
        ({"x": PLAIN[:0]}, "data-empty", "no sample"),
        ({"x": np.where(PLAIN == 5, np.float32(np.nan), PLAIN)}, "data-not-finite", "sample 1 of 'x'"),
        ({"x": np.where(PLAIN == 9, np.float32(-np.inf), PLAIN)}, "data-not-finite", "sample 2 of 'x'"),
        ({"x": PLAIN, "label": np.array([0, 1])}, "data-mismatch", "x 3, label 2"),
        ({"x": PLAIN, "label": np.array([0, 1, 2])}, "data-labels", "0 to 1"),
        ({"x": PLAIN, "label": np.array([0, -1, 1])}, "data-labels", "0 to 1"),
        ({"x": PLAIN, "label": np.array([0.0, 1.0, 1.0])}, "data-labels", "0 to 1"),
        ({"x": PLAIN, "label": np.array(["a", "b", "c"])}, "data-labels", "'c'"),
        ({"x": PLAIN, "label": np.zeros((3, 2), int)}, "data-labels", "one value a sample"),
        ({"x": np.array([object()] * 3)}, "data-unreadable", "Python objects"),
    ],
)
def test_what_is_wrong_is_named(project: Project, arrays: dict[str, object], code: str, words: str) -> None:
    found = finding(project, [X], ("a", "b"), **arrays)
    assert (found.code, found.exit_code) == (code, 3)
    assert words in found.message
    told = npz.check({"path": "d.npz"}, project, [X], ("a", "b"))
    assert told == ([] if code == "data-not-finite" else [found]), "the headers and the labels tell it before anything is built"


def test_the_check_reads_no_input_whole(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(project.folder / "d.npz", x=PLAIN, label=np.zeros((3, 2)))
    monkeypatch.setattr(npz, "_arrays", lambda options, project, keys: pytest.fail(f"read {keys}"))
    assert npz.check({"path": "d.npz"}, project, [X], ()) == []


def test_a_near_miss_is_suggested(project: Project) -> None:
    assert finding(project, [tensor("image", 1, 4)], imgae=PLAIN).hint == "did you mean 'imgae'?"


@pytest.mark.parametrize("compressed", [False, True])
def test_broken_files_are_refused(project: Project, compressed: bool) -> None:
    path = project.folder / "d.npz"
    assert npz.check({"path": "d.npz"}, project, [X], ())[0].code == "data-missing"
    path.write_bytes(b"no zip at all")
    assert npz.check({"path": "d.npz"}, project, [X], ())[0].code == "data-unreadable"
    (np.savez_compressed if compressed else np.savez)(path, x=np.random.default_rng(0).random((64, 4), np.float32))
    content = path.read_bytes()
    for position in range(0, len(content), 23):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        assert all(found.code.startswith("data-") for found in npz.check({"path": "d.npz"}, project, [X], ()))
        try:
            npz.samples({"path": "d.npz"}, project, [X], ())
        except Failure as failure:
            assert failure.diagnostics[0].code.startswith("data-")


@pytest.mark.parametrize(("position", "written"), [(6, b"\xff\0"), (46, b"\xff")])
def test_a_directory_that_zipfile_does_not_read_is_told(project: Project, position: int, written: bytes) -> None:
    """A version that asks for more than there is, and a name that is not the UTF-8 that it is said to be."""
    np.savez(project.folder / "d.npz", x=PLAIN)
    content = bytearray((project.folder / "d.npz").read_bytes())
    entry = content.rfind(b"PK\1\2")
    content[entry + 8 : entry + 10] = b"\0\x08"
    content[entry + position : entry + position + len(written)] = written
    (project.folder / "d.npz").write_bytes(content)
    (found,) = npz.check({"path": "d.npz"}, project, [X], ())
    assert (found.code, found.message.split(":")[0]) == ("data-unreadable", "d.npz cannot be read")
    with pytest.raises(Failure):
        npz.labelled({"path": "d.npz"}, project, ())


HEADERS = {
    "unbalanced": b"(" * 3000,
    "too large": b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1" + b"0" * 22 + b", 4)}\n",
    "a truth value": b"{'descr': '<f4', 'fortran_order': False, 'shape': (True, 4)}\n",
    "Python 2": b"{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 4L)}\n",
    "no mapping": b"12\n",
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("version", [1, 9])
def test_an_odd_header_is_told_and_no_bug(name: str, version: int, project: Project, recwarn: pytest.WarningsRecorder) -> None:
    header = HEADERS[name]
    content = b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(2, "little") + header + PLAIN.tobytes()
    with zipfile.ZipFile(project.folder / "d.npz", "w") as archive:
        archive.writestr("x.npy", content)
    assert all(found.code.startswith("data-") for found in npz.check({"path": "d.npz"}, project, [X], ()))
    try:
        npz.samples({"path": "d.npz"}, project, [X], ())
    except Failure as failure:
        assert {found.code for found in failure.diagnostics} == {"data-unreadable"}
    assert version == 9 or not [item for item in recwarn if issubclass(item.category, UserWarning)] or name == "Python 2"


def test_a_member_that_is_no_array_is_told(project: Project) -> None:
    with zipfile.ZipFile(project.folder / "d.npz", "w") as archive:
        archive.writestr("x.npy", b"no array at all")
    assert npz.check({"path": "d.npz"}, project, [X], ())[0].code == "data-unreadable"
    with pytest.raises(Failure) as caught:
        npz.samples({"path": "d.npz"}, project, [X], ())
    assert caught.value.diagnostics[0].code == "data-unreadable"


@pytest.mark.parametrize(
    ("array", "label", "plain"),
    [
        (PLAIN, np.array([0, 1, 1]), True),
        (PLAIN, np.array([0, 1, 1], np.uint8), True),
        (PLAIN.astype(np.uint8), np.array([0, 1, 1]), True),
        (np.asfortranarray(PLAIN), np.array([0, 1, 1]), False),
        (PLAIN.astype(">f4"), np.array([0, 1, 1]), False),
        (PLAIN, np.array(["a", "b", "b"]), False),
        (PLAIN, np.array([0, 1, 2]), False),
        (PLAIN, np.array([0, 1]), False),
    ],
)
def test_what_is_plain_needs_no_numpy(array: np.ndarray, label: np.ndarray, plain: bool, project: Project) -> None:
    np.savez(project.folder / "d.npz", x=array, label=label)
    assert npz._is_plain(project.folder / "d.npz", ["x", "label"], [X], ("a", "b")) == plain
