"""Child processes that cannot outlive their parent, and what is told of one that died."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edgec.resources import PACKAGE

PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUSERBASE",
    "HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""Variables that a child needs to start, to find its packages and to fetch; in either case, and with all of EDGEC_*.

Nothing else gets through: ATEN_CPU_CAPABILITY, MKL_*, ONEDNN_*, TORCH_* and their like change results.
"""


def bound_memory(limit: int | None) -> None:
    """Let this process, and each that it starts, map at most ``limit`` bytes of memory (RLIMIT_AS); None changes nothing.

    What asks for more gets MemoryError, or what a library makes of a failed allocation. Raises OverBoundError where this
    process has mapped as much already, as far as Linux tells.
    """
    if limit is None:
        return
    import resource

    mapped = _mapped()
    if mapped >= limit:
        raise OverBoundError(f"it maps {mapped / 1e6:.0f} MB before it begins, and may map {limit / 1e6:.0f} MB")
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class OverBoundError(MemoryError):
    """A bound on memory that was passed before it was set."""


def _mapped() -> int:
    """Bytes of address space that this process has; 0 where there is no /proc."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def environment() -> dict[str, str]:
    """Return what of this process's environment is PASSED, with what makes a child's results the same everywhere.

    That is: no hash order, UTF-8, and one thread for torch. Of PYTHONPATH only the entry that holds edgec is left.

    Sums do not depend on the number of cores then. It costs little: a lowering is single-threaded Python, and where
    several builds share the cores, PyTorch's threads wait for each other (calibration took 25 s instead of 2 s).
    """
    fixed = {
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # Libraries fetch nothing behind edgec's back: what is loaded was hashed.
        "HF_HUB_OFFLINE": "1",
        # NNCF, which OpenVINO's delegate imports, reports its use to its makers unless it takes this for its own CI.
        "NNCF_CI": "1",
    }
    passed = {name: value for name, value in os.environ.items() if name.upper() in PASSED or name.startswith("EDGEC_")}
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if any(entry and Path(entry).resolve() == PACKAGE.parent for entry in entries):
        passed["PYTHONPATH"] = str(PACKAGE.parent)
    return {**passed, **fixed}


def command(module: str) -> list[str]:
    """Return the command that runs ``module.main(id of this process)``, its working folder not on its path."""
    code = f"import sys; sys.path[:] = filter(None, sys.path); from {module} import main; main({os.getpid()})"
    return [sys.executable, "-c", code]


def run(
    command: Sequence[str],
    *,
    seconds: float,
    stop: threading.Event | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` and return what it said; it and all that it starts end with this process, or when ``stop`` is set.

    It has a session of its own and nothing to read. What cannot be started ends with 127. Raises subprocess.TimeoutExpired
    after ``seconds``.
    """
    guarded = [sys.executable, "-I", "-S", str(PACKAGE / "runtime" / "guard.py"), str(os.getpid()), *command]
    child = subprocess.Popen(
        guarded,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=env,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    with child, killed_at_end(child, stop):
        out, said = child.communicate(timeout=seconds)
    return subprocess.CompletedProcess(command, child.returncode, out.decode(errors="replace"), said.decode(errors="replace"))


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill ``process``, which leads its own session, with everything it started; wait until it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def killed_at_end(process: subprocess.Popen[bytes], stop: threading.Event | None) -> Iterator[None]:
    """Inside it ``process`` may run; whichever way it is left, and as soon as ``stop`` is set, its group is killed."""
    left = threading.Event()

    def watch(stop: threading.Event) -> None:
        while not left.wait(0.1):
            if stop.is_set():
                kill_group(process)
                return

    watcher = threading.Thread(target=watch, args=(stop,)) if stop else None
    try:
        if watcher:
            watcher.start()
        yield
    finally:
        left.set()
        if watcher and watcher.ident:
            watcher.join()
        kill_group(process)


def how_it_ended(returncode: int) -> str:
    """Return ``was killed by SIGSEGV`` or ``ended with exit code 3``."""
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"
