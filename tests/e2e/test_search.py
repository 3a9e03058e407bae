"""A search as a user runs it: killed and taken up again, won, and left with nothing that passes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

NET = """
import torch
from torch import nn


def tiny():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 4, 1), nn.AvgPool2d(8), nn.Flatten(),
    )
"""

MANIFEST = """
apiVersion: edgec/v1
name: tiny
version: 1.0.0
model: {{source: python, entry: "net:tiny"}}
inputs:
  - {{name: x, shape: [1, 3, 16, 16]}}
task: {{name: classification, options: {{labels: [a, b, c, d]}}}}
data:
  calibration: {{format: npz, path: data.npz}}
  evaluation: {{format: npz, path: data.npz}}
search: {{recipes: [fp32, int8, int4], objective: {objective}}}
targets: [linux-x86_64]
budgets:
  accuracy: {{metric: agreement, min: 50%}}
  size: {size}
"""
"""int4 finds no linear layer in this network: a candidate that fails."""

LABELS = ["fp32 on xnnpack", "int8 on xnnpack", "int4 on xnnpack"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A project with a network, its data and a cache of its own."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "net.py").write_text(NET)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((64, 3, 16, 16)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, label=generator.integers(0, 4, 64))
    return folder


def started(place, *, size="1MB", objective="latency"):
    """Start a build in a session of its own, so that it can be killed with all that it started."""
    (place / "tiny.yaml").write_text(MANIFEST.format(size=size, objective=objective))
    return subprocess.Popen(
        [sys.executable, "-m", "edgec", "build", "tiny.yaml", "--root", ".", "--allow-code", "--jobs", "1", "--output", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
        env={**os.environ, "EDGEC_CACHE": str(place / "cache")},
        start_new_session=True,
    )


def ended(build, code=0):
    out, words = build.communicate(timeout=600)
    assert build.returncode == code, words + out
    return json.loads(out), words.splitlines()


def lowerings(lines):
    return [line.removesuffix(": lowering") for line in lines if line.endswith(": lowering")]


@pytest.fixture(scope="module")
def resumed(place):
    """What the second run says of a search whose first was killed with one candidate finished and one under way."""
    build = started(place)
    for line in build.stderr:
        if line.startswith(f"{LABELS[1]}: rewrite"):
            break
    os.killpg(build.pid, signal.SIGKILL)
    assert build.wait() == -signal.SIGKILL
    build.communicate()
    return ended(started(place))


def test_a_killed_search_loses_only_the_candidate_that_it_was_at(resumed):
    _, lines = resumed
    assert lowerings(lines) == LABELS[1:]
    assert f"{LABELS[0]}: the lowering is in the cache" in lines


def test_the_best_wins_and_a_failure_is_a_row(resumed):
    result, _ = resumed
    (outcome,) = result["outcomes"]
    rows = {row["candidate"]: row for row in outcome["search"]["candidates"]}
    assert list(rows) == LABELS
    assert rows["int4 on xnnpack"]["verdict"] == "failed"
    assert rows["int4 on xnnpack"]["reason"]
    won = rows[outcome["search"]["winner"]]
    assert won["model_sha256"] == outcome["model_sha256"]
    assert won["verdict"] == "passed"
    speeds = {name: figure(row, "latency.p50") for name, row in rows.items() if row["verdict"] == "passed"}
    assert len(speeds) == 2
    assert figure(won, "latency.p50") <= 1.03 * min(speeds.values())


def figure(row, name):
    return next(figure["value"] for figure in row["figures"] if figure["name"] == name)


def test_what_clocks_decided_lies_beside_the_tarball(resumed):
    (outcome,) = resumed[0]["outcomes"]
    bundle = Path(outcome["folder"], "bundle.json").read_text()
    assert '"search"' not in bundle and "latency.p50" not in bundle
    assert json.loads(bundle)["model"]["recipe"] in outcome["search"]["winner"]
    measured = json.loads(Path(outcome["measurements"]).read_text())["search"]
    assert measured == outcome["search"]
    report = Path(outcome["report"]).read_text()
    assert all(label in report for label in LABELS)
    assert '<span class="badge winner">' in report


def test_a_search_that_has_ended_clocks_anew(place, resumed):
    assert not list((place / "cache").glob("unfinished/*"))


def test_nothing_passes_and_what_is_feasible_is_kept(place, resumed):
    result, lines = ended(started(place, size="5kB", objective="size"), code=5)
    assert lowerings(lines) == ["int4 on xnnpack"]  # the rest is in the cache; what failed may work by now
    (outcome,) = result["outcomes"]
    found = outcome["search"]
    assert (found["winner"], found["nearest"], found["binding"]) == (None, "int8 on xnnpack", "size")
    (error, *_) = result["diagnostics"]
    assert error["code"] == "budget-missed"
    limit = found["relaxations"][0]["budgets"]["size"]
    assert f"size {limit} instead of 5kB" in error["hint"]
    assert "rejected" in Path(outcome["folder"]).parts
    front = Path(outcome["front"])
    kept = json.loads((front / "search.json").read_text())
    assert "int8 on xnnpack" in kept["front"]
    for label, folder in kept["artifacts"].items():
        row = next(row for row in kept["candidates"] if row["candidate"] == label)
        assert (front / folder / "model.pte").stat().st_size == figure(row, "size")
    assert sorted(path.name for path in front.iterdir()) == sorted([*kept["artifacts"].values(), "search.json"])
    passed, _ = ended(started(place, size=limit, objective="size"))
    assert passed["outcomes"][0]["search"]["winner"] == "int8 on xnnpack"


@pytest.mark.slow
def test_the_cameras_search_ends_within_five_minutes(edgec, tmp_path):
    start = time.monotonic()
    given = ("manifests/camera-search.yaml", "--out", tmp_path, "--output", "json")
    done = edgec("build", *given, EDGEC_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr + done.stdout
    assert time.monotonic() - start < 300
    for outcome in json.loads(done.stdout)["outcomes"]:
        found = {row["candidate"]: row["verdict"] for row in outcome["search"]["candidates"]}
        assert found["fp32 on xnnpack"] == "missed"  # its size
        assert found[outcome["search"]["winner"]] == "passed"
        here = outcome["target"] == "linux-x86_64"
        assert outcome["search"]["ranked_by"] in (["latency.p50"] if here else ["instructions", "cost"])
