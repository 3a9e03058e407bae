"""The options of embedding and regression."""

import pytest

from edgec.artifacts.project import Project
from edgec.tasks import classification, embedding, regression


@pytest.fixture
def project(tmp_path):
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


def codes(findings):
    return [(finding.code, finding.where.route) for finding in findings]


def test_an_embedding_needs_no_labels_and_takes_some(project):
    assert embedding.check({}, project) == [] and embedding.labels({}, project) == ()
    assert embedding.labels({"labels": ["cat", "dog"]}, project) == ("cat", "dog")
    assert codes(embedding.check({"labels": ["cat", "cat"]}, project)) == [("labels-invalid", ("options", "labels"))]
    assert codes(embedding.check({"labels": "none.txt"}, project)) == [("labels-invalid", ("options", "labels"))]


def test_names_and_units_go_together(project):
    assert regression.check({}, project) == [] and regression.labels({}, project) == ()
    assert regression.check({"names": ["a", "b"], "units": ["m", "m"]}, project) == []
    assert regression.check({"units": ["m"]}, project) == []
    assert codes(regression.check({"names": ["a", "b"], "units": ["m"]}, project)) == [("wrong-value", ("options", "units"))]
    assert codes(regression.check({"names": ["a", "a"]}, project)) == [("wrong-value", ("options", "names"))]
    assert codes(regression.check({"names": ["a\n"]}, project)) == [("wrong-value", ("options", "names"))]


def test_outputs_that_are_none_of_the_task_are_named():
    assert embedding.unfit({}, (), [(1, 16), (1, 4, 4)]) is None
    assert "one vector; the first output is [1, 4, 4]" in embedding.unfit({}, (), [(1, 4, 4)])
    assert "is []" in embedding.unfit({}, (), [()])
    assert regression.unfit({}, (), [(1, 3)]) is None
    assert regression.unfit({"names": ["a", "b", "c"], "units": ["m", "m", "m"]}, (), [(1, 3)]) is None
    assert "2 units; the first output is [1, 3], 3 numbers" in regression.unfit({"units": ["m", "m"]}, (), [(1, 3)])
    assert classification.unfit({}, ("a", "b"), [(1, 2)]) is None
    for shape in ((1, 3), (1, 2, 2), (2, 2), ()):
        assert f"the 2 labels; the first output is {list(shape)}" in classification.unfit({}, ("a", "b"), [shape])
