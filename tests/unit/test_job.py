"""What is told of an error in the lowering process that is no Failure."""

import io

import pytest

from edgec import job
from edgec.diagnostics import Failure


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


def test_a_full_disk_is_told_whatever_hides_it():
    messages = []

    def work():
        raise raised("the compiler trips", OSError(28, "No space left on device"))

    job.told(work, messages.append)
    assert messages[0]["failure"][0]["code"] == "disk-full"


def test_another_error_is_a_bug():
    messages = []

    def work():
        raise KeyError("x")

    job.told(work, messages.append)
    assert "KeyError" in messages[0]["bug"]


ABORTED = """no such kernel
Fatal Python error: Aborted

Current thread 0x00007f0000000002 (most recent call first):
  File "/a/nets.py", line 3 in forward
"""


DONE = [b'{"progress": "load 1.2 s"}', b'{"progress": "export 0.5 s"}']


@pytest.mark.parametrize(
    ("lines", "returncode", "words", "message"),
    [
        ([], 3, "cannot go on", "ended with exit code 3 before its first step was done: cannot go on"),
        (DONE, 3, "", "ended with exit code 3 after the step 'export'"),
        ([], -6, ABORTED, "was killed by SIGABRT before its first step was done: /a/nets.py:3, in forward: no such kernel"),
        ([], -11, ABORTED, "was killed by SIGSEGV before its first step was done: /a/nets.py:3, in forward"),
    ],
)
def test_a_child_without_an_answer_is_told_with_where_it_was(lines, returncode, words, message):
    told = []
    final = job.relayed(lines, told.append)
    assert len(told) == len(lines)
    with pytest.raises(Failure) as caught:
        job.settle(final, returncode, io.BytesIO(words.encode()))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("job-died", f"the lowering process {message}")
