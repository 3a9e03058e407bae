"""artifacts.quantity: what people write, in base units, or why not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from edgec.artifacts.quantity import UNITS, Kind, QuantityError, quantity


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("100ms", "duration", 0.1),
        ("1.5s", "duration", 1.5),
        ("250us", "duration", 250e-6),
        ("250µs", "duration", 250e-6),
        ("2 min", "duration", 120.0),
        ("5MB", "bytes", 5e6),
        ("64MiB", "bytes", 64 * 2**20),
        ("1e3kB", "bytes", 1e6),
        ("10fps", "rate", 10.0),
        ("0.5/s", "rate", 0.5),
        ("85%", "share", 0.85),
        ("1 %", "share", 0.01),
        (0.85, "share", 0.85),
        (1, "share", 1.0),
        (20, "number", 20.0),
        (-3.5, "number", -3.5),
        ("99%", "figure", 0.99),
        (20, "figure", 20.0),
    ],
)
def test_accepted(text: str | float, kind: Kind, expected: float) -> None:
    assert quantity(text, kind) == pytest.approx(expected, rel=1e-12)


def test_every_whole_percent_is_the_nearest_float() -> None:
    assert [quantity(f"{percent}%", "share") for percent in range(101)] == [percent / 100 for percent in range(101)]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("82.4%", "share", 824 / 1000),
        ("0.7%", "figure", 7 / 1000),
        ("0.7ms", "duration", 0.0007),
        ("4.35us", "duration", 4.35e-6),
        ("1.1h", "period", 3960.0),
        ("8.2MB", "bytes", 8_200_000.0),
        ("1.001GB", "bytes", 1_001_000_000.0),
        ("0.3KiB", "bytes", 307.2),
        (".57kHz", "frequency", 570.0),
        ("1.13MB/s", "bandwidth", 1_130_000.0),
        ("1.e-1s", "duration", 0.1),
    ],
)
def test_the_float_is_the_one_nearest_to_what_is_written(text: str, kind: Kind, expected: float) -> None:
    assert quantity(text, kind) == expected


@pytest.mark.parametrize("kind", UNITS)
def test_no_unit_rounds_twice(kind: Kind) -> None:
    """Each size of each unit, by rational numbers; what may be no such quantity (100.1%, 0s) is left out."""
    for unit, (whole, power) in UNITS[kind].items():
        for thousandths in range(1, 2000, 7):
            exact = Fraction(thousandths, 1000) * whole * Fraction(10) ** power
            assert quantity(f"{thousandths / 1000:.3f}{unit}", kind) == float(exact)


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        (100, "duration", "100ms"),
        ("100", "bytes", "100MB"),
        ("5mb", "bytes", "did you mean 5MB?"),
        ("100 parsecs", "duration", "units: "),
        (85, "share", "did you mean 85%?"),
        ("101%", "share", "between 0% and 100%"),
        (-0.1, "share", "between 0% and 100%"),
        ("0.85", "share", "without quotes"),
        ("20", "number", "without quotes"),
        ("20%", "number", "0.5"),
        ("0ms", "duration", "100ms"),
        ("-1MB", "bytes", "5MB"),
        ("fast", "rate", "10fps"),
        ("", "rate", "10fps"),
        ("1e999s", "duration", "100ms"),
        ("1e-999s", "duration", "100ms"),
        ("1" * 5000 + "s", "duration", "100ms"),
        ("1e" + "9" * 5000 + "s", "duration", "100ms"),
        (".s", "duration", "100ms"),
        ("1ms\n", "duration", "100ms"),
        ("١٠٠ms", "duration", "100ms"),
    ],
)
def test_refused(text: str | float, kind: Kind, hint: str) -> None:
    with pytest.raises(QuantityError) as caught:
        quantity(text, kind)
    assert hint in caught.value.hint
