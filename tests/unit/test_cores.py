"""Work shared among the cores: in order, with its errors, and never twice divided."""

import threading

import pytest

from edgec import cores
from edgec.cores import shared, together, waiting


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: 2)


def test_the_order_is_that_of_the_items_and_several_threads_work():
    both = threading.Barrier(2, timeout=10)
    assert shared(lambda item: (both.wait() >= 0, item), [1, 2]) == [(True, 1), (True, 2)]


def test_few_items_and_a_single_core_start_no_thread(monkeypatch):
    here = [threading.current_thread()] * 3
    assert shared(lambda item: threading.current_thread(), [1, 2, 3], few=4) == here
    monkeypatch.setattr(cores, "cores", lambda: 1)
    assert shared(lambda item: threading.current_thread(), [1, 2, 3]) == here


def test_a_part_of_shared_work_divides_its_own_no_further():
    def part(item):
        return set(shared(lambda inner: threading.current_thread(), range(8))) == {threading.current_thread()}

    assert shared(part, [1, 2]) == [True, True]
    assert shared(lambda item: item, [1, 2]) == [1, 2]


def test_what_the_work_raises_comes_through():
    with pytest.raises(OSError, match="gone"):
        shared(lambda item: (_ for _ in ()).throw(OSError("gone")), [1, 2])


def test_two_things_are_done_together_the_first_of_them_here():
    both, threads = threading.Barrier(2, timeout=10), []

    def step():
        both.wait()
        threads.append(threading.current_thread())

    together(step, step)
    assert len(set(threads)) == 2 and threading.current_thread() in threads


@pytest.mark.parametrize("failing", ["work", "beside"])
def test_an_error_of_either_comes_through_and_nothing_goes_on_behind_it(failing):
    done, before = [], set(threading.enumerate())

    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together(fail if failing == "work" else lambda: done.append(1), fail if failing == "beside" else lambda: done.append(1))
    assert done == [1] and set(threading.enumerate()) <= before


def test_where_no_thread_can_be_started_all_is_done_here(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = []
    assert shared(lambda item: (item, threading.current_thread()), [1, 2]) == [
        (item, threading.current_thread()) for item in (1, 2)
    ]
    together(lambda: done.append("work"), lambda: done.append("beside"))
    assert sorted(done) == ["beside", "work"]


def test_a_runtime_error_of_the_work_is_no_lack_of_threads():
    seen = []

    def work(item):
        seen.append(item)
        raise RuntimeError("can't start new thread")

    with pytest.raises(RuntimeError):
        shared(work, [1, 2])
    assert len(seen) <= 2


def test_what_waits_needs_no_core_and_is_not_refused_inside_shared_work(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: 1)
    both = threading.Barrier(2, timeout=10)
    waiting(lambda item: both.wait(), [1, 2])
    monkeypatch.setattr(cores, "cores", lambda: 2)
    together(lambda: None, lambda: waiting(lambda item: both.wait(), [1, 2]))


def test_no_more_wait_at_once_than_are_to(monkeypatch):
    here = threading.current_thread()
    monkeypatch.setattr(cores, "WAITING", 1)
    found = []
    waiting(lambda item: found.append(threading.current_thread()), [1, 2])
    assert found == [here, here]


def test_what_waiting_meets_comes_through():
    with pytest.raises(OSError, match="gone"):
        waiting(lambda item: (_ for _ in ()).throw(OSError("gone")), [1, 2, 3])


def test_an_interrupt_here_goes_before_another_threads_error_and_the_rest_is_left():
    seen, both = [], threading.Barrier(2, timeout=10)

    def work(item):
        seen.append(item)
        both.wait()
        raise KeyboardInterrupt if threading.current_thread() is here else OSError("gone")

    here = threading.current_thread()
    with pytest.raises(KeyboardInterrupt):
        shared(work, range(100))
    assert len(seen) == 2
