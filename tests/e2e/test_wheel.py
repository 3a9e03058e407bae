"""The wheel holds all that a build needs: installed without the checkout, in an empty environment, it builds the camera."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(place.glob("edgec-*.whl"))


def test_it_holds_schemas_templates_and_the_runners_source(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in [*(ROOT / "templates").rglob("*"), *(ROOT / "schemas").rglob("*")]:
        if path.is_file():
            assert f"edgec/{path.relative_to(ROOT).as_posix()}" in names
    assert not any(name.startswith(("tests/", "manifests/")) for name in names)


def test_the_camera_builds_from_it(wheel, cache_folder, tmp_path):
    """The environment is empty but for the wheel; torch and the other dependencies are this one's, by a path file."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    query = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip())
    zipfile.ZipFile(wheel).extractall(packages)
    ours = Path(sysconfig.get_path("purelib"))
    links = [item for item in ours.iterdir() if not item.name.startswith(("edgec", "_edgec", "__editable__"))]
    for item in links:
        if not (packages / item.name).exists():
            (packages / item.name).symlink_to(item)
    shutil.copytree(ROOT / "manifests", tmp_path / "project" / "manifests")
    environment = {**os.environ, "EDGEC_CACHE": str(cache_folder)}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(python), "-m", "edgec", "build", "manifests/camera.yaml", "--root", ".", "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path / "project",
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)["outcomes"]
    assert {outcome["target"] for outcome in outcomes} == {"jetson-nano", "linux-x86_64"}
    where = [str(python), "-c", "import edgec; print(edgec.__file__)"]
    assert str(tmp_path) in subprocess.run(where, capture_output=True, text=True, check=True, cwd="/").stdout
