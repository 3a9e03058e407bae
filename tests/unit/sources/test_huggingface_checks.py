"""What the source huggingface finds wrong without transformers and without torch."""

import hashlib
import json

import pytest

from edgec.artifacts.project import Project
from edgec.sources import huggingface

SHA256 = hashlib.sha256(b"weights").hexdigest()
REPO = {"repo": "me/tiny", "revision": "a" * 40, "files": {"config.json": SHA256, "model.safetensors": SHA256}}
BERT = {"model_type": "bert", "hidden_size": 32}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text(json.dumps(BERT))
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


def check(options, project):
    return [(item.code, item.where.route) for item in huggingface.check(options, project)]


def test_a_repository_at_a_commit_is_accepted(project):
    assert check(REPO, project) == []
    assert check({**REPO, "files": {"config.json": SHA256}, "weights": {"random": 0}}, project) == []
    assert huggingface.weights_digest(REPO, project) == SHA256 and huggingface.files(REPO, project) == []


def test_a_configuration_of_the_project_is_accepted(project):
    given = {"config": "config.json", "weights": {"file": "w.safetensors", "sha256": SHA256}}
    assert check(given, project) == [] and huggingface.weights_digest(given, project) == SHA256
    assert huggingface.files(given, project) == [project.folder / "config.json", project.folder / "w.safetensors"]
    assert check({"config": BERT, "weights": {"random": 0}}, project) == []
    assert huggingface.files({"config": BERT, "weights": {"random": 0}}, project) == []


def test_a_branch_is_refused_and_the_reason_given(project):
    for revision in ("main", "v1.0", "a" * 39, "A" * 40):
        (finding,) = huggingface.check({**REPO, "revision": revision}, project)
        assert (finding.code, finding.where.route) == ("weights-invalid", ("revision",))
        assert "a branch or a tag moves" in finding.message and "git ls-remote" in finding.hint
    assert check({key: value for key, value in REPO.items() if key != "revision"}, project) == [("weights-invalid", ())]


@pytest.mark.parametrize(
    ("changed", "route"),
    [
        ({"repo": "me"}, None),
        ({"repo": "../me"}, ("repo",)),
        ({"repo": "me/a/b"}, ("repo",)),
        ({"files": {"model.safetensors": SHA256}}, ("files",)),
        ({"files": {"config.json": SHA256}}, ("files",)),
        (
            {"files": {"config.json": SHA256, "pytorch_model.bin": SHA256}, "weights": {"random": 0}},
            ("files", "pytorch_model.bin"),
        ),
        ({"files": {"config.json": SHA256, "../model.safetensors": SHA256}}, ("files", "../model.safetensors")),
        ({"files": {"config.json": "0" * 8, "model.safetensors": SHA256}}, ("files", "config.json")),
        ({"weights": {"file": "w.safetensors", "sha256": SHA256}}, ("weights",)),
        ({"weights": {"random": 0}}, ("files",)),
    ],
)
def test_what_is_fetched_is_named_and_hashed(project, changed, route):
    assert check({**REPO, **changed}, project) == ([("weights-invalid", route)] if route else [])


@pytest.mark.parametrize(
    ("options", "route"),
    [
        ({}, ()),
        ({**REPO, "config": BERT}, ("repo",)),
        ({"config": BERT}, ()),
        ({"config": {"hidden_size": 3}, "weights": {"random": 0}}, ("config",)),
        ({"config": "none.json", "weights": {"random": 0}}, ("config",)),
        ({"config": "list.json", "weights": {"random": 0}}, ("config",)),
        ({"config": "broken.json", "weights": {"random": 0}}, ("config",)),
        ({"config": BERT, "weights": {"random": 0}, "revision": "a" * 40}, ("revision",)),
        ({"config": BERT, "weights": {"file": "w.safetensors"}}, ("weights",)),
    ],
)
def test_a_model_comes_from_one_place(project, options, route):
    assert check(options, project) == [("weights-invalid", route)]
