"""A script of its own: runs a command, and kills it with all that it started when the process that asked for it is gone.

``python guard.py PARENT COMMAND ...``, as the leader of its own session (runtime/process.py starts it so). It ends as the
command did: with its exit code, or 128 and the number of the signal that killed it. Linux tells of the parent's end;
elsewhere only who started this can end it.
"""

import ctypes
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> NoReturn:
    """Be the guard of ``command``, for the process with id ``parent``."""
    signal.signal(signal.SIGTERM, _end)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
    child = os.fork()
    if not child:
        _become(command)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)


def _become(command: list[str]) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)


def _end(number: int, frame: FrameType | None) -> None:
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
