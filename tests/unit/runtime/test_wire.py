"""Messages and arrays come out of a pipe as they went in."""

import io

import numpy as np
import pytest

from edgec.runtime import wire


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(1, 2, 3),
        np.array(3, dtype=np.int64),
        np.zeros((0, 4), np.float16),
        np.ones((2, 2), bool),
    ],
)
def test_arrays_keep_dtype_shape_and_values(array):
    stream = io.BytesIO()
    wire.send(stream, {"run": True}, [array, array])
    stream.seek(0)
    message, (first, second) = wire.receive(stream)
    assert message == {"run": True}
    for found in (first, second):
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)


def test_a_transposed_array_arrives_in_its_own_order():
    array = np.arange(6).reshape(2, 3).T
    stream = io.BytesIO()
    wire.send(stream, {}, [array])
    stream.seek(0)
    np.testing.assert_array_equal(wire.receive(stream)[1][0], array)


@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_a_stream_that_ends_early_is_an_end_not_a_short_array(cut):
    stream = io.BytesIO()
    wire.send(stream, {"load": "model.pte"}, [np.arange(8.0)])
    with pytest.raises(EOFError):
        wire.receive(io.BytesIO(stream.getvalue()[:cut]))
