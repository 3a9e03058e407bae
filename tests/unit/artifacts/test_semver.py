"""Versions in the order of Semantic Versioning 2.0.0."""

import itertools

import pytest

from edgec.artifacts.semver import precedence

ORDER = (
    "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
    "1.0.0-rc.1.0", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0-0", "2.0.0", "10.0.0", "18446744073709551617.0.0",
)  # fmt: skip
"""Section 11's own example among others; the last is beyond 64 bits."""


@pytest.mark.parametrize(("lower", "higher"), itertools.combinations(ORDER, 2))
def test_the_order(lower: str, higher: str) -> None:
    assert precedence(lower) < precedence(higher)


def test_only_ascii_digits_are_numbers() -> None:
    assert precedence("1.0.0-9") < precedence("1.0.0-²")


def test_build_metadata_does_not_count() -> None:
    assert precedence("1.0.0+5") == precedence("1.0.0") == precedence("1.0.0+a-b.9")
