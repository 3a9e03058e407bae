"""The verbs that answer at once load no torch, and `validate` nothing else that is slow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CAMERA = ROOT / "manifests" / "camera.yaml"
TORCH = {"torch", "torchvision", "torchao", "executorch"}
SLOW = {"numpy", "PIL", "jinja2", "cattrs", "safetensors", "cyclonedx", "ssl", "http", "asyncio", "concurrent"}
SCRIPT = """
import sys
from edgec.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print("\\n".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
sys.exit(code)
"""


def loaded(*arguments: str, folder: Path) -> set[str]:
    """Return the top-level names of all modules that a command loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["validate", str(CAMERA)],
        ["plan", str(CAMERA)],
        ["list"],
        ["explain", "budgets.latency"],
        ["explain", "int8"],
        ["schema"],
        ["init"],
        ["doctor"],
        ["build", "--help"],
        ["verify", "--help"],
        ["push", "--help"],
        ["pull", "--help"],
    ],
    ids=" ".join,
)
def test_no_torch(arguments: list[str], tmp_path: Path) -> None:
    assert not loaded(*arguments, folder=tmp_path) & TORCH


@pytest.mark.parametrize("name", ["camera", "vibration"])
def test_validate_loads_nothing_slow(name: str, tmp_path: Path) -> None:
    assert not loaded("validate", str(CAMERA.with_stem(name)), folder=tmp_path) & SLOW


def test_what_a_build_imports_while_it_is_planned_has_no_torch() -> None:
    code = "import sys, edgec.pipeline; edgec.pipeline.import_building(lambda: False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "edgec.stages.render" in done.stdout.split()
    assert not {name.partition(".")[0] for name in done.stdout.split()} & (TORCH | {"numpy"})


def test_the_rules_of_a_manifest_load_no_runtime_pack() -> None:
    code = "import sys, edgec.stages.check; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "edgec.runtime.packs" not in done.stdout.split()


def test_an_answer_that_is_known_loads_nothing_that_reads_manifests() -> None:
    code = "import sys, edgec.cli, edgec.commands.build, edgec.answers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & (SLOW | {"yaml", "jsonschema", "edgec.artifacts.plan", "edgec.pipeline"})


def test_finding_a_bundle_unchanged_loads_nothing_that_only_a_build_needs() -> None:
    code = "import sys, edgec.commands.build, edgec.built, edgec.stages.write, edgec.runtime.identity; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & (SLOW | {"tarfile", "email", "importlib.metadata"})


def test_signing_and_checking_signatures_load_no_torch(tmp_path: Path) -> None:
    from bundle_parts import bundle
    from edgec.stages.write import write
    from keys import pair

    tarball = write(bundle(tmp_path / "parts"), tmp_path / "out").tarball
    key = pair(tmp_path / "keys", "release", "p256")
    signing = loaded("sign", "--key", str(key.private), str(tarball), folder=tmp_path)
    checking = loaded("verify", "--signature-only", "--key", str(key.public), str(tarball), folder=tmp_path)
    assert not (signing | checking) & (TORCH | {"numpy", "jinja2", "cattrs"})
