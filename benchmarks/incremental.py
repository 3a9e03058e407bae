"""What the second build costs: nothing to do, another budget, many manifests, another target; in seconds and in memory.

The limits in seconds are those of a machine that imports yaml, click and jsonschema in IMPORTS_S, and grow with what that takes
here: each is measured beside it.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import build_time
import frontend
import users
import yaml

ROOT = Path(__file__).resolve().parents[1]
CAMERA = ROOT / "manifests" / "camera.yaml"
MANY = 200
SIDE_BY_SIDE = 8
IMPORTS_S = 0.091
"""What the imports take on the Xeon of docs/benchmarks.md, for which the limits were set."""
NO_OP_S, MANY_S, BUDGET_S = 0.3, 5.0, 1.0
"""Seconds that a build may take there: nothing to do for one manifest, and for MANY; and one that changes only a budget."""
PARTS = ("again", "many", "target", "jobs")
IMPORTS = "importing yaml, click, jsonschema"
JOBS_LIMIT, TARGET_LIMIT, MEMORY_LIMIT = 0.6, 0.15, 1.5


class Project:
    """A copy of the camera's manifest, weights and data, with a cache and an output folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifests = folder, folder / "manifests"
        for name in ("weights", "data", "labels"):
            shutil.copytree(CAMERA.parent / name, self.manifests / name)
        (folder / ".git").mkdir()
        self.document = yaml.safe_load(CAMERA.read_text())

    def write(self, name: str, **changes: object) -> Path:
        """Write one manifest, the camera's with these changes."""
        path = self.manifests / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**self.document, "name": name, **changes}, sort_keys=False))
        return path

    def build(self, *arguments: object, cache: str = "cache") -> tuple[float, float]:
        """Return wall seconds and the largest memory, in bytes, of one build."""
        command = [sys.executable, "-m", "edgec", "build", *map(str, arguments), "--out", str(self.folder / "out"), "-q"]
        return build_time.timed(command, cache=str(self.folder / cache))


def no_op_and_budget(project: Project, rounds: int) -> list[tuple[str, float, float, float]]:
    """One manifest of two targets: built, then built again, then with one limit changed at a time, for one target too."""
    manifest = project.write("camera")
    project.build(manifest)
    project.build(project.write("alone", targets=["linux-x86_64"]))
    imports, again, anew, changed, alone = [], [], [], [], []
    for number in range(rounds):
        imports.append(frontend.seconds(frontend.BARE))
        again.append(seconds(project, manifest))
        anew.append(seconds(project, manifest, *other_words(number)))
        budgets = {**project.document["budgets"], "size": f"{3 + number}MB"}
        project.write("camera", budgets=budgets)
        changed.append(seconds(project, manifest))
        alone.append(seconds(project, project.write("alone", targets=["linux-x86_64"], budgets=budgets)))
    bare = statistics.median(imports)
    return [
        (
            f"build with nothing to do, one manifest of two targets / {IMPORTS} (s)",
            statistics.median(again),
            bare,
            NO_OP_S / IMPORTS_S,
        ),
        (
            f"the same, looked at in full / {IMPORTS} (s)",
            statistics.median(anew),
            bare,
            NO_OP_S / IMPORTS_S,
        ),
        (f"build after a budget changed, two targets / {IMPORTS} (s)", statistics.median(changed), bare, BUDGET_S / IMPORTS_S),
        (f"the same, one target / {IMPORTS} (s)", statistics.median(alone), bare, BUDGET_S / IMPORTS_S),
    ]


def many(project: Project, rounds: int) -> list[tuple[str, float, float, float]]:
    """MANY manifests, which share a lowering, with nothing to do; and its memory beside that of ten."""
    shutil.rmtree(project.folder / "out", ignore_errors=True)
    for path in project.manifests.glob("*.yaml"):
        path.unlink()
    paths = [project.write(f"camera-{number:03}", targets=["linux-x86_64"]) for number in range(MANY)]
    project.build(project.manifests)
    taken, anew, imports = [], [], []
    for number in range(rounds):
        imports.append(frontend.seconds(frontend.BARE))
        taken.append(project.build(project.manifests))
        anew.append(project.build(project.manifests, *other_words(number)))
    # One build with nothing to do ends before its memory is sampled: ten of them are as good as one.
    ten = [project.build(*paths[:10], *other_words(number))[1] for number in range(rounds)]
    fewest, most = max(ten) / 1e6, max(peak for _, peak in anew) / 1e6
    return [
        (
            f"build with nothing to do, {MANY} manifests / {IMPORTS} (s)",
            min(item for item, _ in taken),
            min(imports),
            MANY_S / IMPORTS_S,
        ),
        (f"the same, looked at in full / {IMPORTS} (s)", min(item for item, _ in anew), min(imports), MANY_S / IMPORTS_S),
        ("largest memory of it / with 10 manifests (MB)", most, fewest, MEMORY_LIMIT),
    ]


def jobs(project: Project) -> list[tuple[str, float, float, float]]:
    """SIDE_BY_SIDE manifests, each with a lowering of its own: one command with two jobs, and one build after the other."""
    paths = []
    for number in range(SIDE_BY_SIDE):
        calibration = {**project.document["data"]["calibration"], "samples": 32 + number}
        data = {**project.document["data"], "calibration": calibration}
        paths.append(project.write(f"job-{number}", data=data, targets=["linux-x86_64"]))
    single = sum(project.build(path, cache="single")[0] for path in paths)
    shutil.rmtree(project.folder / "out")
    together = project.build(*paths, "--jobs", 2, cache="together")[0]
    return [(f"{SIDE_BY_SIDE} manifests with --jobs 2 / one by one (s)", together, single, JOBS_LIMIT)]


def second_target(project: Project, rounds: int = 3) -> list[tuple[str, float, float, float]]:
    """What the second target of a manifest adds to a build with an empty cache: the best of builds in turns."""
    first, both = [], []
    for number in range(rounds):
        for targets, taken in ((["linux-x86_64"], first), (["linux-x86_64", "jetson-nano"], both)):
            manifest = project.write("camera", targets=targets)
            taken.append(project.build(manifest, cache=f"{len(targets)}-{number}")[0])
            shutil.rmtree(project.folder / "out")
    added = max(min(both) - min(first), 0.0)
    return [("second target of a manifest / its first, cold (s)", added, min(first), TARGET_LIMIT)]


def other_words(number: int) -> tuple[str, str]:
    """Arguments that change nothing in what is built, and make each build a question that has no answer yet."""
    return ("--jobs", str(2 + number))


def seconds(project: Project, manifest: Path, *arguments: str) -> float:
    """Return wall seconds of one build, without the sampling of its memory."""
    command = [sys.executable, "-m", "edgec", "build", str(manifest), *arguments, "--out", str(project.folder / "out"), "-q"]
    start = time.perf_counter()
    environment = users.environment(str(project.folder / "cache"))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def measure(rounds: int = 5, parts: tuple[str, ...] = PARTS) -> list[tuple[str, float, float, float]]:
    """Return the rows; figures in seconds are medians, with MANY manifests the best."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        project = Project(Path(name))
        rows += no_op_and_budget(project, rounds) if "again" in parts else []
        rows += many(project, rounds) if "many" in parts else []
    for part, run in (("target", second_target), ("jobs", jobs)):
        if part in parts:
            with tempfile.TemporaryDirectory() as name:
                rows += run(Project(Path(name)))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=PARTS)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for row in measure(arguments.rounds, tuple(arguments.parts)):
        print(*row)
