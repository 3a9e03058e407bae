"""The runner's median latency beside that of a bare Module::forward loop: the camera's model, turn by turn."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from edgec.runtime.build import compile_command, link_command
from edgec.runtime.packs import runtime_pack
from edgec.runtime.toolchain import toolchain
from edgec.store.cache import default_folder

HERE = Path(__file__).parent
LIBRARIES = ("libexecutorch.so", "libexecutorch_backend_xnnpack.so", "libexecutorch_threadpool.so")


def measure(rounds: int = 9, samples: int = 400, bundle: Path | None = None) -> list[tuple[str, float, float, float]]:
    """Return the row; each round runs the runner, then the loop. Without ``bundle`` the camera is built first."""
    with tempfile.TemporaryDirectory() as name:
        folder = bundle or camera(Path(name) / "out")
        facts = json.loads((folder / "bundle.json").read_text())
        loop = build(facts["hardware"], Path(name))
        pairs = [compare(folder, facts, loop, samples) for _ in range(rounds)]
    ours, bare = (statistics.median(values) for values in zip(*pairs, strict=True))
    return [("runner p50 / bare Module::forward loop (ms)", 1000 * ours, 1000 * bare, 1.05)]


def camera(out: Path) -> Path:
    """Build the camera for a machine like this one and return its bundle's folder."""
    target = f"linux-{platform.machine()}"
    command = [sys.executable, "-m", "edgec", "build", "manifests/camera.yaml", "--target", target, "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=HERE.parent)
    return next(out.glob(f"camera/*/{target}"))


def build(hardware: dict[str, str], folder: Path) -> Path:
    """Compile the loop exactly as the runner is compiled."""
    pack = runtime_pack(hardware["architecture"], default_folder(), offline=False)
    (folder / "lib").mkdir()
    (folder / "bin").mkdir()
    for library in LIBRARIES:
        (folder / "lib" / library).symlink_to(pack.libraries / library)
    executable = folder / "bin" / "forward_loop"
    tools = toolchain(hardware["architecture"], hardware["glibc"])
    compiled = folder / "forward_loop.o"
    compiling = compile_command(pack, tools, HERE / "forward_loop.cpp", compiled)
    linking = link_command(LIBRARIES, pack, tools, compiled, executable)
    for command in (compiling, linking):
        subprocess.run(command, check=True, cwd=folder, env={**os.environ, "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")})
    return executable


def compare(bundle: Path, facts: dict, loop: Path, samples: int) -> tuple[float, float]:
    """Return the medians (seconds) of the runner and of the bare loop, run one after the other."""
    vector = facts["golden"]["vectors"][0]
    ours = [str(bundle / "bin" / "edgec-run"), "--bench", "--samples", str(samples)]
    files = [str(loop), str(bundle / "model.pte"), str(bundle / vector["inputs"][0])]
    theirs = [*files, str(facts["threads"]), str(samples), *(str(axis) for axis in vector["input_shapes"][0])]
    result = subprocess.run(ours, check=True, capture_output=True, text=True)
    bare = subprocess.run(theirs, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)["latency_s"]["p50"], float(bare.stdout)


if __name__ == "__main__":
    for row in measure():
        print(*row)
