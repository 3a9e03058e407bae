"""One camera, built once by the real command line; every test that needs a bundle shares it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Built:
    """``result`` is what `edgec build --output json` printed; ``out`` where it wrote."""

    result: dict
    out: Path

    def outcome(self, target: str) -> dict:
        return next(outcome for outcome in self.result["outcomes"] if outcome["target"] == target)

    def folder(self, target: str) -> Path:
        return Path(self.outcome(target)["folder"])

    def figure(self, target: str, name: str) -> dict:
        return next(figure for figure in self.outcome(target)["figures"] if figure["name"] == name)


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory):
    """A cache of this run's own, so that what an earlier run built proves nothing."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def edgec(cache_folder):
    """Run the command line as a user does, in a process of its own."""

    def run(*arguments, cwd=ROOT, umask=-1, **environment):
        return subprocess.run(
            [sys.executable, "-m", "edgec", *(str(argument) for argument in arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            umask=umask,
            env={**os.environ, "EDGEC_CACHE": str(cache_folder), **environment},
        )

    return run


@pytest.fixture(scope="session")
def camera(edgec, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    done = edgec("build", "manifests/camera.yaml", "--out", out, "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    return Built(json.loads(done.stdout), out)
