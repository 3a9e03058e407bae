"""What a process wrote to stderr before it died, to the one line that tells of it and the line of Python that it died in."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

from edgec.resources import PACKAGE

NOISE = re.compile(r"\[?[WI]\d{4} |(.*\W)?\w*Warning: |warning: |.*\(Triggered internally at ", re.ASCII)
"""The beginnings of lines that warn or inform: glog's and those of PyTorch's C++ and Python, and of Python's warnings."""
FATAL = "Fatal Python error: "
"""How faulthandler begins when a signal ends the process; the stacks of all threads follow."""
FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>.+)')


def told(words: str) -> str:
    """Return the last line that does not merely warn, without what faulthandler adds; empty where there is none."""
    last, warned = "", False
    for line in words.partition(FATAL)[0].splitlines():
        # Python shows the line of code that a warning comes from below it, indented.
        quoted = warned and line.startswith("  ")
        warned = NOISE.match(line) is not None
        if line.strip() and not warned and not quoted:
            last = line.strip()
    return last


def crashed_in(words: str) -> str:
    """Return where the thread that died was, as ``nets.py:12, in forward``; empty where faulthandler tells of none.

    The innermost line that is neither Python's, nor a package's, nor edgec's own is the one that helps.
    """
    _, _, stack = words.partition(FATAL)[2].partition("Current thread ")
    frames = []
    for line in stack.splitlines()[1:]:
        if not (found := FRAME.fullmatch(line)):
            break
        frames.append(found)
    if not frames:
        return ""
    shown = next((frame for frame in frames if _is_users(frame["file"])), frames[0])
    return f"{shown['file']}:{shown['line']}, in {shown['function']}"


def _is_users(file: str) -> bool:
    path = Path(file)
    libraries = (PACKAGE, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")))
    return path.is_absolute() and "site-packages" not in path.parts and not any(map(path.is_relative_to, libraries))
