"""artifacts.quantity: what people write, in base units, or why not."""

from __future__ import annotations

import pytest

from edgec.artifacts.quantity import Kind, QuantityError, quantity


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
        ("1ms\n", "duration", "100ms"),
        ("١٠٠ms", "duration", "100ms"),
    ],
)
def test_refused(text: str | float, kind: Kind, hint: str) -> None:
    with pytest.raises(QuantityError) as caught:
        quantity(text, kind)
    assert hint in caught.value.hint
