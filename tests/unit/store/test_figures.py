"""Measurements that come from outside: their shape is checked, and that their numbers are ones."""

from __future__ import annotations

import json

import pytest

from edgec.diagnostics import Failure
from edgec.store.figures import parse_figures

FIGURE = {"name": "accuracy.top1", "value": 0.5, "unit": "share", "evidence": "host"}
RECORD = {"schema": "edgec/measurements/v1", "bundle_sha256": "a" * 64, "figures": [FIGURE], "verdicts": []}


def test_a_record_is_read() -> None:
    assert parse_figures(json.dumps(RECORD).encode(), "m.json") == RECORD


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", '"0.5"', "[" * 50_000])
def test_a_figure_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(Failure, match=r"^m\.json is neither a verify\.json nor") as caught:
        parse_figures(json.dumps(RECORD).replace("0.5", value).encode(), "m.json")
    assert [found.code for found in caught.value.diagnostics] == ["bundle-broken"]
