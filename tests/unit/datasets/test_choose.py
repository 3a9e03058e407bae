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


def test_fewer_places_than_classes_are_spread_over_the_classes() -> None:
    classes = [index // 3 for index in range(30)]
    assert choose(range(30), classes, 5) == [0, 6, 12, 18, 24]
    assert choose(range(30), classes, 4) == [0, 6, 15, 21]


def test_what_remains_of_full_rounds_goes_to_the_first_classes() -> None:
    classes = [index // 5 for index in range(50)]
    shares = Counter(classes[index] for index in choose(range(50), classes, 23))
    assert list(shares.values()) == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]


def test_one_large_class_beside_small_ones_takes_what_is_left() -> None:
    classes = [0, 1, 2] + [3] * 20
    assert Counter(classes[index] for index in choose(range(23), classes, 13)) == {0: 1, 1: 1, 2: 1, 3: 10}


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(1, 80))
def test_shares_differ_by_one_unless_a_class_runs_out(classes: list[int], count: int) -> None:
    chosen = choose(range(len(classes)), classes, count)
    assert len(chosen) == min(count, len(classes))
    assert chosen == sorted(set(chosen))
    sizes, shares = Counter(classes), Counter(classes[index] for index in chosen)
    open_ended = [shares[name] for name in sizes if shares[name] < sizes[name]]
    assert not open_ended or max(shares.values()) - min(open_ended) <= 1
