"""A build with nothing to do does nothing, and says so; whatever is another, on the disk or among the inputs, is built."""

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import bundle_parts
from edgec import built
from edgec.artifacts.manifest import Budget, Choice
from edgec.artifacts.measured import Verdict
from edgec.artifacts.outcome import Made, Outcome
from edgec.artifacts.project import Project
from edgec.artifacts.settings import Settings
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.registry import KINDS
from edgec.runtime import identity
from edgec.stages.plan import lowering_key
from edgec.stages.write import digests_of, write
from edgec.store.cache import Cache

IDENTITY = built.runner_identity


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A bundle that was written and kept, and all that is needed to look for it again."""
    monkeypatch.setattr(built, "runner_identity", lambda target, backends, kernels, cache: "the runner")
    plan = bundle_parts.plan(allow_code=True)
    plan = replace(plan, lowering_key=lowering_key(plan))
    bundle = bundle_parts.bundle(tmp_path / "parts", allow_code=True)
    settings = Settings(out=tmp_path / "out")
    figures = bundle_parts.measured()
    outcome = Outcome(
        plan=plan,
        made=Made(recipe="int8", reason="few bits", sha256="4" * 64),
        measured=figures,
        verdicts=bundle_parts.verdicts(figures, latency="deferred"),
        written=write(bundle, settings.out),
        diagnostics=(warning(plan),),
    )
    found = SimpleNamespace(
        plan=plan, settings=settings, outcome=outcome, bundle=bundle, cache=Cache(folder=tmp_path / "cache"),
        project=Project(root=tmp_path, folder=tmp_path / "manifests"),
    )  # fmt: skip
    keep(found)
    return found


def warning(plan):
    where = Location(file=plan.manifest, route=("budgets", "latency", 0))
    related = (("it stands here", where),)
    return Diagnostic(code="budget-inconclusive", severity="warning", message="few", where=where, related=related)


def keep(place, **changes):
    lowered = SimpleNamespace(backends=("XnnpackBackend",), kernels=())
    outcome, digests = replace(place.outcome, **changes), digests_of(place.bundle, place.outcome.written)
    built.keep(outcome, lowered, digests, place.bundle.digests, [place.plan], place.settings, place.cache)


def look(place, plan=None, **settings):
    return built.unchanged([plan or place.plan], place.project, replace(place.settings, **settings), place.cache)


def test_what_is_told_again_is_what_was_told(place):
    again = look(place)
    assert again.since and again.status == "unchanged"
    assert replace(again, since="") == place.outcome


def test_findings_name_the_manifest_as_it_is_named_now(place):
    moved = replace(place.plan, manifest="another/way/to/camera.yaml")
    again = look(place, moved)
    assert {again.diagnostics[0].where.file, again.diagnostics[0].related[0][1].file} == {"another/way/to/camera.yaml"}


DAMAGE = {
    "a flipped byte": lambda written: (written.folder / "model.pte").write_bytes(b"no program" * 130),
    "a file more": lambda written: (written.folder / "lib" / "more.so").write_bytes(b""),
    "a file less": lambda written: (written.folder / "README.md").unlink(),
    "the tarball": lambda written: written.tarball.write_bytes(written.tarball.read_bytes()[:-1]),
    "the measurements": lambda written: written.measurements.write_text("{}"),
    "no report": lambda written: written.report.unlink(),
    "an unfinished write": lambda written: (written.tarball.parent / ".edgec-staging").mkdir(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bundle_that_is_not_whole_is_built_anew(damage, place):
    DAMAGE[damage](place.outcome.written)
    assert look(place) is None


@pytest.mark.parametrize("settings", [{"strict": True}, {"baseline": True}, {"out": Path("/nowhere")}])
def test_another_question_is_answered_anew(settings, place):
    assert look(place, **settings) is None


LOADED = Budget(kind="latency", statistic="p90", sense="max", limit=1.0, text="1s", route=("budgets",), after=600.0)


def test_a_long_load_is_clocked_anew_when_asked_and_then_stays(place):
    place.plan = replace(place.plan, budgets=(*place.plan.budgets, LOADED))
    deferred = Verdict(budget=LOADED, status="deferred", reason="takes 10min of load", figure=None)
    place.outcome = replace(place.outcome, plan=place.plan, verdicts=(*place.outcome.verdicts, deferred))
    keep(place)
    assert look(place) is not None and look(place, sustained=True) is None
    place.settings = replace(place.settings, sustained=True)
    keep(place)
    assert look(place, sustained=True) is not None
    assert look(place, sustained=False) is not None, "what took ten minutes is not thrown away by the next build"


def test_where_no_load_is_long_there_is_nothing_more_to_clock(place):
    assert look(place, sustained=True) is not None


def test_another_runner_is_built_in(place, monkeypatch):
    monkeypatch.setattr(built, "runner_identity", lambda *arguments: "a newer one")
    assert look(place) is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "linux-native"])
def test_a_bundle_without_a_runner_is_left_as_it_is_too(place, monkeypatch, kind):
    monkeypatch.setattr(built, "runner_identity", IDENTITY)
    monkeypatch.setattr(identity, "self_test_identity", lambda cache: "the compiler")
    place.plan = replace(place.plan, target=replace(place.plan.target, kind=kind))
    place.outcome = replace(place.outcome, plan=place.plan)
    keep(place)
    assert look(place) is not None
    monkeypatch.setattr(identity, "self_test_identity", lambda cache: "another compiler")
    assert (look(place) is None) == (kind == "microcontroller"), "what ran here is run again by another compiler"
    place.outcome.written.measurements.write_text("{}")
    assert look(place) is None


def test_the_self_test_s_compiler_is_told_by_its_own_versions(tmp_path, monkeypatch):
    tools = [SimpleNamespace(identity={"ziglang": version}) for version in ("1", "1", "2")]
    monkeypatch.setattr(identity, "known_toolchain", lambda architecture, glibc, cache: tools.pop(0))
    monkeypatch.setattr(identity.platform, "machine", lambda: "x86_64")
    first, again, other = (identity.self_test_identity(Cache(folder=tmp_path)) for _ in range(3))
    assert first == again != other


def test_a_toolchain_that_is_gone_is_the_builds_to_tell(place, monkeypatch):
    def gone(*arguments):
        raise Failure(Diagnostic(code="tool-missing", message="no zig"))

    monkeypatch.setattr(built, "runner_identity", gone)
    assert look(place) is None


def test_code_that_nothing_allows_any_more_is_refused_by_the_build(place):
    code = Choice(name="python", options={"entry": "net:build"})
    plan = replace(place.plan, model=code)
    place.outcome, place.plan = replace(place.outcome, plan=plan), plan
    keep(place)
    assert look(place) is not None
    (place.project.folder).mkdir()
    (place.project.folder / "net.py").write_text("def build(): ...")
    assert look(place, replace(plan, allow_code=False)) is None


def test_what_was_rejected_is_tried_again(place, tmp_path):
    place.cache = Cache(folder=tmp_path / "empty")
    keep(place, diagnostics=(Diagnostic(code="budget-missed", message="late"),))
    assert look(place) is None


def test_a_damaged_record_is_no_record(place):
    (record,) = (place.cache.folder / "built").glob("*/record.json")
    record.write_bytes(record.read_bytes().replace(b"met", b"wet", 1))
    assert look(place) is None


CHANGED = {
    "name": "other", "version": "2.0.0", "description": "other", "manifest": "/somewhere/manifests/other.yaml",
    "manifest_sha256": "9" * 64, "folder": "elsewhere", "labels": ("1", "0"), "threads": 1, "release": False,
    "target_files": {"boards/mine.yaml": "7" * 64}, "files": {"manifests/weights/camera.safetensors": "5" * 64},
}  # fmt: skip


@pytest.mark.parametrize("field", CHANGED)
def test_every_field_of_a_plan_that_a_bundle_shows_is_looked_at(field, place):
    other = replace(place.plan, **{field: CHANGED[field]})
    assert look(place, replace(other, lowering_key=lowering_key(other))) is None


def test_every_field_of_a_target_is_looked_at(place):
    for field in fields(place.plan.target):
        value = getattr(place.plan.target, field.name)
        other = f"{value}x" if isinstance(value, str) else 99 if isinstance(value, (int, float)) else ("x", "y", "z")
        if isinstance(value, dict):
            other = {"fp32": 99}
        assert look(place, replace(place.plan, target=replace(place.plan.target, **{field.name: other}))) is None, field.name


def test_a_limit_that_is_another_is_judged_anew(place):
    budgets = (replace(place.plan.budgets[0], limit=0.5, text="50%"), *place.plan.budgets[1:])
    assert look(place, replace(place.plan, budgets=budgets)) is None


def test_the_last_build_is_remembered_with_what_it_was_made_from(place):
    built.note_last(place.outcome, 12.5, [place.plan], place.project, place.settings, place.cache)
    built.note_last(place.outcome, 0.0, [place.plan], place.project, place.settings, place.cache)
    earlier = built.last_build(place.plan, place.project, place.cache)
    assert earlier.seconds == 12.5 and earlier.figures == place.outcome.measured.figures
    assert "file manifests/weights/camera.safetensors" in earlier.lowering and "budgets.size" in earlier.bundle
    other = replace(place.plan, files={"manifests/weights/camera.safetensors": "5" * 64})
    built.note_last(replace(place.outcome, plan=other), 0.0, [other], place.project, place.settings, place.cache)
    assert built.last_build(other, place.project, place.cache).seconds == 0.0
