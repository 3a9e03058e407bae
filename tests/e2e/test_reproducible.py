"""The same inputs give the same bytes, wherever, whenever and however the build is asked for.

Another folder, working folder, spelling of the path, umask, time zone, locale, hash seed, thread count and cache: the same
tarballs.
"""

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def elsewhere(edgec, tmp_path_factory):
    """The camera built again from a copy of its manifest, as differently as the command line allows."""
    copy = tmp_path_factory.mktemp("another place") / "project"
    shutil.copytree(ROOT / "manifests", copy / "manifests")
    done = edgec(
        *("build", copy / "manifests" / "camera.yaml", "--out", copy / "out", "--output", "json"),
        cwd="/",
        umask=0o077,
        EDGEC_CACHE=str(copy / "cache"),
        TZ="Pacific/Chatham",
        LC_ALL="tr_TR.UTF-8",
        LANG="tr_TR.UTF-8",
        PYTHONHASHSEED="4711",
        OMP_NUM_THREADS="2",
        SOURCE_DATE_EPOCH="1",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["outcomes"]


@pytest.mark.parametrize("target", ["jetson-nano", "linux-x86_64"])
def test_two_builds_give_the_same_tarball(camera, elsewhere, target):
    again = next(outcome for outcome in elsewhere if outcome["target"] == target)
    assert again["tarball_sha256"] == camera.outcome(target)["tarball_sha256"], first_difference(camera.folder(target), again)


def first_difference(one: Path, other: dict) -> str:
    folder = Path(other["folder"])
    for path in sorted(one.rglob("*")):
        twin = folder / path.relative_to(one)
        if path.is_file() and (not twin.is_file() or twin.read_bytes() != path.read_bytes()):
            return f"{path.relative_to(one)} differs"
    return "the folders are equal, the tarballs are not"


def test_measurements_lie_beside_the_tarball(camera):
    bundle = (camera.folder("linux-x86_64") / "bundle.json").read_text()
    assert '"latency.p50"' not in bundle
    measured = json.loads(Path(camera.outcome("linux-x86_64")["measurements"]).read_text())
    (latency,) = [figure for figure in measured["figures"] if figure["name"] == "latency.p90"]
    assert latency["interval"][0] <= latency["value"] <= latency["interval"][1]


def test_what_the_evaluation_decided_lies_beside_the_tarball(camera):
    kept = json.loads(Path(camera.outcome("linux-x86_64")["measurements"]).read_text())["evaluation"]
    right = sum(truth == decision for truth, decision in zip(kept["truth"], kept["decisions"], strict=True))
    share = camera.figure("linux-x86_64", "accuracy.top1")["value"]
    count = len(kept["samples"])
    assert right / count == pytest.approx(share) == pytest.approx(sum(kept["scores"]["top1"]) / count)
    assert kept["path"] == "data/digits/test"
    provenance = (camera.folder("linux-x86_64") / "provenance.json").read_text()
    assert all(f'"data/digits/test/{name}"' in provenance for name in kept["samples"])
