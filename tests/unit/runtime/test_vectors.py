"""Answers and golden vectors are written the same way every time."""

import hashlib

import numpy as np
import pytest

from edgec.artifacts.lowered import Tensor
from edgec.artifacts.manifest import Dimension, Input
from edgec.artifacts.samples import Sample
from edgec.runtime import vectors
from edgec.runtime.inference import runtime_answers


def test_npz_bytes_depend_on_content_only(tmp_path, monkeypatch):
    content = {"ids": np.array(["a", "bb"]), "output.0": np.eye(3, dtype=np.float32)}
    digests = set()
    for name, clock in (("one", 1e9), ("two", 2e9)):
        monkeypatch.setattr("time.time", lambda clock=clock: clock)
        vectors.write_npz(tmp_path / name, content)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    with np.load(tmp_path / "one", allow_pickle=False) as found:
        assert found["ids"].tolist() == ["a", "bb"]
        np.testing.assert_array_equal(found["output.0"], np.eye(3))


def test_answers_of_one_row_are_stacked_without_it():
    (found,) = vectors.stacked([(np.full((1, 4), index),) for index in range(3)])
    assert found.shape == (3, 4)


def test_answers_of_different_shapes_are_not_stacked():
    assert vectors.stacked([(np.zeros((1, 4)),), (np.zeros((1, 5)),)]) is None


def test_spread_takes_answers_that_differ_before_more_of_the_same():
    rows = [(np.array([[value]], np.float32),) for value in (0, 0, 0, 10, 10, 5)]
    assert vectors.spread(rows, 3) == [0, 3, 5]
    assert vectors.spread(rows, 8) == [0, 3, 5]


def test_spread_counts_the_answers_of_another_shape():
    rows = [(np.zeros((1, 2)),), (np.zeros((1, 3)),), (np.ones((1, 2)),)]
    assert vectors.spread(rows, 3) == [0, 2]


def test_the_ends_of_a_dynamic_axis_are_found():
    axes = (Dimension(minimum=1, maximum=1), Dimension(minimum=2, maximum=4))
    given = [Input(name="x", dtype="float32", shape=axes)]
    samples = [Sample(id=str(size), tensors={"x": np.zeros((1, size))}) for size in (3, 4, 2, 4)]
    assert vectors.ends(samples, given) == [2, 1]
    assert vectors.ends(samples[:1], given) == []
    fixed = [Input(name="x", dtype="float32", shape=(axes[0], Dimension(minimum=3, maximum=3)))]
    assert vectors.ends(samples, fixed) == []


def test_golden_files_are_little_endian_and_typed(tmp_path):
    given = Input(name="x", dtype="float32", shape=(Dimension(minimum=1, maximum=1), Dimension(minimum=2, maximum=2)))
    sample = Sample(id="s", tensors={"x": np.array([[1.5, -2.0]])})
    (record,) = vectors.write_golden(
        tmp_path, [sample], [(np.array([7.0], np.float32),)], [given], [Tensor(name="x", dtype="int64", shape=(1,))]
    )
    assert (record.inputs, record.outputs) == (("golden/0.in.x.bin",), ("golden/0.out.x.bin",))
    assert (tmp_path / "golden/0.in.x.bin").read_bytes() == np.array([1.5, -2.0], "<f4").tobytes()
    assert (tmp_path / "golden/0.out.x.bin").read_bytes() == np.array([7], "<i8").tobytes()


@pytest.mark.parametrize(
    ("dtype", "held", "kept"),
    [
        ("int32", [2**24, -3], [2**24 + 1, -3]),
        ("int64", [2**40, -(2**63)], [2**53 + 1, 2**63 - 1]),
        ("float64", [0.5, -(2.0**100)], [0.1, 1e300]),
    ],
)
def test_golden_answers_lose_nothing_on_the_way_from_the_artifact(tmp_path, dtype, held, kept):
    """Whole numbers above 2**24 and double precision: float32 carries what it holds, and nothing else."""
    given = Input(name="x", dtype=dtype, shape=(Dimension(minimum=1, maximum=1), Dimension(minimum=2, maximum=2)))
    samples = [Sample(id=str(index), tensors={"x": np.array([row], dtype)}) for index, row in enumerate((held, kept))]
    found = runtime_answers(lambda inputs: tuple(inputs), samples, [given])
    assert [row[0].dtype for row in found] == ["float32", dtype]
    records = vectors.write_golden(tmp_path, samples, found, [given], [Tensor(name="y", dtype=dtype, shape=(1, 2))])
    for sample, record in zip(samples, records, strict=True):
        for name in (*record.inputs, *record.outputs):
            assert (tmp_path / name).read_bytes() == sample.tensors["x"].tobytes()
