"""Eager's answers to the evaluation data are computed once for several recipes of one model, and are the same then."""

from dataclasses import replace

import numpy as np
import pytest
from plans import plan, project, tensor

from edgec.artifacts.manifest import Choice, Data
from edgec.lowering import lowering
from edgec.stages.evaluate import SHARED


@pytest.fixture(scope="module")
def made():
    data = tuple(Data(role=role, format="npz", options={"path": "vectors.npz"}) for role in ("calibration", "evaluation"))
    model = Choice(name="python", options={"entry": "nets:Linear"})
    return plan(model, (tensor("x", 1, 16),), data=data)


def evaluated(made, place, folder, reference=None):
    """Lower into ``folder`` and return the bytes and the arrays of its evaluation."""
    folder.mkdir()
    if reference:
        (folder / SHARED).write_bytes(reference)
    lowering(made, project(place), folder, lambda line: None)
    path = folder / "evaluation.npz"
    return path.read_bytes(), dict(np.load(path))


def test_a_handed_on_reference_changes_nothing_and_is_used(made, tiny_project, tmp_path):
    first, _ = evaluated(made, tiny_project, tmp_path / "fp32")
    int8 = replace(made, recipe=Choice(name="int8"))
    alone, arrays = evaluated(int8, tiny_project, tmp_path / "alone")
    shared, _ = evaluated(int8, tiny_project, tmp_path / "shared", first)
    assert shared == alone

    moved = arrays | {"reference.0": arrays["reference.0"] + np.float32(1e-3)}
    np.savez(tmp_path / "moved.npz", **moved)
    _, found = evaluated(int8, tiny_project, tmp_path / "moved", (tmp_path / "moved.npz").read_bytes())
    assert np.array_equal(found["reference.0"], moved["reference.0"])

    np.savez(tmp_path / "others.npz", **(moved | {"ids": moved["ids"][::-1]}))
    other, _ = evaluated(int8, tiny_project, tmp_path / "others", (tmp_path / "others.npz").read_bytes())
    assert other == alone, "answers to other samples are not taken"
