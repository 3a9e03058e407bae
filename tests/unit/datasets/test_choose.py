"""The choice of N samples: fixed, balanced, evenly spaced."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edgec.datasets.choose import choose


def test_one_class_is_spaced_evenly() -> None:
    assert choose(range(10), [0] * 10, 5) == [0, 2, 4, 6, 8]
    assert choose(range(10), [0] * 10, 3) == [0, 3, 6]


def test_no_count_and_too_large_a_count_take_all() -> None:
    assert choose("abc", [0, 1, 0], None) == ["a", "b", "c"]
    assert choose("abc", [0, 1, 0], 7) == ["a", "b", "c"]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(1, 80))
def test_shares_differ_by_one_unless_a_class_runs_out(classes: list[int], count: int) -> None:
    chosen = choose(range(len(classes)), classes, count)
    assert len(chosen) == min(count, len(classes))
    assert chosen == sorted(set(chosen))
    sizes, shares = Counter(classes), Counter(classes[index] for index in chosen)
    open_ended = [shares[name] for name in sizes if shares[name] < sizes[name]]
    assert not open_ended or max(shares.values()) - min(open_ended) <= 1
