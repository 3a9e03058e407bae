"""Work in forks: what it finds comes back, and no fork outlives the block that began it."""

import os
import signal
import subprocess
import time

import pytest

from edgec.runtime.forks import Forks


def alive(pid: int) -> bool:
    """Whether it still runs; one that nobody has waited for yet (a zombie) does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


def test_the_work_is_done_elsewhere_and_what_it_finds_comes_back():
    here = [0]

    def work():
        here[0] = os.getpid()
        return {"pid": os.getpid(), "long": "x" * 1_000_000}

    with Forks() as forks:
        found = forks.begin(work).result()
    assert found["pid"] != os.getpid() and len(found["long"]) == 1_000_000
    assert here == [0] and not alive(found["pid"])


def test_several_work_side_by_side():
    reading, writing = os.pipe()

    def first():  # it ends only once the second has begun
        return os.read(reading, 1)

    def second():
        return os.write(writing, b"x")

    with Forks() as forks:
        begun = [forks.begin(first), forks.begin(second)]
        forks.wait()
        assert [fork.result() for fork in begun] == [b"x", 1]


def test_what_the_work_raises_is_raised_with_its_traceback():
    def work():
        raise ValueError("the cause")

    with Forks() as forks, pytest.raises(RuntimeError, match=r"in work\n(.*\n)+ValueError: the cause"):
        forks.begin(work).result()


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_where_a_fork_dies_the_work_is_done_here(death):
    parent = os.getpid()

    def work():
        if os.getpid() != parent:
            os.kill(os.getpid(), death)
        return os.getpid()

    with Forks() as forks:
        assert forks.begin(work).result() == parent


def test_what_leaves_the_block_interrupts_the_forks_and_waits_for_them(tmp_path):
    def work():
        (tmp_path / "begun").write_text(str(os.getpid()))
        try:
            time.sleep(60)
        finally:
            (tmp_path / "put back").touch()

    with pytest.raises(KeyboardInterrupt), Forks() as forks:
        forks.begin(work)
        while not (tmp_path / "begun").exists() or not (tmp_path / "begun").read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert (tmp_path / "put back").exists() and not alive(int((tmp_path / "begun").read_text()))


def test_a_fork_dies_with_its_parent(tmp_path):
    def child():
        (tmp_path / "child").write_text(str(os.getpid()))
        time.sleep(60)

    parent = os.fork()
    if not parent:
        forks = Forks()
        forks.begin(child)
        time.sleep(60)
        os._exit(0)
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        time.sleep(0.01)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    end = time.monotonic() + 10
    while alive(int((tmp_path / "child").read_text())) and time.monotonic() < end:
        time.sleep(0.01)
    assert not alive(int((tmp_path / "child").read_text()))


def test_where_no_process_can_be_begun_nothing_is(monkeypatch):
    def refused():
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refused)
    spare = os.dup(0)
    os.close(spare)
    with Forks() as forks:
        assert forks.begin(lambda: 1) is None
    again = os.dup(0)
    os.close(again)
    assert again == spare, "the pipe is closed"


def test_the_second_signal_lets_what_the_first_began_finish(tmp_path):
    """A terminal's Ctrl-C reaches the fork, and then the parent, on its way out, tells it again."""

    def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        finally:
            (tmp_path / "begun").touch()
            end = time.monotonic() + 1
            while time.monotonic() < end:
                time.sleep(0.05)
            (tmp_path / "put back").touch()

    with pytest.raises(KeyboardInterrupt), Forks() as forks:
        forks.begin(work)
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert (tmp_path / "put back").exists()


def test_it_is_interrupted_where_the_parent_hears_no_ctrl_c(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell has it for what it starts in the background
    try:
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt), Forks() as forks:
            forks.begin(lambda: time.sleep(60))
            raise KeyboardInterrupt
        assert time.monotonic() - begun < 30
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_while_a_fork_begins_comes_once_it_is_known(monkeypatch):
    real = os.fork

    def fork():
        pid = real()
        if pid:
            os.kill(os.getpid(), signal.SIGINT)
        return pid

    monkeypatch.setattr(os, "fork", fork)
    forks = Forks()
    with pytest.raises(KeyboardInterrupt), forks:
        forks.begin(lambda: time.sleep(60))
    assert [fork.ended() for fork in forks._begun] == [True]


def test_an_answer_that_is_cut_short_is_none():
    parent = os.getpid()

    def work():
        if os.getpid() == parent:
            return "here"
        return "x" * 10_000_000

    with Forks() as forks:
        fork = forks.begin(work)
        while not fork.ended():
            time.sleep(0.01)
        os.kill(fork._pid, signal.SIGKILL)  # it waits for the pipe to take the rest
        assert fork.result() == "here"


def test_children_that_the_system_waits_for(monkeypatch):
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with Forks() as forks:
            assert forks.begin(lambda: 1).result() == 1
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_nothing_is_forked_on_apples_systems(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert Forks().begin(lambda: 1) is None


def test_what_a_fork_prints_is_nobodys(capfd):
    import warnings

    with Forks() as forks:
        forks.begin(lambda: (print("out"), warnings.warn("err", stacklevel=1))[0]).result()
    assert capfd.readouterr() == ("", "")


def test_what_has_been_waited_for_is_held_no_longer():
    """Hundreds of bundles may be written in one block, and each work holds a candidate's answers."""
    with Forks() as forks:
        for number in range(5):
            assert forks.begin(lambda number=number: number).result() == number
        assert len(forks._begun) == 1


def test_a_fork_is_asked_of_whatever_its_file_is_numbered(monkeypatch):
    monkeypatch.setattr("select.select", None)  # it refuses files above 1023
    reading, writing = os.pipe()
    with Forks() as forks:
        fork = forks.begin(lambda: os.read(reading, 1))
        assert not fork.ended()
        os.write(writing, b"x")
        forks.wait()
        assert fork.ended() and fork.result() == b"x"
