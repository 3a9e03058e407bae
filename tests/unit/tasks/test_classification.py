"""Labels of a classifier: from a file or a list, and what is wrong with them."""

from pathlib import Path

import pytest

from edgec.artifacts.project import Project
from edgec.diagnostics import Failure
from edgec.tasks import classification, tensor


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


def test_labels_come_from_a_file_or_a_list(project: Project) -> None:
    (project.folder / "l.txt").write_bytes("\ufeffzero\r\none two \r\ndrei ß\r\n\r\n".encode())
    assert classification.labels({"labels": "l.txt"}, project) == ("zero", "one two", "drei ß")
    assert classification.labels({"labels": ["a", "b"]}, project) == ("a", "b")
    assert classification.check({"labels": "l.txt"}, project) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "too few"),
        (b"one\n", "1 label is too few"),
        (b"a\n\nb\n", "label 2 of 3 is empty"),
        (b"a\nb\na\n", "'a' stands twice, as number 1 and 3"),
        (b"a\nb\x07\n", "control characters"),
        (b"a\n\xff\n", "not UTF-8 text (byte 2)"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(project: Project, content: bytes, words: str) -> None:
    (project.folder / "l.txt").write_bytes(content)
    (finding,) = classification.check({"labels": "l.txt"}, project)
    assert (finding.code, finding.exit_code) == ("labels-invalid", 3)
    assert finding.where is not None and finding.where.route == ("options", "labels")
    assert words in finding.message


def test_a_missing_file_and_a_path_outside_the_root(project: Project) -> None:
    (project.folder / "labels.txt").write_text("a\nb\n")
    (finding,) = classification.check({"labels": "label.txt"}, project)
    assert (finding.code, finding.hint) == ("labels-invalid", "did you mean 'labels.txt'?")
    assert classification.check({"labels": "/etc/hostname"}, project)[0].code == "path-outside-root"
    with pytest.raises(Failure):
        classification.labels({"labels": ["a", "a"]}, project)


def test_the_tensor_task_has_no_labels(project: Project) -> None:
    assert tensor.labels({}, project) == () and tensor.check({}, project) == []
