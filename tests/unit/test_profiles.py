"""Profiles in the cache, and which plans of a build they rule out; the counting itself is in tests/torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgec import profiles
from edgec.artifacts.plan import Plan
from edgec.artifacts.profile import Profile
from edgec.artifacts.settings import Settings
from edgec.cli import group
from edgec.diagnostics import Diagnostic, Failure
from edgec.pipeline import front, planned
from edgec.store.cache import Cache

ROOT = Path(__file__).resolve().parents[2]
SMALL = Profile(macs={"convolution": 17_000_000}, operators={"aten::conv2d": 52}, parameters=700_000, dynamic=False)
HUGE = replace(SMALL, macs={"convolution": 10**13})


def plans(name: str = "camera.yaml") -> list[Plan]:
    work, failed = planned([front(ROOT / "manifests" / name)], Settings())
    assert not failed
    return [plan for plan, _ in work]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path))
    return Cache(folder=tmp_path)


def run(*options: str) -> Result:
    result = CliRunner().invoke(group, ["plan", str(ROOT / "manifests" / "camera.yaml"), *options], standalone_mode=False)
    assert result.exception is None, result.exception
    return result


def test_one_profile_serves_every_target_and_recipe(cache: Cache) -> None:
    first, *others = plans()
    assert profiles.known(first, cache) is None
    profiles.keep(first, SMALL, cache)
    assert others and all(profiles.known(plan, cache) == SMALL for plan in others)


def test_without_a_profile_nothing_is_foretold(cache: Cache) -> None:
    found = profiles.foreseen(plans(), cache)
    assert set(found.predictions) == {None} and not found.refused and not found.hopeless
    assert "unknown until it is counted" in run().stdout


def test_a_model_that_could_not_be_counted_is_not_advised_to_be(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Profile:
        raise Failure(Diagnostic(code="model-not-loaded", message="the model could not be loaded"))

    monkeypatch.setattr("edgec.job.profile", refuse)
    result = run("--profile")
    assert result.return_value == 4 and "error[model-not-loaded]: the model could not be loaded" in result.stderr
    lines = [line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if line.startswith("  computes")]
    assert lines == ["unknown: counting it failed, as error[model-not-loaded] says"] * 2


def test_what_is_foretold_is_printed_with_its_reasons(cache: Cache) -> None:
    profiles.keep(plans()[0], SMALL, cache)
    text = run().stdout
    assert "17 M multiply-accumulates, 700,000 parameters" in text
    assert "4 cores x 1.43 GHz x 8 MACs a cycle" in text and "(estimated)" in text
    data = json.loads(run("--output", "json").stdout)
    nano, x86 = data["predictions"]
    assert nano["evidence"] == "estimated" and nano["seconds"] == pytest.approx(17e6 / (4 * 1.43e9 * 8))
    assert x86["seconds"] is None and data["profiles"][0]["operators"] == {"aten::conv2d": 52}


def test_what_cannot_be_is_refused_before_the_build(cache: Cache) -> None:
    profiles.keep(plans()[0], HUGE, cache)
    result = run()
    assert result.return_value == 5
    assert "error[budget-impossible]: jetson-nano: a latency of 100ms cannot be" in result.stderr + result.stdout


def test_a_build_leaves_out_what_cannot_be(cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profiles.keep(plans()[0], HUGE, cache)
    asked: list[str] = []
    monkeypatch.setattr("edgec.pipeline.build", lambda work, *rest: asked.extend(p.target.name for p, _ in work) or ())
    arguments = ["build", str(ROOT / "manifests" / "camera.yaml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(group, arguments, standalone_mode=False)
    assert result.return_value == 5 and asked == ["linux-x86_64"]


def test_a_search_goes_on_with_the_candidates_that_can_be(cache: Cache) -> None:
    """At 0.4 GMAC a latency of 100 ms is possible in int8 on the Nano with four threads, and at 6 not in any recipe."""
    found = plans("camera-search.yaml")
    nano = [plan for plan in found if plan.target.name == "jetson-nano"]
    for macs, hopeless in ((4 * 10**8, False), (10**12, True)):
        for key in nano:
            cache.remove(profiles.KIND, profiles.reference_key(key))
        profiles.keep(nano[0], replace(SMALL, macs={"convolution": macs}), cache)
        seen = profiles.foreseen(nano, cache)
        assert bool(seen.hopeless) == hopeless == bool(seen.refused)
