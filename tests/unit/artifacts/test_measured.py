"""Figures as people write them, and beside the limits that they just miss."""

from __future__ import annotations

import pytest

from edgec.artifacts.measured import told_apart, written


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(999.99, "Hz", "1000 fps"), (1234.5, "Hz", "1234 fps"), (0.99999, "s", "1000 ms"), (0.00213, "s", "2.13 ms")],
)
def test_no_figure_just_below_a_thousand_has_an_exponent(value: float, unit: str, text: str) -> None:
    assert written(value, unit) == text


@pytest.mark.parametrize(
    ("value", "limit", "unit", "text"),
    [
        (999.99, 1000.0, "Hz", "999.99 fps"),
        (0.99999, 1.0, "s", "999.99 ms"),
        (0.60606, 0.6061, "share", "60.606 %"),
        (39.69726, 39.7, "dB", "39.697 dB"),
        (0.5, 0.6, "share", "50.00 %"),
        (0.5, 0.5, "share", "50.00 %"),
    ],
)
def test_a_figure_looks_unlike_the_limit_that_it_misses(value: float, limit: float, unit: str, text: str) -> None:
    assert told_apart(value, limit, unit) == text
