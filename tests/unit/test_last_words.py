"""Of what a process wrote before it died, the line that helps is told."""

import subprocess
import sys

import pytest

from edgec.last_words import crashed_in, told

GLOG = "W1127 09:20:25.797000 8882 torch/utils/_pytree.py:630] <enum 'KernelPreference'> is an Enum subclass"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", ""),
        (GLOG, ""),
        (f"cannot open the camera\n{GLOG}\n\n", "cannot open the camera"),
        ("I1127 09:20:25.797000 8882 x.cpp:6] loading\nW1127 09:20:26 x.py:1] old", ""),
        ("E1127 09:20:25.797000 8882 x.cpp:6] no space", "E1127 09:20:25.797000 8882 x.cpp:6] no space"),
        ("[W1127 09:20:25.797000 x.cpp:6] Warning: slow (function f)", ""),
        ("no room\n/a/nets.py:12: UserWarning: this is slow\n  y = f(x)\n", "no room"),
        ("no room\n/a/b.py:3: UserWarning: this\nUse that. (Triggered internally at /x.cpp:3.)\n  return f(x)", "no room"),
        ("terminate called\n  what():  bad index", "what():  bad index"),
        ("Traceback\nValueError: a Warning was due", "ValueError: a Warning was due"),
    ],
)
def test_warnings_are_not_taken_for_the_cause(words, line):
    assert told(words) == line


def test_a_crash_is_told_with_the_users_line(tmp_path):
    (tmp_path / "nets.py").write_text("import ctypes\n\ndef forward():\n    ctypes.string_at(0)\n")
    program = "import faulthandler; faulthandler.enable(); import nets; nets.forward()"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert ended.returncode == -11
    assert crashed_in(ended.stderr) == f"{tmp_path / 'nets.py'}:4, in forward"
    assert told(ended.stderr) == ""


def test_of_packages_alone_the_innermost_line_is_told():
    words = """Fatal Python error: Aborted

Thread 0x00007f0000000001 (most recent call first):
  File "/home/a/nets.py", line 1 in other

Current thread 0x00007f0000000002 (most recent call first):
  File "/venv/lib/python3.11/site-packages/torch/nn/functional.py", line 7 in embedding
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 9 in forward

Extension modules: numpy (total: 1)
"""
    assert crashed_in(words) == "/venv/lib/python3.11/site-packages/torch/nn/functional.py:7, in embedding"
    assert crashed_in("no stack at all") == ""
