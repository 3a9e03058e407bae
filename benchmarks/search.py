"""A search's wall time beside building its candidates one after the other, and the memory of all its processes."""

import argparse
import sys
import tempfile
from pathlib import Path

import build_time
import yaml

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "manifests" / "camera-search.yaml"
LIMIT = 0.6
BYTES_ALLOWED = 2.5e9


def candidates(manifest: Path) -> list[str]:
    """Return the manifest once for each of its candidates, with a fixed recipe and delegate in the search's place."""
    document = yaml.safe_load(manifest.read_text())
    search = document.pop("search")
    found = []
    for recipe in search["recipes"]:
        for delegate in search.get("delegates", ["xnnpack"]):
            fixed = {**document, "quantization": {"recipe": recipe}, "delegate": delegate}
            found.append(yaml.safe_dump(fixed, sort_keys=False))
    return found


def built(manifest: Path, cache: str, out: str) -> tuple[float, float]:
    """Return seconds and bytes of one cold build; a budget that is missed is a result too."""
    command = [sys.executable, "-m", "edgec", "build", str(manifest), "--root", str(ROOT), "--out", out]
    return build_time.timed(command, cache=cache, allowed=(0, 5))


def one_by_one(folder: Path) -> float:
    """Return the seconds of building every candidate cold, one after the other."""
    total = 0.0
    for index, text in enumerate(candidates(MANIFEST)):
        path = MANIFEST.with_name(f".candidate-{index}.yaml")
        try:
            path.write_text(text)
            total += built(path, str(folder / f"cache{index}"), str(folder / f"out{index}"))[0]
        finally:
            path.unlink()
    return total


def measure(rounds: int = 2) -> list[tuple[str, float, float, float]]:
    """Return the rows, best of interleaved rounds, every build with an empty cache."""
    single, searched, peaks = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            single.append(one_by_one(Path(name)))
            seconds, peak = built(MANIFEST, f"{name}/cache", f"{name}/out")
            searched.append(seconds)
            peaks.append(peak)
    return [
        ("search / its candidates built one by one (s)", min(searched), min(single), LIMIT),
        ("largest memory of a search, all its processes / 2.5 GB (MB)", max(peaks) / 1e6, BYTES_ALLOWED / 1e6, 1.0),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    for row in measure(parser.parse_args().rounds):
        print(*row)
