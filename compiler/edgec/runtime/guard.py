"""Ending with the process that started one; as a script, the guard of a command, which is killed with all that it started.

It imports nothing of edgec, to start in a moment. ``python guard.py PARENT COMMAND ...`` leads a session of its own
(runtime/process.py starts it so) and ends as the command did: with its exit code, or by the signal that killed it. Linux
tells of the parent's end; elsewhere only who started this can end it.
"""

import ctypes
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Ask Linux to send this process a signal when the one that started it (process id ``parent``) ends; elsewhere do nothing.

    The signal follows the starting *thread*: it must stay until its child has ended.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


def main(parent: int, command: list[str]) -> NoReturn:
    """Be the guard of ``command``, for the process with id ``parent``."""
    signal.signal(signal.SIGTERM, _end)
    die_with_parent(parent, signal.SIGTERM)
    child = os.fork()
    if not child:
        _become(command)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        _die_of(os.WTERMSIG(status))
    sys.exit(os.waitstatus_to_exitcode(status))


def _die_of(number: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command has left a core, where cores are wanted
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


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
