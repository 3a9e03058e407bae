"""A runner that refuses its artifact ends the build with the runner's own last words; a stand-in script plays it here."""

import json
from types import SimpleNamespace

import pytest

from edgec.artifacts.bundle import Runner
from edgec.diagnostics import Failure
from edgec.runtime import bench as module


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """A job's folder and a function that makes a stand-in runner of a shell script."""
    job = tmp_path / "job"
    (job / "golden").mkdir(parents=True)
    (job / "model.pte").write_bytes(b"program")
    monkeypatch.setattr(module, "describe", lambda plan, lowered, layout: {"schema": "edgec/bundle/v1"})

    def runner(script):
        executable = tmp_path / "runner"
        executable.write_text(f"#!/bin/sh\n{script}\n")
        executable.chmod(0o755)
        return Runner(executable=executable, libraries=(), toolchain={})

    return job, runner


def bench(parts, script):
    job, runner = parts
    asked = module.Asked(samples=64, passes=80, loads=(2.0, 0.5))
    return module.bench(SimpleNamespace(), SimpleNamespace(), job, runner(script), asked)


def test_the_bench_record_comes_back(parts):
    record = json.dumps({"bench": {"samples": 64}})
    assert bench(parts, f"echo '{record}'") == {"samples": 64}


def test_it_is_asked_for_its_samples_as_host_evidence(parts):
    asked = "--self-test --evidence host --samples 64 --passes 80 --after 2 --after 0.5"
    bench(parts, f'echo "{{\\"bench\\": {{\\"asked\\": \\"$*\\"}}}}"; test "$*" = "{asked}"')


@pytest.mark.parametrize("script", ["echo 'golden vector 3 differs' >&2; exit 7", "kill -SEGV $$"])
def test_a_refusal_is_the_builds_failure(parts, script):
    with pytest.raises(Failure) as caught:
        bench(parts, script)
    (found,) = caught.value.diagnostics
    assert found.code == "runner-failed"
    assert "golden vector 3 differs" in found.message or "it was killed by SIGSEGV" in found.message


def test_a_runner_that_hangs_is_ended(parts, monkeypatch):
    monkeypatch.setattr(module, "TIME_LIMIT_SECONDS", 0.3)
    with pytest.raises(Failure, match="did not finish"):
        bench(parts, "exec sleep 30")
