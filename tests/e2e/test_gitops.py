"""What docs/gitops.md and .github/gitops say to run, run: the walk, the pipelines' steps, the pre-commit hook, the workload."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from keys import pair
from registries import PASSWORD, USER, Registry, installed, running

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / ".github" / "gitops"
STAND_INS = {
    # What only a forge or a fresh machine has; each writes down how it was called.
    "sudo": "",
    "apt-get": "",
    "gh": "",
    "docker": "cat > /dev/null",
    "python": 'case "$*" in "-m pip install "*) ;; *) exec "$PYTHON" "$@" ;; esac',
    "edgec": 'exec "$PYTHON" -m edgec "$@"',
}

pytestmark = pytest.mark.skipif(not installed() or not shutil.which("git"), reason="docker-registry or git is not installed")


@dataclass(frozen=True)
class Place:
    """A folder to work in, its environment, and the file in which the stand-ins write how they were called."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, script: str, shell: tuple[str, ...] = ("bash", "-e"), **more: str) -> str:
        environment = {**self.environment, **more}
        command = [*shell, "-c", script]
        done = subprocess.run(command, cwd=self.folder, env=environment, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @property
    def calls(self) -> list[str]:
        return Path(self.environment["CALLS"]).read_text().splitlines()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running(tmp_path_factory.mktemp("registry") / "here") as started:
        yield started


@pytest.fixture
def place(registry: Registry, cache_folder: Path, tmp_path: Path) -> Place:
    """An empty folder in which edgec, git and the stand-ins are on PATH."""
    programs, folder = tmp_path / "bin", tmp_path / "work"
    programs.mkdir()
    folder.mkdir()
    for name, body in STAND_INS.items():
        note = "" if name == "edgec" else f'echo "{name} $*" >> "$CALLS"'
        (programs / name).write_text(f"#!/bin/sh\n{note}\n{body}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "calls").touch()
    names = {"NAME": "A reader", "EMAIL": "reader@example.com"}
    person = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in names.items()}
    environment = {
        **os.environ, **registry.environment, **person,
        "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(tmp_path), "CALLS": str(tmp_path / "calls"), "PYTHON": sys.executable,
        "PATH": f"{programs}:{os.environ['PATH']}", "EDGEC": str(ROOT), "EDGEC_CACHE": str(cache_folder),
        "REGISTRY": f"{registry.host}/{re.sub('[^a-z0-9]', '', tmp_path.name.lower())}",
    }  # fmt: skip
    return Place(folder=folder, environment=environment)


@pytest.fixture
def project(place: Place, camera: object, tmp_path: Path) -> Place:
    """A clone of a repository with the camera, which is in the cache, and a key and a policy on its main branch."""
    key = pair(tmp_path / "keys", "release", "p256")
    place.run(
        f"""
        git init -q -b main origin && cd origin && cp -R "$EDGEC/manifests" .
        rm manifests/camera-*.yaml manifests/[d-z]*.yaml
        mkdir keys && cp {key.public} keys/release.pub.pem
        printf '[signatures]\\nkeys = ["keys/release.pub.pem"]\\n' > edgec.toml
        printf '%s\\n' /out/ /pulled/ /.base/ /plan.md > .gitignore
        git add . && git commit -q -m "Read meter digits"
        edgec build manifests -q && edgec lock manifests && git add . && git commit -q -m "Lock it" && rm -rf out
        cd .. && git clone -q origin project
        """
    )
    environment = {**place.environment, "KEY_FILE": str(key.private), "KEY_TEXT": key.private.read_text()}
    return Place(folder=place.folder / "project", environment=environment)


def blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_walk(place: Place, camera: object) -> None:
    text = (ROOT / "docs" / "gitops.md").read_text(encoding="utf-8")
    walk = text[text.index("## The walk") : text.index("## In the registry")]
    script = "\n".join(blocks(walk))
    for command in ("validate", "plan", "build", "lock", "sign", "push", "pull", "verify", "diff"):
        assert f"edgec {command} " in script
    place.run(script, ("sh", "-eu"))
    meters = place.folder / "meters"
    assert (meters / "pulled/device/camera/current").readlink().name.startswith("1.0.0-")
    assert (meters / "pulled/camera/1.1.0/linux-x86_64/model.pte").is_file() and not (meters / "elsewhere").exists()
    assert "camera" in (meters / "plan.md").read_text()


def github_steps(job: str, known: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Return each `run` step of a job with its environment; an expression that is not in ``known`` is a KeyError."""
    workflow: dict[str, Any] = yaml.safe_load((RECIPES / "github-actions.yml").read_text(encoding="utf-8"))

    def filled(text: Any) -> str:
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: known[found[1]], str(text))

    given = {key: filled(value) for key, value in workflow["env"].items()}
    steps = [step for step in workflow["jobs"][job]["steps"] if "run" in step]
    assert not any("${{" in step["run"] for step in steps), "what a forge fills in reaches scripts by the environment alone"
    return [(step["run"], {**given, **{key: filled(value) for key, value in step.get("env", {}).items()}}) for step in steps]


def test_the_steps_for_github(project: Place, registry: Registry) -> None:
    known = {
        "github.repository_owner": "team", "github.workspace": str(project.folder), "github.token": "a token",
        "github.event.number": "7", "github.base_ref": "main", "github.actor": "alice", "github.sha": "0" * 40,
        "secrets.EDGEC_SIGNING_KEY": project.environment["KEY_TEXT"],
    }  # fmt: skip
    here = {key: project.environment[key] for key in ("REGISTRY", "EDGEC_CACHE")}
    for job in ("check", "release"):
        for script, given in github_steps(job, known):
            project.run(script, **{**given, **here})
        if job == "check":
            shutil.rmtree(project.folder / "out")
    assert "gh pr comment 7 --body-file plan.md --edit-last --create-if-none" in project.calls
    assert f"docker login {registry.host} --username alice --password-stdin" in project.calls
    assert "python -m pip install edgec" in project.calls
    assert sorted(path.name for path in (project.folder / "pulled/camera/1.0.0").iterdir()) == ["jetson-nano", "linux-x86_64"]
    for script, given in github_steps("release", known)[-2:]:
        project.run(script, **{**given, **here})  # a pipeline that runs again changes nothing, and ends well


def test_the_steps_for_gitlab(project: Place, registry: Registry, tmp_path: Path) -> None:
    pipeline: dict[str, Any] = yaml.safe_load((RECIPES / "gitlab-ci.yml").read_text(encoding="utf-8"))
    given = {
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "EDGEC_SIGNING_KEY": project.environment["KEY_FILE"],
        "CI_REGISTRY": registry.host, "CI_REGISTRY_USER": USER, "CI_REGISTRY_PASSWORD": PASSWORD, "CI_COMMIT_SHA": "0" * 40,
        "DOCKER_CONFIG": str(tmp_path / "from the pipeline"),
    }  # fmt: skip
    for job in ("check", "release"):
        lines = [*pipeline["default"]["before_script"], *pipeline[job]["script"]]
        project.run("\n".join(lines), ("bash", "-eo", "pipefail"), **given)
        assert all(list(project.folder.glob(pattern)) for pattern in pipeline[job]["artifacts"]["paths"])
    assert sorted(path.name for path in (project.folder / "pulled/camera/1.0.0").iterdir()) == ["jetson-nano", "linux-x86_64"]


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_the_workload_starts_from_the_image_alone(camera: Any, place: Place, tmp_path: Path) -> None:
    """As a kubelet does it: the layers of the node's own image, one over the other, and the container's command."""
    place.run(f'edgec push "{camera.out}/camera/1.0.0" "oci://$REGISTRY/camera"')
    login = f"--authfile {place.environment['DOCKER_CONFIG']}/config.json"
    place.run(f'skopeo copy -q --override-arch amd64 {login} "docker://$REGISTRY/camera:1.0.0" dir:image && mkdir release')
    layers = json.loads((place.folder / "image/manifest.json").read_text())["layers"]
    for layer in layers:
        place.run(f"tar -xzf image/{layer['digest'].partition(':')[2]} -C release")
    documents = list(yaml.safe_load_all((RECIPES / "kubernetes.yml").read_text(encoding="utf-8")))
    pod = documents[0]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["image"]["reference"].partition("@sha256:")[2]
    before = place.run("find release -type f | sort | xargs sha256sum")
    (verify,), (serve,) = pod["initContainers"], pod["containers"]
    for container, more in ((verify, {}), (serve, {"EDGEC_SOURCE": "head -c 82944 /dev/urandom"})):
        *shell, script = container["command"]
        mounted = container["volumeMounts"][0]["mountPath"]
        said = place.run(script.replace(mounted, str(place.folder / "release")), (*shell[:-1], "-e"), **more)
    assert len(said.splitlines()) == 3, "three frames of 96 × 96, three answers"
    assert place.run("find release -type f | sort | xargs sha256sum") == before, "a read-only mount does"


@pytest.mark.parametrize("name", ["flux.yml", "argo.yml", "kubernetes.yml"])
def test_what_a_cluster_reads_is_whole(name: str) -> None:
    for document in yaml.safe_load_all((RECIPES / name).read_text(encoding="utf-8")):
        assert {"apiVersion", "kind", "metadata", "spec"} <= set(document) and document["metadata"]["name"] == "camera"


def test_the_hook(place: Place) -> None:
    """pre-commit itself, on a manifest without and with a mistake."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["id"] == "edgec-validate" and re.search(hook["files"], "manifests/camera.yaml")
    assert not re.search(hook["files"], "docs/camera.yaml")
    place.run(
        """
        git init -q hooks && cp "$EDGEC/.pre-commit-hooks.yaml" hooks && git -C hooks add . && git -C hooks commit -q -m hooks
        git init -q meters && cp -R "$EDGEC/manifests" meters && cd meters && rm manifests/camera-*.yaml manifests/[d-z]*.yaml
        printf 'repos:\\n- repo: %s\\n  rev: %s\\n  hooks: [{id: edgec-validate}]\\n' \\
          "$PWD/../hooks" "$(git -C ../hooks rev-parse HEAD)" > .pre-commit-config.yaml
        git add . && "$PYTHON" -m pre_commit run edgec-validate --all-files
        """
    )
    manifest = place.folder / "meters/manifests/camera.yaml"
    manifest.write_text(manifest.read_text().replace("recipe: int8", "recipe: int9"))
    said = place.run('cd meters; git add .; "$PYTHON" -m pre_commit run edgec-validate --all-files || echo refused', ("bash",))
    assert "int9" in said and said.rstrip().endswith("refused")
