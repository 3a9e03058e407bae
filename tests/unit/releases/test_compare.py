"""Two written releases compared: what changed is there, what is equal is not, and what means nothing is said so."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgec.artifacts.manifest import Choice
from edgec.artifacts.measured import Figure
from edgec.diagnostics import Failure
from edgec.metrics.interval import mcnemar, paired_drop
from edgec.releases.compare import difference
from edgec.releases.read import read_release
from edgec.releases.records import verdicts
from edgec.targets.table import TARGETS
from release_parts import DATA, SAMPLES, TRUTH, evaluated, figures, files, flipped, latency, release


def compared(old, new, with_old=(), with_new=()):
    return difference(read_release(old.tarball, with_old), read_release(new.tarball, with_new))


def test_equal_releases_differ_in_nothing(tmp_path: Path) -> None:
    one, two = release(tmp_path / "one", evaluated()), release(tmp_path / "two", evaluated())
    found = compared(one, two)
    assert found.identical and found.notes == ("both are the same bundle, byte for byte",)
    assert not (found.identity or found.tools or found.parts or found.operators or found.verdicts)
    assert found.inputs.changed == found.inputs.added == found.inputs.removed == ()
    assert found.decisions is not None and found.decisions.flips == () and found.decisions.p_value == 1.0
    assert {item.change for item in found.figures} == {0.0}
    assert found.answers is not None and (found.answers.common, found.answers.equal, found.answers.worst) == (1, 1, 0.0)


@pytest.fixture
def old(tmp_path: Path):
    return release(tmp_path / "old", evaluated(flipped(90)), figures(accuracy=0.99))


def test_flips_are_told_by_sample_class_and_turn(old, tmp_path: Path) -> None:
    kept = evaluated(flipped(0, 2, 4, 7), reference=flipped(7))
    found = compared(old, release(tmp_path / "new", kept, figures(accuracy=0.96), version="1.1.0"))
    assert found.decisions is not None
    turns = {flip.sample: (flip.truth, flip.old, flip.new, flip.turn) for flip in found.decisions.flips}
    assert turns == {
        SAMPLES[0]: ("0", "0", "1", "lost"),
        SAMPLES[2]: ("0", "0", "1", "lost"),
        SAMPLES[4]: ("0", "0", "1", "lost"),
        SAMPLES[7]: ("1", "1", "0", "lost"),
        SAMPLES[90]: ("0", "1", "0", "won"),
    }
    assert {flip.sample for flip in found.decisions.flips if flip.float_flipped} == {SAMPLES[7]}
    assert found.decisions.p_value == pytest.approx(0.375)  # two-sided binomial of 1 in 5
    classes = {entry.label: (entry.samples, entry.old, entry.new, entry.lost, entry.won) for entry in found.decisions.classes}
    assert classes == {"0": (50, 49, 47, 3, 1), "1": (50, 50, 49, 1, 0)}


def test_accuracy_changes_by_the_paired_interval(old, tmp_path: Path) -> None:
    kept = evaluated(flipped(0, 2, 4, 7))
    change = compared(old, release(tmp_path / "new", kept, figures(accuracy=0.96))).figure("accuracy.top1")
    fall, (low, high) = paired_drop(np.array(evaluated(flipped(90)).scores["top1"]), np.array(kept.scores["top1"]))
    assert change is not None and change.change == pytest.approx(-fall) == pytest.approx(-0.03)
    assert change.interval == pytest.approx((-high, -low)) and change.worse and change.note == ""


def test_mcnemar_is_the_binomial_test() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(6, 0) == pytest.approx(2 * 0.5**6)
    assert mcnemar(3, 3) == 1.0
    assert 0 < mcnemar(600, 400) < 1e-9


def test_decisions_are_compared_by_class_name(tmp_path: Path) -> None:
    turned = evaluated(tuple(1 - truth for truth in TRUTH), truth=tuple(1 - truth for truth in TRUTH))
    one = release(tmp_path / "one", evaluated())
    two = release(tmp_path / "two", turned, labels=("1", "0"))
    found = compared(one, two)
    assert found.decisions is not None and found.decisions.flips == () and found.samples.common == 100
    assert any("compared by class name" in note for note in found.notes)


def test_only_samples_in_both_with_equal_content_and_label_are_compared(old, tmp_path: Path) -> None:
    more = (*SAMPLES[10:], "0/new.png")
    truth = (*TRUTH[10:], 0)
    kept = evaluated(truth, samples=more, truth=(1, *truth[1:]), reference=truth, scores={"top1": (1.0,) * len(more)})
    other = files(**{f"manifests/{DATA}/{SAMPLES[20]}": "f" * 64})
    found = compared(old, release(tmp_path / "new", kept, files=other))
    assert found.samples.common == 88
    assert (found.samples.only_old, found.samples.only_new, found.samples.changed, found.samples.relabelled) == (10, 1, 1, 1)
    top1 = found.figure("accuracy.top1")
    assert top1 is not None and "88 common samples" in top1.note


def test_rows_of_another_file_are_not_the_same_samples(tmp_path: Path) -> None:
    rows = evaluated(format="npz", path="data/test.npz", samples=tuple(f"test#{index}" for index in range(100)))
    one = release(tmp_path / "one", rows, files={"manifests/data/test.npz": "a" * 64})
    two = release(tmp_path / "two", rows, files={"manifests/data/test.npz": "b" * 64})
    same = release(tmp_path / "same", rows, files={"manifests/data/test.npz": "a" * 64}, version="1.0.1")
    found = compared(one, two)
    assert found.decisions is None and "data/test.npz is another file" in found.samples.refused
    top1 = found.figure("accuracy.top1")
    assert top1 is not None and top1.interval is None and "not paired" in top1.note
    assert compared(one, same).samples.common == 100


def test_a_release_without_evaluation_says_why(old, tmp_path: Path) -> None:
    bare = release(tmp_path / "new")
    found = compared(old, bare)
    assert found.decisions is None and found.samples.refused.startswith("of the new one: its measurements.json keeps no")
    bare.measurements.unlink()
    found = compared(old, bare)
    assert "no measurements.json beside it" in found.samples.refused
    assert found.figure("accuracy.top1") is not None, "bundle.json has it"
    p90 = found.figure("latency.p90")
    assert p90 is not None and p90.change is None and p90.note == "only the old one has it"


def test_latency_is_compared_on_one_machine_alone(tmp_path: Path) -> None:
    one = release(tmp_path / "one", None, figures(latency(0.010)))
    slower = release(tmp_path / "two", None, figures(latency(0.012)), version="2.0.0")
    change = compared(one, slower).figure("latency.p90")
    assert change is not None and change.worse and change.relative == pytest.approx(0.2)
    assert change.interval == pytest.approx((0.0114 - 0.0105, 0.0126 - 0.0095))
    for name, other in (("cpu", latency(0.012, cpu="Another")), ("threads", latency(0.012, threads=4))):
        change = compared(one, release(tmp_path / name, None, figures(other))).figure("latency.p90")
        assert change is not None and change.change is None and "not compared" in change.note, name


def verified(place: Path, of, evidence: str, p90: float) -> Path:
    bench = {"samples": 256, "warmup": 8, "threads": 2, "latency_s": {"p90": p90}, "throughput_hz": 20.0, "peak_rss_bytes": 1e7}
    digest = json.loads(of.measurements.read_bytes())["bundle_sha256"]
    place.write_text(json.dumps({
        "schema": "edgec/verification/v1", "bundle_sha256": digest, "evidence": evidence, "status": "passed", "bench": bench,
    }))  # fmt: skip
    return place


def test_a_device_s_figures_stand_against_a_device_s_alone(tmp_path: Path) -> None:
    one, two = release(tmp_path / "one"), release(tmp_path / "two", version="1.1.0")
    first, second = verified(tmp_path / "1.json", one, "device", 0.02), verified(tmp_path / "2.json", two, "device", 0.03)
    both = compared(one, two, (first, one.measurements), (two.measurements, second)).figure("latency.p90")
    assert both is not None and both.old is not None and both.old.evidence == "device"
    assert both.relative == pytest.approx(0.5) and "not recorded" in both.note
    mixed = compared(one, two, (first,), (two.measurements,)).figure("latency.p90")
    assert mixed is not None and mixed.change is None and mixed.note == "device against host: not compared"
    hosts = compared(one, two, (first, one.measurements), (two.measurements,)).figure("latency.p90")
    assert hosts is not None and hosts.old is not None and hosts.old.evidence == "host" and hosts.change == 0


def test_other_targets_are_compared_but_for_clocks(tmp_path: Path) -> None:
    from bundle_parts import TARGET

    one = release(tmp_path / "one", evaluated())
    two = release(tmp_path / "two", evaluated(), target=replace(TARGET, name="front-door"))
    found = compared(one, two)
    assert found.decisions is not None and any("targets differ" in note for note in found.notes)
    assert {item.note for item in found.figures if item.name.startswith(("latency", "memory.rss"))} == {
        "of different targets: not compared"
    }


def test_inputs_tools_and_verdicts_that_changed_are_named(old, tmp_path: Path) -> None:
    other = {**files(), "manifests/weights/camera.safetensors": "9" * 64, "manifests/labels.txt": "1" * 64}
    del other[f"manifests/{DATA}/{SAMPLES[3]}"]
    new = release(tmp_path / "new", evaluated(), files=other, states={"latency": "missed"}, recipe=Choice(name="fp32"),
                  manifest_sha256="8" * 64)  # fmt: skip
    found = compared(old, new)
    assert set(found.inputs.changed) == {"camera.yaml", "weights/camera.safetensors"}
    assert (found.inputs.added, found.inputs.removed) == (("labels.txt",), (f"{DATA}/{SAMPLES[3]}",))
    (verdict,) = found.verdicts
    assert (verdict.budget, verdict.old_status, verdict.new_status, verdict.worse) == ("latency.p90", "met", "missed", True)


def test_recipe_options_are_told(old, tmp_path: Path) -> None:
    new = release(tmp_path / "new", evaluated(), recipe=Choice(name="int8", options={"per_channel": False}))
    told = {fact.name: (fact.old, fact.new) for fact in compared(old, new).identity}
    assert told["recipe"] == ("int8", "int8 (per_channel: false)")


def test_two_different_things_are_refused(old, tmp_path: Path) -> None:
    other = release(tmp_path / "new", task=Choice(name="tensor"), labels=())
    with pytest.raises(Failure, match="their tasks differ") as caught:
        compared(old, other)
    assert caught.value.diagnostics[0].code == "not-comparable" and caught.value.exit_code == 2


def test_a_renamed_model_that_takes_and_gives_the_same_is_compared(old, tmp_path: Path) -> None:
    found = compared(old, release(tmp_path / "new", evaluated(), name="meter"))
    assert any("names differ" in note for note in found.notes)


def test_measurements_of_another_bundle_are_refused(old, tmp_path: Path) -> None:
    new = release(tmp_path / "new", version="1.1.0")
    shutil.copy(old.measurements, new.measurements)
    for given in ((), (new.measurements,)):
        with pytest.raises(Failure, match="another bundle's digest") as caught:
            compared(old, new, with_new=given)
        assert caught.value.diagnostics[0].code == "digest-mismatch"


def test_the_folder_finds_the_same_measurements_as_the_tarball(old) -> None:
    assert replace(read_release(old.folder), path="") == replace(read_release(old.tarball), path="")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": "edgec/measurements/v1"}', b"[" * 100_000])
def test_a_damaged_measurements_file_is_refused(old, tmp_path: Path, content: bytes) -> None:
    new = release(tmp_path / "new")
    new.measurements.write_bytes(content)
    with pytest.raises(Failure) as caught:
        read_release(new.tarball)
    assert caught.value.diagnostics[0].code == "bundle-broken"


def test_an_evaluation_of_another_shape_is_refused_by_name(tmp_path: Path) -> None:
    new = release(tmp_path / "new", evaluated())
    record = json.loads(new.measurements.read_bytes())
    record["evaluation"]["decisions"].pop()
    new.measurements.write_text(json.dumps(record))
    with pytest.raises(Failure, match="decisions has 99 values for 100 samples"):
        read_release(new.tarball)


def test_the_strongest_evidence_decides_a_verdict() -> None:
    def record(*rows):
        return {"verdicts": [dict(zip(("budget", "status", "evidence"), row, strict=True)) for row in rows]}

    built = record(("latency.p90", "deferred", "none"), ("size", "met", "artifact"), ("accuracy", "met", "host"))
    device = record(("latency.p90", "missed", "device"), ("accuracy", "missed", "emulated"), ("size", "deferred", "none"))
    assert verdicts([built, device]) == {"latency.p90": "missed", "size": "met", "accuracy": "met"}
    with pytest.raises(ValueError, match="maybe"):
        verdicts([record(("size", "maybe", "artifact"))])


def test_a_bundle_json_without_what_is_read_is_refused_by_name(tmp_path: Path) -> None:
    import hashlib

    new = release(tmp_path / "new")
    path = new.folder / "bundle.json"
    facts = json.loads(path.read_bytes())
    del facts["program"]
    path.write_text(json.dumps(facts))
    sums = (new.folder / "SHA256SUMS").read_text().splitlines()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [f"{digest}  bundle.json" if line.endswith("  bundle.json") else line for line in sums]
    (new.folder / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    new.measurements.unlink()
    with pytest.raises(Failure, match="'program' is a required property") as caught:
        read_release(new.folder)
    assert caught.value.diagnostics[0].code == "bundle-broken"


def test_a_figure_of_one_side_is_shown_and_not_compared(tmp_path: Path) -> None:
    extra = Figure(name="accuracy.top5", value=1.0, unit="share", evidence="host", samples=100)
    one, two = release(tmp_path / "one"), release(tmp_path / "two", None, figures(extra))
    found = compared(one, two).figure("accuracy.top5")
    assert found is not None and found.old is None and found.note == "only the new one has it"


@pytest.mark.parametrize("target", ["android-arm64", "ios", "cortex-m4"])
def test_every_kind_of_bundle_is_read_and_compared(tmp_path: Path, target: str) -> None:
    one = release(tmp_path / "one", target=TARGETS[target])
    two = release(tmp_path / "two", target=TARGETS[target], version="1.0.1")
    assert compared(one, one).identical
    found = read_release(two.folder)
    assert found.parts["model.pte"] == 1300 and found.parts["other files"] > 0
    assert not any(name.endswith("model.pte") for name in found.tools)
    assert [fact.name for fact in compared(one, two).identity] == ["version", "bundle"]
