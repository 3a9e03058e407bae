"""A limit that is told can be typed into a manifest, and the figure that it was told for keeps it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.artifacts.quantity import quantity, stated

KINDS = {"s": "duration", "bytes": "bytes", "Hz": "rate", "share": "share", "points": "share", "": "number"}


@pytest.mark.parametrize(
    ("value", "unit", "up", "text"),
    [
        (3.904e6, "bytes", True, "3.91MB"),
        (3.9e6, "bytes", True, "3.90MB"),
        (0.97612, "share", False, "97.61%"),
        (0.0123, "points", True, "1.23%"),
        (0.0123456, "s", True, "12.4ms"),
        (9.87654, "Hz", False, "9.87fps"),
        (0, "points", True, "0.00%"),
    ],
)
def test_limits_read_as_people_write_them(value, unit, up, text):
    assert stated(value, unit, up=up) == text


@given(st.floats(1e-6, 1e9), st.sampled_from(["s", "bytes", "Hz", ""]), st.booleans())
def test_a_told_limit_is_kept_and_near(value, unit, up):
    if unit == "bytes":
        value = float(round(value) + 1)
    text = stated(value, unit, up=up)
    told = quantity(text if unit else float(text), KINDS[unit])
    assert told >= value if up else told <= value
    assert abs(told - value) <= 0.011 * value


@given(st.floats(0, 1), st.sampled_from(["share", "points"]), st.booleans())
def test_a_told_share_is_kept_and_within_a_hundredth_of_a_point(value, unit, up):
    told = quantity(stated(value, unit, up=up), "share")
    assert told >= value if up else told <= value
    assert abs(told - value) <= 1.001e-4
