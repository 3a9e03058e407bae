"""What the source timm finds wrong without timm and without torch."""

import hashlib
import importlib.util

import pytest

from edgec.artifacts.project import Project
from edgec.runtime import extras
from edgec.sources import timm
from edgec.sources.timm_table import address, architectures

SHA256 = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture
def project(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


def check(project, weights, name="resnet18", **more):
    return [
        (item.code, item.where.route, item.hint) for item in timm.check({"name": name, "weights": weights, **more}, project)
    ]


def test_every_kind_of_weights_is_accepted(project):
    assert check(project, {"random": 0}) == []
    assert check(project, {"file": "w.safetensors", "sha256": SHA256}) == []
    assert check(project, {"url": "https://example.org/w.safetensors", "sha256": SHA256}) == []
    assert check(project, {"pretrained": "a1_in1k", "sha256": SHA256}) == []
    given = {"name": "resnet18", "weights": {"file": "w.safetensors", "sha256": SHA256}}
    assert timm.files(given, project) == [project.folder / "w.safetensors"]
    assert timm.weights_digest(given, project) == SHA256 and timm.trust(given) is None


def test_an_unknown_architecture_is_named_with_the_nearest(project):
    assert check(project, {"random": 0}, name="resnet_18") == [("architecture-unknown", ("name",), "did you mean 'resnet18'?")]


@pytest.mark.parametrize(
    ("weights", "route"),
    [
        ({"pretrained": "a1_in1k"}, ("weights",)),
        ({"pretrained": "a1_in1k", "sha256": "0" * 8}, ("weights",)),
        ({"pretrained": "a9_in1k", "sha256": SHA256}, ("weights", "pretrained")),
        ({"pretrained": "a1_in1k", "sha256": SHA256, "random": 0}, ("weights",)),
        ({"file": "w.safetensors"}, ("weights",)),
        ({}, ("weights",)),
    ],
)
def test_weights_that_cannot_be_loaded_are_refused(project, weights, route):
    assert [(code, place) for code, place, _ in check(project, weights)] == [("weights-invalid", route)]


def test_the_nearest_tag_and_the_place_to_hash_are_offered(project):
    assert check(project, {"pretrained": "a1_in1", "sha256": SHA256})[0][2] == "did you mean 'a1_in1k'?"
    hint = check(project, {"pretrained": "a1_in1k"})[0][2]
    assert "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors" in hint


def test_arguments_that_would_fetch_are_refused(project):
    found = check(project, {"random": 0}, arguments={"pretrained": True, "checkpoint_path": "x"})
    assert [route for _, route, _ in found] == [("arguments", "pretrained"), ("arguments", "checkpoint_path")]


def test_every_place_in_the_table_is_an_address(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    places = [address(name, tag) for name, tags in architectures().items() for tag in tags]
    assert len(places) > 1500 and all(place.startswith("https://") and " " not in place for place in places)
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert address("resnet18", "tv_in1k") == "https://mirror.example/timm/resnet18.tv_in1k/resolve/main/model.safetensors"


def test_an_absent_package_names_its_extra(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "timm" else found(name))
    assert timm.missing() == "timm is not installed; run: pip install 'edgec[timm]'"
    assert extras.missing_extra(("timm", "json"), "x") == "timm is not installed; run: pip install 'edgec[x]'"
    monkeypatch.undo()
    assert extras.missing_extra(("json", "no_such_package", "nor_this"), "x") == (
        "no-such-package and nor-this are not installed; run: pip install 'edgec[x]'"
    )
