"""How much `validate` and `plan` cost beside a bare import of the libraries they stand on; ratios of interleaved runs."""

import statistics
import subprocess
import sys
import time

import users

BARE = [sys.executable, "-c", "import yaml, click, jsonschema"]
COMMANDS = {
    "edgec validate": [sys.executable, "-m", "edgec", "validate", "manifests/camera.yaml", "-q"],
    "edgec plan": [sys.executable, "-m", "edgec", "plan", "manifests/camera.yaml", "-q"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=users.environment())
    return time.perf_counter() - start


def measure(rounds: int = 20) -> list[tuple[str, float, float, float]]:
    """Return (name, seconds, baseline seconds, limit of their ratio) as medians over interleaved rounds."""
    for command in (BARE, *COMMANDS.values()):
        seconds(command)
    taken: dict[str, list[float]] = {name: [] for name in ("bare", *COMMANDS)}
    for _ in range(rounds):
        taken["bare"].append(seconds(BARE))
        for name, command in COMMANDS.items():
            taken[name].append(seconds(command))
    bare = statistics.median(taken["bare"])
    what = "importing yaml, click, jsonschema (s)"
    return [(f"`{name}` / {what}", statistics.median(taken[name]), bare, 2.0) for name in COMMANDS]


if __name__ == "__main__":
    for row in measure():
        print(*row)
