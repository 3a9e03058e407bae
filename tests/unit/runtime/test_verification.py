"""A check of a bundle that does not end is told to, as its script passes on, and else ended."""

import os
import time
from pathlib import Path

import pytest

from edgec.diagnostics import Failure
from edgec.runtime import verification


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    # Nobody may be there to wait for an orphan that has ended.
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_check_that_takes_too_long_is_told_to_end_and_passes_that_on(tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "TIME_LIMIT_SECONDS", 0.5)
    told = tmp_path / "process"
    with pytest.raises(Failure, match="sh did not end within"):
        verification._run(["/bin/sh", "-c", f"sleep 60 & trap 'kill $!; exit 143' TERM; echo $! > {told}; wait"], {})
    until = time.monotonic() + 5
    while not gone(int(told.read_text())) and time.monotonic() < until:
        time.sleep(0.05)
    assert gone(int(told.read_text()))


def test_a_check_that_does_not_listen_is_ended(monkeypatch):
    monkeypatch.setattr(verification, "TIME_LIMIT_SECONDS", 0.5)
    monkeypatch.setattr(verification, "SECONDS_TO_END", 0.2)
    with pytest.raises(Failure, match="sh did not end within"):
        verification._run(["/bin/sh", "-c", "trap '' TERM; exec sleep 60"], {})


def test_a_check_hears_what_is_written_to_it_and_its_variables():
    done = verification._run(["/bin/sh", "-c", 'cat; echo "$SAID" >&2; exit 3'], {"SAID": "words"}, stdin=b"given")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"given", b"words\n")
