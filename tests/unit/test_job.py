"""What is told of an error in the lowering process that is no Failure."""

import pytest

from edgec import job


def raised(words, cause):
    try:
        try:
            raise cause
        except type(cause) as error:
            raise ImportError(words) from error
    except ImportError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes"),
        raised("relaunch your python interpreter from there", ImportError("libblas.so: failed to map segment")),
    ],
)
def test_memory_that_ran_out_is_no_bug(error):
    messages = []

    def work():
        raise error

    job.told(work, messages.append)
    assert messages[0]["failure"][0]["code"] == "job-killed"


def test_another_error_is_a_bug():
    messages = []

    def work():
        raise KeyError("x")

    job.told(work, messages.append)
    assert "KeyError" in messages[0]["bug"]
