"""What is wrong with a data set as it is loaded stands at its place in the manifest."""

from types import SimpleNamespace

import numpy as np
import pytest

from edgec.artifacts.manifest import Dimension, Input
from edgec.artifacts.project import Project
from edgec.diagnostics import Failure, Location
from edgec.stages.load import _data

PLAN = SimpleNamespace(
    manifest="m.yaml",
    labels=(),
    inputs=[Input(name="x", dtype="float32", shape=(Dimension(minimum=1, maximum=1), Dimension(minimum=2, maximum=2)))],
    task=SimpleNamespace(name="tensor", options={}),
    dataset=lambda role: SimpleNamespace(format="npz", options={"path": "d.npz"}),
)


def test_content_that_no_header_shows_is_told_at_the_path_of_the_data_set(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.array([[0, np.nan]], np.float32))
    with pytest.raises(Failure) as caught:
        _data(PLAN, Project(root=tmp_path, folder=tmp_path), "evaluation")
    (found,) = caught.value.diagnostics
    assert found.code == "data-not-finite"
    assert found.where == Location(file="m.yaml", route=("data", "evaluation", "path"))
