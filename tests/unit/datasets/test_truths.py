"""Truths that are numbers: one a sample, or an array of them."""

import numpy as np
import pytest

from edgec.artifacts.manifest import Dimension, Input
from edgec.artifacts.project import Project
from edgec.datasets import csv, npz
from edgec.diagnostics import Failure

X = Input(name="x", dtype="float32", shape=tuple(Dimension(minimum=size, maximum=size) for size in (1, 2)))


@pytest.fixture
def project(tmp_path):
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


def from_npz(project, labels, **options):
    np.savez(project.folder / "d.npz", x=np.zeros((len(labels), 2), np.float32), label=labels)
    return npz.samples({"path": "d.npz", **options}, project, [X], ())


def from_csv(project, text, labels=(), names=(), **options):
    (project.folder / "d.csv").write_text(text)
    return csv.samples({"path": "d.csv", **options}, project, [X], labels, names)


def refused(call, *arguments):
    with pytest.raises(Failure) as caught:
        call(*arguments)
    return caught.value.diagnostics[0].code


def test_npz_gives_numbers_and_arrays(project):
    assert [sample.label for sample in from_npz(project, np.array([0.5, -2.0]))] == [0.5, -2.0]
    found = from_npz(project, np.arange(6.0).reshape(2, 3))
    assert found[1].label.tolist() == [3.0, 4.0, 5.0]


def test_npz_refuses_a_truth_that_is_no_number(project):
    assert refused(from_npz, project, np.array([1.0, np.nan])) == "data-not-finite"
    assert refused(from_npz, project, np.array([["a"], ["b"]])) == "data-labels"


def test_csv_gives_one_column_or_several(project):
    assert [sample.label for sample in from_csv(project, "a,b,label\n1,2,3.5\n4,5,6\n")] == [3.5, 6.0]
    found = from_csv(project, "label.x,a,b,label.y\n1,2,3,4\n5,6,7,8\n")
    assert found[1].label.tolist() == [5.0, 8.0] and found[1].tensors["x"].tolist() == [[6.0, 7.0]]


def test_csv_columns_of_truth_go_by_the_tasks_names(project):
    text = "label.tenfold,a,b,label.total\n1,2,3,4\n5,6,7,8\n"
    assert from_csv(project, text, names=("total", "tenfold"))[1].label.tolist() == [8.0, 5.0]
    assert from_csv(project, "a,b,label\n1,2,3\n", names=("total",))[0].label == 3.0


@pytest.mark.parametrize(
    ("names", "words", "hint"),
    [
        (("total", "tenfolds"), "'label.tenfold' is none of the task's names", "did you mean 'label.tenfolds'?"),
        (("x", "y"), "'label.tenfold' is none of the task's names", "the task's names are x, y"),
        (("total", "tenfold", "mean"), "has no column 'label.mean'", None),
    ],
)
def test_csv_columns_of_truth_that_are_not_the_tasks_are_refused(project, names, words, hint):
    with pytest.raises(Failure) as caught:
        from_csv(project, "label.tenfold,a,b,label.total\n1,2,3,4\n", names=names)
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.hint) == ("data-labels", hint) and words in finding.message


def test_csv_refuses_a_truth_that_is_no_number(project):
    assert refused(from_csv, project, "a,b,label\n1,2,high\n") == "data-unreadable"
    assert refused(from_csv, project, "a,b,label\n1,2,nan\n") == "data-not-finite"


def test_measured_truths_are_chosen_evenly_and_not_by_class(project):
    chosen = from_npz(project, np.arange(10) * 0.1, samples=5)
    assert [sample.id for sample in chosen] == [f"d.npz#{row}" for row in (0, 2, 4, 6, 8)]
    text = "a,b,label\n" + "".join(f"0,0,{row / 10}\n" for row in range(10))
    assert [sample.id for sample in from_csv(project, text, samples=5)] == [f"d.csv#{row}" for row in (0, 2, 4, 6, 8)]


@pytest.mark.parametrize("header", ["a,b", "a,b,label", "a,b,label.x", "label.x,a,b,label.y"])
def test_csv_says_whether_there_are_truths(project, header):
    given = from_csv(project, f"{header}\n{','.join('1' * (header.count(',') + 1))}\n").identities()
    assert csv.labelled({"path": "d.csv"}, project, ()) == any(truth is not None for _, truth in given)
    assert csv.labelled({"path": "d.csv"}, project, ()) == ("label" in header)


def test_npz_says_whether_there_are_truths(project):
    from_npz(project, np.array([0.5, -2.0]))
    assert npz.labelled({"path": "d.npz"}, project, ())
    np.savez(project.folder / "d.npz", x=np.zeros((2, 2), np.float32))
    assert not npz.labelled({"path": "d.npz"}, project, ())
    (project.folder / "d.npz").write_bytes(b"no zip")
    assert refused(npz.labelled, {"path": "d.npz"}, project, ()) == "data-unreadable"


def test_whole_numbers_are_classes_only_where_the_task_has_labels(project):
    years = np.repeat([1990, 1991], [8, 2])
    assert [sample.id for sample in from_npz(project, years, samples=5)] == [f"d.npz#{row}" for row in (0, 2, 4, 6, 8)]
    np.savez(project.folder / "d.npz", x=np.zeros((10, 2), np.float32), label=np.repeat([0, 1], [8, 2]))
    chosen = npz.samples({"path": "d.npz", "samples": 4}, project, [X], ("no", "yes"))
    assert [sample.id for sample in chosen] == ["d.npz#0", "d.npz#4", "d.npz#8", "d.npz#9"]


def test_names_are_classes_also_where_the_task_has_no_labels(project):
    chosen = from_npz(project, np.array(["a"] * 8 + ["b"] * 2), samples=4)
    assert [sample.id for sample in chosen] == ["d.npz#0", "d.npz#4", "d.npz#8", "d.npz#9"]
