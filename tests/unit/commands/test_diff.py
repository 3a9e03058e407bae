"""`edgec diff` as it is called: what people, programs and pull requests read, its exit codes, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle_parts import BUDGETS, lowered, plan, runner, verdicts
from edgec.artifacts.bundle import Written
from edgec.artifacts.manifest import Budget, Choice, Slice
from edgec.artifacts.measured import Figure, Verdict
from edgec.cli import main
from edgec.output.table import width
from edgec.stages.render import render
from edgec.stages.write import write
from release_parts import evaluated, figures, files, flipped, latency, release

Result = tuple[int, str, str]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return release(tmp_path_factory.mktemp("old") / "parts", evaluated(), figures(latency(0.010)))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Written:
    size = Figure(name="size", value=1430, unit="bytes", evidence="artifact")
    return release(
        tmp_path_factory.mktemp("new") / "parts", evaluated(flipped(*range(0, 40, 2))),
        figures(latency(0.012), size, accuracy=0.8),
        states={"latency": "missed"}, version="1.1.0", recipe=Choice(name="int8", options={"observer": "a|b <i>&@who"}),
    )  # fmt: skip


@pytest.fixture
def edgec(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_people_read_what_changed_in_a_hundred_columns(old: Written, new: Written, edgec: Any) -> None:
    code, out, err = edgec("diff", old.tarball, new.folder)
    assert (code, err) == (0, "")
    assert out.startswith("camera 1.0.0 → 1.1.0 for linux-x86_64\n")
    for said in (
        "accuracy top1  100.00 %  80.00 %  -20.00 pp",
        "latency p90    10 ms     12 ms    +20.0 %",
        "20 of 100 samples are decided differently (20.00 %): 20 lost, 0 won",
        "the float32 models decide all of these alike",
        "12 more: --output json lists all",
        "latency.p90  ≤ 100ms  met  ≤ 100ms  missed",
        "what a clock measured has the interval of the two runs alone",
    ):
        assert said in out, out
    assert max(len(line) for line in out.splitlines()) <= 100


@pytest.mark.parametrize("name", ["{}, a dog of a breed whose name is known to few and is written in full", "{}" + 9 * "犬"])
def test_long_class_names_are_cut_to_a_hundred_columns(name: str, tmp_path: Path, edgec: Any) -> None:
    labels = tuple(name.format(index) for index in range(2))
    one = release(tmp_path / "one", evaluated(), labels=labels)
    two = release(tmp_path / "two", evaluated(flipped(0, 2)), labels=labels, version="1.1.0")
    out = edgec("diff", one.tarball, two.tarball)[1]
    assert max(width(line) for line in out.splitlines()) <= 100, out
    if "dog" in name:
        assert "0/000.png  0, a dog o…ten in full  0, a dog o…ten in full  1, a dog o…ten in full  lost" in out
        assert "0, a dog of a breed…d is written in full  50 " in out


def sliced(place: Path, lost: float, **changes: Any) -> Written:
    """A release with a figure for each of a thousand classes; the even ones are worse by ``lost`` times their number."""
    each = [
        Figure(
            name=f"accuracy.top1[class label {index}]", value=0.9 - lost * index * (1 - index % 2), unit="share",
            evidence="host", samples=100,
        )
        for index in range(1000)
    ]  # fmt: skip
    return release(place, None, figures(*each), **changes)


def test_of_the_slices_the_worst_are_shown_and_the_others_counted(tmp_path: Path, edgec: Any) -> None:
    old, new = sliced(tmp_path / "one", 0.0), sliced(tmp_path / "two", 0.0001, version="1.1.0")
    for format in ("human", "markdown"):
        out = edgec("diff", old.tarball, new.tarball, "--output", format)[1]
        assert out.count("class label") == 8 and "class label 998" in out
        assert "accuracy top1 by class: 491 more differ, 501 do not differ; --output json lists all" in out.replace("\n  ", " ")


EACH = Budget(kind="accuracy", statistic="top1", sense="min", limit=0.5, text="50%", route=("budgets",))


def judged(place: Path, values: Sequence[float], **changes: Any) -> Written:
    """A release with a limit on each class, named by its number, met from 50 % on."""
    limits = tuple(replace(EACH, slice=Slice(by="class", name=f"label {index}")) for index in range(len(values)))
    each = [
        Figure(name=f"accuracy.top1[class label {index}]", value=value, unit="share", evidence="host", samples=100)
        for index, value in enumerate(values)
    ]
    told = [
        Verdict(budget=limit, status="met" if figure.value >= 0.5 else "missed", reason="as it is", figure=figure)
        for limit, figure in zip(limits, each, strict=True)
    ]
    found = figures(*each)
    changes.setdefault("files", files())
    job = place / "job"
    artifact, made = lowered(job), runner(place / "runner")
    asked = plan(budgets=(*BUDGETS, *limits), **changes)
    bundle = render(asked, artifact, job, made, found, (*verdicts(found), *told), False)
    return write(bundle, place / "out")


def test_of_the_budgets_on_slices_the_worst_are_shown_and_the_others_counted(tmp_path: Path, edgec: Any) -> None:
    """300 classes: the even ones were met and are missed, by the more the higher their number; the odd ones the other way."""
    before = [0.9 - 0.5 * (index % 2) for index in range(300)]
    after = [0.49 - 0.001 * index if index % 2 == 0 else 0.6 for index in range(300)]
    old, new = judged(tmp_path / "one", before), judged(tmp_path / "two", after, version="1.1.0")
    for format in ("human", "markdown"):
        out = edgec("diff", old.tarball, new.tarball, "--output", format)[1].partition("budgets")[2].replace("\\", "")
        shown = re.findall(r"top1\.min\[class label (\d+)\]", out)
        assert shown == [str(index) for index in range(284, 300, 2)]
        assert "accuracy.top1.min by class: 142 missed, 150 met more; --output json lists all" in out.replace("\n  ", " ")
    told = json.loads(edgec("diff", old.tarball, new.tarball, "--output", "json")[1])
    assert len(told["verdicts"]) == 300


def test_budgets_on_slices_that_are_gone_are_counted(tmp_path: Path, edgec: Any) -> None:
    old, new = judged(tmp_path / "one", [0.9] * 20), judged(tmp_path / "two", [0.9], version="1.1.0")
    out = edgec("diff", old.tarball, new.tarball)[1].partition("budgets")[2]
    assert out.count("class label") == 8 and "accuracy.top1.min by class: 11 gone more" in out


def test_markdown_has_room_in_a_comment(tmp_path: Path, edgec: Any) -> None:
    """With more inputs, budgets and figures than GitHub takes, whatever they hold."""
    old = release(tmp_path / "one", None, figures())
    many = [Figure(name=f"cycles.{'*' * 40}{index}", value=index, unit="cycles", evidence="estimated") for index in range(2000)]
    new = release(tmp_path / "two", None, figures(*many), version="1.1.0")
    code, out, _ = edgec("diff", old.tarball, new.tarball, "--output", "markdown", "--fail-on", "size:1%")
    assert code == 0 and len(out) < 65_536
    assert "| threshold |" in out and "more: `edgec diff` prints them\n" in out
    assert "</details>" in out or "more sections: `edgec diff` prints them\n" in out


def test_equal_releases_say_so(old: Written, edgec: Any) -> None:
    code, out, _ = edgec("diff", old.tarball, old.folder)
    assert code == 0
    assert "both are the same bundle, byte for byte" in out and "0 of 100 samples are decided differently" in out
    assert "identity" not in out and "size" not in out


def test_programs_read_all_of_it(old: Written, new: Written, edgec: Any) -> None:
    code, out, _ = edgec("diff", old.tarball, new.tarball, "--output", "json", "--fail-on", "size:5%,flips:50%")
    found = json.loads(out)
    assert (code, found["exit_code"], found["schema"]) == (7, 7, "edgec/difference/v1")
    assert len(found["decisions"]["flips"]) == 20
    assert [threshold["held"] for threshold in found["thresholds"]] == ["crossed", "kept"]
    (error,) = found["diagnostics"]
    assert error["code"] == "threshold-crossed" and "size 1.30 kB → 1.43 kB" in error["message"]


@pytest.mark.parametrize("format", ["markdown", "github"])
def test_a_pull_request_reads_markdown(format: str, old: Written, new: Written, edgec: Any) -> None:
    code, out, err = edgec("diff", old.tarball, new.tarball, "--output", format, "--fail-on", "accuracy:1%")
    assert code == 7
    assert "### camera 1.0.0 → 1.1.0 for linux-x86\\_64" in out
    assert "| accuracy top1 | 100.00 % | 80.00 % | -20.00 pp" in out and "✗ crossed" in out
    assert "a\\|b \\<i\\>\\&&#64;who" in out, "what a manifest says is not markup"
    assert "threshold-crossed" in err and ("::error" in err) == (format == "github")
    assert "threshold-crossed" not in out and "::error" not in out, "it may be posted as it is"


def test_a_threshold_that_is_kept_ends_well(old: Written, new: Written, edgec: Any) -> None:
    assert edgec("diff", old.tarball, new.tarball, "--fail-on", "accuracy:20%", "--fail-on", "latency:20%")[0] == 0


def test_every_crossed_threshold_is_listed(old: Written, new: Written, edgec: Any) -> None:
    code, _, err = edgec("diff", old.tarball, new.tarball, "--fail-on", "accuracy:1%,latency:1%,verdicts,memory.planned:1%")
    assert code == 7
    assert err.count("error[threshold-crossed]") == 4
    assert "--fail-on memory.planned:1%: cannot be held: no figure memory.planned on either side" in err


def test_strict_holds_the_interval(old: Written, new: Written, edgec: Any) -> None:
    assert edgec("diff", old.tarball, new.tarball, "--fail-on", "latency:25%")[0] == 0
    code, _, err = edgec("diff", old.tarball, new.tarball, "--fail-on", "latency:25%", "--strict")
    assert code == 7 and "95 % interval" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fail-on", "acuracy:1%"], "did you mean 'accuracy'"),
        (["--fail-on", ""], "names no threshold"),
        (["--fail-on", "flips:1"], "in percentage points"),
        (["--strict"], "name a threshold"),
        (["--new-measured", "nowhere.json"], "does not exist"),
        (["--target", "nonexistent"], "--target is for a side in a registry"),
        (["--plain-http"], "--plain-http is for a side in a registry"),
        (["--insecure-plain-http"], "--insecure-plain-http is for a side in a registry"),
    ],
)
def test_usage(arguments: list[str], said: str, old: Written, new: Written, edgec: Any) -> None:
    code, _, err = edgec("diff", old.tarball, new.tarball, *arguments)
    assert code == 2 and said in err


def test_what_is_no_bundle_is_refused(old: Written, edgec: Any, tmp_path: Path) -> None:
    code, _, err = edgec("diff", old.tarball, tmp_path / "nothing")
    assert code == 2 and "no-bundle" in err


@pytest.mark.parametrize("spoil", ["bytes", "short"])
def test_a_damaged_tarball_is_refused(spoil: str, old: Written, new: Written, edgec: Any, tmp_path: Path) -> None:
    content = new.tarball.read_bytes()
    middle = len(content) // 2
    flipped_bit = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    damaged = tmp_path / "damaged.tar.gz"
    damaged.write_bytes(flipped_bit if spoil == "bytes" else content[:middle])
    code, _, err = edgec("diff", old.tarball, damaged)
    assert code == 7 and ("bundle-broken" in err or "digest-mismatch" in err)


def test_two_different_things_are_refused(old: Written, edgec: Any, tmp_path: Path) -> None:
    other = release(tmp_path / "other", task=Choice(name="tensor"), labels=())
    code, _, err = edgec("diff", old.tarball, other.tarball)
    assert code == 2 and "error[not-comparable]" in err


def test_it_imports_no_torch(old: Written, new: Written) -> None:
    script = (
        "import sys; from edgec.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'executorch', 'torchvision'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", script, "diff", str(old.tarball), str(new.tarball), "--fail-on", "flips:100%"]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
