"""What a build would do, as people read it in a terminal and in a comment: slices together, and never too long for GitHub."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bundle_parts import plan
from edgec.artifacts.manifest import Budget, Slice
from edgec.diagnostics import Diagnostic
from edgec.forecast import Forecast, Risk, Standing
from edgec.output.comment import comment, expected, record, standing
from edgec.output.plans import Known, human

GITHUB = 65_536


def risk(name: str | None, state: Standing = "missed", value: str = "70.00 %", margin: float = -0.1, same: bool = True) -> Risk:
    """A limit on one class, or on the whole where it has no name."""
    part = Slice(by="class", name=name) if name else None
    budget = Budget(kind="accuracy", statistic="top1", sense="min", limit=0.8, text="80%", route=(), slice=part)
    return Risk(budget=budget, standing=state, value=value, margin=margin, same=same)


def forecast(*risks: Risk, name: str = "camera", same: bool = True) -> Forecast:
    return Forecast(
        plan=plan(name=name, budgets=tuple(item.budget for item in risks)),
        action="lower", why=("quantization.name", "file manifests/weights.safetensors"), compared=True,
        since="2026-01-01T00:00:00Z", facts=None, seconds=20.0, size=1300, same=same, risks=risks,
    )  # fmt: skip


def shown(item: Forecast) -> str:
    return human([Known(forecast=item, profile=None, prediction=None)], False)


def test_the_worst_classes_are_shown_and_the_rest_counted() -> None:
    classes = [risk(f"label{index}", margin=-index / 1000) for index in range(20)]
    kept = [risk(f"good{index}", "kept", "90.00 %", 0.1) for index in range(5)]
    item = forecast(risk(None, "tight", "80.10 %", 0.001), *kept, *classes)
    for text in (shown(item), comment([[item]], [], [""])):
        assert "accuracy top1, class label19" in text and "accuracy top1, class label12" in text
        assert "label11" not in text and "good" not in text and "tight" in text
    assert "accuracy top1, class label19  at least 80%  70.00 %, would be missed\n" in shown(item)
    assert "  accuracy.top1.min by class: 12 missed, 5 kept more\n" in shown(item)
    assert "<br>accuracy.top1.min by class: 12 missed more |" in comment([[item]], [], [""])


def test_classes_of_which_nothing_is_known_are_one_row() -> None:
    item = forecast(*(risk(f"label{index}", "unknown", "") for index in range(20)))
    assert shown(item).count("top1") == 1 and "accuracy top1, by class  at least 80%  unknown\n" in shown(item)


def test_figures_of_another_artifact_are_told_as_such() -> None:
    caveat = " (the last build's, of what has changed since)"
    other = risk(None, "kept", "90.00 %", 0.1, same=False)
    assert standing(other) == f"90.00 %, kept{caveat}" and standing(replace(other, same=True)) == "90.00 %, kept"
    assert standing(replace(other, standing="device", value="")) == "on the device"
    assert expected(forecast(same=False))[0] == f"1.30 kB{caveat}" and expected(forecast())[0] == "1.30 kB"
    found = [record(forecast(*given)) for given in ((other,), (replace(other, same=True),), (replace(other, value=""),))]
    assert [item["of_this_artifact"] for item in found] == [False, True, True]
    assert [item["budgets"][0]["of_this_artifact"] for item in found] == [False, True, None]


@pytest.mark.parametrize("folded", ["short\n", "a long plan, line by line\n" * 100])
def test_a_comment_has_room_on_github(folded: str) -> None:
    groups = [[forecast(risk(None), name=f"camera-with-a-long-name-{index:04}")] for index in range(2_000)]
    found = [Diagnostic(code="wrong-value", message=f"{index} has no unit, and why in many words") for index in range(2_000)]
    for given, errors in ((groups, []), ([], found), (groups, found), (groups[:1], found)):
        text = comment(given, errors, [folded] * len(given))
        assert len(text) < GITHUB
        assert not errors or "**error** `wrong-value`: 0 has no unit" in text
        rows = text.count("| camera-with")
        assert not given or rows >= 1
        if rows < len(given):
            assert f"\n\n{len(given) - rows} more: `edgec plan` prints them\n" in text
        if errors:
            assert f"\n\n{len(errors) - text.count('- **error**')} more: `edgec plan` prints them\n" in text


def test_a_row_or_a_message_that_is_too_long_by_itself_is_counted() -> None:
    text = comment([[forecast(name="n" * 70_000)]], [Diagnostic(code="wrong-value", message="m" * 70_000)], ["detail\n"])
    assert len(text) < GITHUB and text.count("1 more: `edgec plan` prints them\n") == 2


def test_a_thousand_missed_classes_leave_room_for_the_other_targets() -> None:
    groups = [[forecast(*(risk(f"a class of a long name {index}") for index in range(1000)), name=name)] for name in "ab"]
    text = comment(groups, [], ["", ""])
    assert "| b 1.0.0 for" in text and len(text) < 5_000
