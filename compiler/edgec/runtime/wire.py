"""Messages over a pipe: one line of JSON, then the bytes of the arrays that it announces."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from edgec.artifacts.document import Json

if TYPE_CHECKING:
    from numpy.typing import NDArray


def send(stream: IO[bytes], message: dict[str, Json], arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write ``message`` and ``arrays`` and flush. Raises BrokenPipeError when nobody reads."""
    heads = [{"dtype": array.dtype.name, "shape": list(array.shape)} for array in arrays]
    stream.write(json.dumps({**message, "arrays": heads}).encode() + b"\n")
    for array in arrays:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Json], tuple[NDArray[Any], ...]]:
    """Return the next message and its arrays. Raises EOFError where the stream ends, also inside a message."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message: dict[str, Json] = json.loads(line)
    return message, tuple(_array(stream, head) for head in message.pop("arrays"))


def _array(stream: IO[bytes], head: dict[str, Json]) -> NDArray[Any]:
    import numpy as np

    dtype, shape = np.dtype(head["dtype"]), head["shape"]
    data = stream.read(dtype.itemsize * math.prod(shape))
    if len(data) != dtype.itemsize * math.prod(shape):
        raise EOFError
    # A bytearray, so that torch may share the memory: it refuses to share what cannot be written.
    return np.frombuffer(bytearray(data), dtype=dtype).reshape(shape)
