"""One camera, built once by the real command line; every test that needs a bundle shares it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from bundle_parts import bundle
from edgec.stages.write import write
from edgec.store.release import sign_bundle
from keys import Pair, pair
from shells import SHELLS
from signed_out import STEM, Out, policy_text, private

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
def run_folder(tmp_path_factory):
    """A folder of this run's own, the same for each of its workers (pytest-xdist)."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def cache_folder(run_folder):
    """A cache of this run's own, so that what an earlier run built proves nothing."""
    return run_folder / "cache"


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


CLOCKINGS = 3
"""Builds of one manifest at most: the tests beside it take the processors that its latency is clocked on."""


def built_once(edgec, run_folder, name):
    """Build ``manifests/NAME.yaml``, or take what another worker of this run built of it.

    A budget that is missed (exit code 5) is clocked again; what the clock does not decide is missed again.
    """
    out = run_folder / f"out-{name}"
    told = out / "told.json"
    with FileLock(run_folder / f"{name}.lock"):
        if not told.exists():
            for _ in range(CLOCKINGS):
                done = edgec("build", f"manifests/{name}.yaml", "--out", out, "--output", "json")
                if done.returncode != 5:
                    break
            assert done.returncode == 0, done.stderr + done.stdout
            told.write_text(done.stdout)
    return Built(json.loads(told.read_text()), out)


@pytest.fixture(scope="session")
def camera(edgec, run_folder):
    return built_once(edgec, run_folder, "camera")


@pytest.fixture(scope="session")
def vibration(edgec, run_folder):
    return built_once(edgec, run_folder, "vibration")


@pytest.fixture(scope="session")
def keyword(edgec, run_folder):
    return built_once(edgec, run_folder, "keyword")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("the keys")
    made = {kind: pair(folder, kind, kind) for kind in ("ed25519", "p256", "rsa")}
    return made | {"other": pair(folder, "other", "p256")}


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Pair]) -> Path:
    """Three bundles, each signed by two keys."""
    place = tmp_path_factory.mktemp("all releases")
    for number, changes in enumerate(({}, {"version": "1.1.0"}, {"name": "door"})):
        folder = write(bundle(place / f"parts-{number}", **changes), place / "out").folder  # type: ignore[arg-type]
        for kind in ("ed25519", "p256"):
            sign_bundle(folder, private(keys[kind]))
    return place / "out"


@pytest.fixture
def out(releases: Path, tmp_path: Path) -> Out:
    shutil.copytree(releases, tmp_path / "the out")
    return Out(tmp_path / "the out", STEM)


@pytest.fixture
def newer(out: Out) -> Out:
    return Out(out.place, "camera-1.1.0-linux-x86_64")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found = SHELLS[request.param]
    if not shutil.which(found[0]):
        pytest.skip(f"{found[0]} is not installed")
    return found


@pytest.fixture
def policy(out: Out, keys: dict[str, Pair]) -> Path:
    path = out.place / "edgec.toml"
    path.write_text(policy_text(out, keys))
    return path


@pytest.fixture(scope="session")
def detector(edgec, tmp_path_factory):
    """The detector in a project of its own, with one recipe in the place of its search, for two of its targets."""
    root = tmp_path_factory.mktemp("detector") / "project"
    (root / "manifests" / "weights").mkdir(parents=True)
    for name in ("edgec.toml", "manifests/detector_model.py", "manifests/weights/detector.safetensors"):
        shutil.copy(ROOT / name, root / name)
    for name in ("manifests/labels", "manifests/data/detector"):
        shutil.copytree(ROOT / name, root / name)
    text = (ROOT / "manifests" / "detector.yaml").read_text()
    search = text[text.index("search:") : text.index("targets:")]
    text = text.replace(search, "quantization: int8\ndelegate: xnnpack\n\n").replace(" raspberry-pi-4,", "")
    (root / "manifests" / "detector.yaml").write_text(text)
    done = edgec("build", "manifests/detector.yaml", "--root", ".", "--out", root / "out", "--output", "json", cwd=root)
    assert done.returncode == 0, done.stderr + done.stdout
    return Built(json.loads(done.stdout), root / "out")
