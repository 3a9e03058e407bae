"""CSV tables: numbers of one tensor input, or lists of pictures."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edgec.artifacts.manifest import Dimension, Image, Input
from edgec.artifacts.project import Project
from edgec.datasets import csv
from edgec.diagnostics import Diagnostic


def tensor(*sizes: int, dtype: str = "float32", image: Image | None = None) -> Input:
    return Input(name="x", dtype=dtype, shape=tuple(Dimension(minimum=n, maximum=n) for n in sizes), image=image)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


def check(project: Project, text: str, entry: Input, labels: tuple[str, ...] = ()) -> list[Diagnostic]:
    (project.folder / "d.csv").write_text(text, encoding="utf-8")
    return csv.check({"path": "d.csv"}, project, [entry], labels)


def test_rows_become_tensors_of_the_inputs_shape(project: Project) -> None:
    assert check(project, "a,label,b,c,d\n1,no,2,3,4\n5,yes,6,7,8e0\n", tensor(1, 2, 2), ("no", "yes")) == []
    samples = csv.samples({"path": "d.csv"}, project, [tensor(1, 2, 2)], ("no", "yes"))
    assert samples[1].tensors["x"].tolist() == [[[5, 6], [7, 8]]]
    assert samples[1].tensors["x"].dtype == np.float32
    assert [(sample.id, sample.label) for sample in samples] == [("d.csv#0", 0), ("d.csv#1", 1)]


def test_a_label_is_a_name_where_the_task_has_labels_and_a_number_where_not(project: Project) -> None:
    (project.folder / "d.csv").write_text("a,label\n1,1\n2,0\n")
    assert [s.label for s in csv.samples({"path": "d.csv"}, project, [tensor(1, 1)], ("1", "0"))] == [0, 1]
    assert [s.label for s in csv.samples({"path": "d.csv"}, project, [tensor(1, 1)], ())] == [1.0, 0.0]


def test_pictures_are_listed_by_path_beside_the_table(project: Project) -> None:
    (project.folder / "data").mkdir()
    PIL.Image.new("RGB", (4, 4), (9, 9, 9)).save(project.folder / "data" / "p.png")
    (project.folder / "data" / "d.csv").write_text('path,label\np.png,"dog"\n')
    entry = tensor(1, 4, 4, 3, image=Image(width=4, height=4))
    (sample,) = csv.samples({"path": "data/d.csv"}, project, [entry], ("cat", "dog"))
    assert (sample.id, sample.label, sample.tensors["x"].shape) == ("p.png", 1, (1, 4, 4, 3))
    names = [path.name for path in csv.files({"path": "data/d.csv"}, project)]
    assert names == ["d.csv", "p.png"]
    (project.folder / "data" / "d.csv").write_text("path\n../../etc/passwd\n")
    assert csv.check({"path": "data/d.csv"}, project, [entry], ())[0].code == "path-outside-root"
    (project.folder / "data" / "d.csv").write_text("path\nq.png\n")
    (missing,) = csv.check({"path": "data/d.csv"}, project, [entry], ())
    assert (missing.code, missing.message) == ("data-missing", "data/d.csv: row 0: 'q.png' does not exist")
    relative = "paths are relative to the table's folder, and rows count from 0 below the header"
    assert missing.hint == f"did you mean 'p.png'? {relative}"


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        ("far/away.png", "data-missing", "'far/away.png' does not exist"),
        ("/etc/passwd", "path-outside-root", "'/etc/passwd' lies outside the project's root"),
        ('""', "data-missing", "the column 'path' names no picture"),
        ("   ", "data-missing", "the column 'path' names no picture"),
        ("t.bmp", "data-unreadable", "'t.bmp' ends in none of .png, .jpg, .jpeg"),
    ],
)
def test_a_picture_that_cannot_be_is_told_by_table_and_row(project: Project, row: str, code: str, words: str) -> None:
    for name in ("p.png", "t.bmp"):
        PIL.Image.new("RGB", (4, 4)).save(project.folder / name)
    (found,) = check(project, f"path\np.png\n{row}\n", tensor(1, 4, 4, 3, image=Image(width=4, height=4)))
    assert (found.code, found.message) == (code, f"d.csv: row 1: {words}")
    assert "manifest" not in str(found.hint)
    assert code == "data-unreadable" or "relative to the table's folder" in str(found.hint)


def test_truth_values_are_0_and_1(project: Project) -> None:
    (project.folder / "d.csv").write_text("a,b\n0,1.0\n")
    (sample,) = csv.samples({"path": "d.csv"}, project, [tensor(1, 2, dtype="bool")], ())
    assert sample.tensors["x"].tolist() == [[False, True]] and sample.tensors["x"].dtype == np.bool_


@pytest.mark.parametrize(
    ("text", "entry", "code", "words"),
    [
        ("", tensor(1, 1), "data-empty", "no row"),
        ("a\n", tensor(1, 1), "data-empty", "no row"),
        ("a,b\n1,2\n", tensor(1, 3), "data-mismatch", "2 columns of numbers"),
        ("a,a\n1,2\n", tensor(1, 2), "data-mismatch", "two columns 'a'"),
        ("a,b\n1\n", tensor(1, 2), "data-unreadable", "row 0 has 1 values"),
        ("a\none\n", tensor(1, 1), "data-unreadable", "'one' is not a number"),
        ("a\n1\nnan\n", tensor(1, 1), "data-not-finite", "sample 1"),
        ("a\n1e40\n", tensor(1, 1), "data-not-finite", "sample 0"),
        ("a\n1.5\n", tensor(1, 1, dtype="int64"), "data-mismatch", "not int64"),
        ("a\n300\n", tensor(1, 1, dtype="uint8"), "data-mismatch", "not uint8"),
        ("a\n9223372036854775808\n", tensor(1, 1, dtype="int64"), "data-mismatch", "'9223372036854775808' is not int64"),
        ("a\n-1\n", tensor(1, 1, dtype="uint8"), "data-mismatch", "row 0, column 'a': '-1' is not uint8"),
        ("a\n0.5\n", tensor(1, 1, dtype="bool"), "data-mismatch", "row 0, column 'a': '0.5' is not bool"),
        ("a\n1\n2\n", tensor(1, 1, dtype="bool"), "data-mismatch", "row 1, column 'a': '2' is not bool"),
        ("a\n1_000\n", tensor(1, 1), "data-unreadable", "'1_000' is not a number"),
        ("a\n1_000\n", tensor(1, 1, dtype="int64"), "data-unreadable", "'1_000' is not a number"),
        ("path\n0.5\n", tensor(1, 1), "data-mismatch", "has a column 'path', which names pictures, and 'x' is a plain tensor"),
        ("a,label\n1,bird\n", tensor(1, 1), "data-labels", "'bird'"),
        ("a,label.0,label.1\n1,0,1\n2,1,0\n", tensor(1, 1), "data-labels", "has a column 'label.0'"),
        ("a,label,label.sure\n1,cat,1\n", tensor(1, 1), "data-labels", "has a column 'label.sure'"),
        ('a\n"1\n', tensor(1, 1), "data-unreadable", "not a UTF-8 CSV"),
        ("a\n1\n", tensor(1, 2, 2, 3, image=Image(width=2, height=2)), "data-mismatch", "'path'"),
    ],
)
def test_what_is_wrong_is_named(project: Project, text: str, entry: Input, code: str, words: str) -> None:
    (finding,) = check(project, text, entry, ("cat", "dog"))
    assert finding.code == code
    assert words in finding.message


def test_whole_numbers_keep_their_last_digit(project: Project) -> None:
    (project.folder / "d.csv").write_text("a,b,c\n9007199254740993,3.0,-2e2\n")
    (sample,) = csv.samples({"path": "d.csv"}, project, [tensor(1, 3, dtype="int64")], ())
    assert sample.tensors["x"].tolist() == [[9007199254740993, 3, -200]]


def test_one_picture_of_two_rows_is_refused(project: Project) -> None:
    for name in ("p.png", "q.png"):
        PIL.Image.new("RGB", (4, 4)).save(project.folder / name)
    entry = tensor(1, 4, 4, 3, image=Image(width=4, height=4))
    assert check(project, "path\np.png\nq.png\n", entry) == []
    (finding,) = check(project, "path\np.png\nq.png\n./p.png\n", entry)
    assert (finding.code, finding.message) == ("data-mismatch", "d.csv: rows 0 and 2 name one picture, './p.png'")


def test_several_inputs_and_dynamic_axes_are_refused(project: Project) -> None:
    (project.folder / "d.csv").write_text("a\n1\n")
    assert csv.check({"path": "d.csv"}, project, [tensor(1, 1), tensor(1, 1)], ())[0].code == "data-mismatch"
    dynamic = Input(name="x", dtype="float32", shape=(Dimension(minimum=1, maximum=1), Dimension(minimum=1, maximum=3)))
    assert "dynamic" in csv.check({"path": "d.csv"}, project, [dynamic], ())[0].message


def test_what_is_not_utf8_is_refused(project: Project) -> None:
    (project.folder / "d.csv").write_bytes(b"a\n\xff\xfe\n")
    assert csv.check({"path": "d.csv"}, project, [tensor(1, 1)], ())[0].code == "data-unreadable"
