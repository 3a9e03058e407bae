"""Writing a bundle: the same bytes anywhere, old or new and never a mixture, nothing left behind."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bundle_parts import TARGET, bundle
from edgec.artifacts.bundle import Bundle, File, Written
from edgec.diagnostics import Failure
from edgec.stages import write as stage
from edgec.stages.write import write
from edgec.store import archive, atomic, bundles
from edgec.store.cache import Cache
from edgec.store.files import sha256_of
from forced import watched

PLACES = (
    "camera/1.0.0/linux-x86_64",
    *(f"camera-1.0.0-linux-x86_64{end}" for end in (".tar.gz", ".measurements.json", ".report.html")),
)


@pytest.fixture
def old(tmp_path: Path) -> Bundle:
    return bundle(tmp_path / "old-parts")


@pytest.fixture
def new(tmp_path: Path) -> Bundle:
    return bundle(tmp_path / "new-parts", description="Another one.")


def prints(out: Path) -> tuple[str | None, ...]:
    """What lies in the four places: digests, or None."""
    return tuple(bundles.fingerprint(out / place) for place in PLACES)


def everything(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*")}


def test_a_bundle_lies_where_it_belongs(old: Bundle, tmp_path: Path) -> None:
    written = write(old, tmp_path / "out")
    assert written.folder == tmp_path / "out" / PLACES[0]
    assert bundles.check(written.folder) == old.digest
    assert written.tarball_sha256 == sha256_of(written.tarball)
    assert json.loads(written.measurements.read_bytes())["bundle_sha256"] == old.digest
    assert written.report.read_bytes() == old.report
    assert {name for name in everything(tmp_path / "out") if name.startswith(".")} == set()


def test_a_rejected_bundle_lies_apart_and_leaves_the_accepted_one(old: Bundle, new: Bundle, tmp_path: Path) -> None:
    kept = write(old, tmp_path / "out")
    written = write(replace(new, rejected=True), tmp_path / "out")
    assert written.folder == tmp_path / "out" / "rejected" / PLACES[0]
    assert bundles.check(kept.folder) == old.digest


def test_the_tarball_of_another_bundle_is_not_replaced(old: Bundle, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    write(bundle(parts, version="1.0.0-rc", target=replace(TARGET, name="x")), tmp_path / "out")
    before = everything(tmp_path / "out")
    other = bundle(tmp_path / "other", target=replace(TARGET, name="rc-x"))
    assert refused(other, tmp_path / "out") == ["name-twice"]
    assert everything(tmp_path / "out") == before


def test_the_same_bundle_twice_gives_the_same_bytes(old: Bundle, tmp_path: Path) -> None:
    again = bundle(tmp_path / "again")
    one, two = write(old, tmp_path / "one"), write(again, tmp_path / "a folder" / "two")
    assert one.tarball.read_bytes() == two.tarball.read_bytes()


def test_a_second_write_replaces_the_first_whole(old: Bundle, new: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = write(old, out)
    (first.folder / "of-the-user").touch()
    before = prints(out)
    second = write(new, out)
    assert bundles.check(second.folder) == new.digest
    assert None not in prints(out)
    assert not set(before) & set(prints(out))
    assert not (first.folder / "of-the-user").exists()


def test_one_step_replacement_is_not_needed(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "_renameat2", lambda: None)
    write(old, tmp_path / "out")
    assert bundles.check(write(new, tmp_path / "out").folder) == new.digest


def refused(bundle_: Bundle, out: Path) -> list[str]:
    with pytest.raises(Failure) as caught:
        write(bundle_, out)
    return [found.code for found in caught.value.diagnostics]


@pytest.mark.parametrize("which", range(4))
def test_a_move_that_fails_puts_everything_back(
    which: int, old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(old, out)
    before, names = prints(out), everything(out)
    real, calls = atomic.exchange, iter(range(100))

    def failing(staged: Path, final: Path) -> bool:
        if next(calls) == which:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(staged, final)

    monkeypatch.setattr(stage, "exchange", failing)
    assert refused(new, out) == ["disk-full"]
    assert prints(out) == before
    assert everything(out) == names


def test_a_first_write_that_fails_leaves_nothing(old: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(staged: Path, final: Path) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stage, "exchange", full)
    assert refused(old, tmp_path / "deep" / "out") == ["disk-full"]
    assert not (tmp_path / "deep").exists()


def test_an_interrupt_between_two_moves_puts_everything_back(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(old, out)
    before = prints(out)
    real, calls = atomic.exchange, iter(range(100))

    def interrupted(staged: Path, final: Path) -> bool:
        done = real(staged, final)
        if next(calls) == 1:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(stage, "exchange", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(new, out)
    assert prints(out) == before


def test_what_reads_back_differently_is_refused(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(old, out)
    before = prints(out)

    def broken(folder: Path, top: str, tarball: Path, compress: object) -> list[archive.Piece]:
        tarball.write_bytes(b"\x1f\x8b garbage")
        return []

    monkeypatch.setattr(archive, "pack", broken)
    assert refused(new, out) == ["bundle-broken"]
    assert prints(out) == before


def test_a_source_that_changed_since_it_was_hashed_is_refused(old: Bundle, tmp_path: Path) -> None:
    changed = File(content=tmp_path / "other.pte")
    (tmp_path / "other.pte").write_bytes(b"not what was hashed")
    assert refused(replace(old, files={**old.files, "model.pte": changed}), tmp_path / "out") == ["digest-mismatch"]


def test_all_of_it_is_forced_to_the_disk_before_any_of_it_is_moved(
    old: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unforced = watched(monkeypatch, stage)
    write(old, tmp_path / "out")
    assert unforced() == set()


def test_an_interrupt_while_the_tarball_is_packed_ends_the_write(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(old, tmp_path / "out")
    before = prints(tmp_path / "out")

    def interrupted(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
        raise AssertionError("the interrupt came to another thread")

    monkeypatch.setattr(archive, "pack", interrupted)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        write(new, tmp_path / "out")
    assert time.monotonic() - begun < 10
    assert prints(tmp_path / "out") == before and not [name for name in everything(tmp_path / "out") if name.startswith(".")]


def test_a_file_in_the_way_is_an_environment_error(old: Bundle, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    assert refused(old, tmp_path / "out") == ["not-writable"]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "camera").write_text("a file")
    assert refused(old, tmp_path / "more") == ["not-writable"]
    assert everything(tmp_path / "more") == {"camera"}


def states(old: Bundle, new: Bundle, tmp_path: Path) -> tuple[tuple[str | None, ...], tuple[str | None, ...]]:
    found = []
    for position, item in enumerate((old, new)):
        write(item, tmp_path / f"state-{position}")
        found.append(prints(tmp_path / f"state-{position}"))
    return found[0], found[1]


def test_a_killed_write_with_a_journal_is_finished_by_the_next_one(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = states(old, new, tmp_path)
    out = tmp_path / "out"
    write(old, out)
    process = os.fork()
    if process == 0:  # the child dies after the first of four moves
        real = atomic.exchange

        def deadly(staged: Path, final: Path) -> bool:
            real(staged, final)
            os.kill(os.getpid(), signal.SIGKILL)
            return True

        stage.exchange = deadly  # type: ignore[attr-defined]
        write(new, out)
    os.waitpid(process, 0)
    assert prints(out) == (after[0], *before[1:])
    other = replace(old, target="another")
    write(other, out)
    assert prints(out) == after


@pytest.mark.parametrize(
    "journal",
    [
        b"",
        b"{",
        b"\xff",
        b"3",
        b"[3]",
        b"{}",
        b"[" * 100_000,
        b'[{"staged": "bundle", "final": "a"}]',
        b'[{"staged": 1, "final": 2, "sha256": "3"}]',
        b'[{"staged": "half", "final": "a", "sha256": null}]',
    ],
    ids=lambda journal: journal[:40].decode("ascii", "replace"),
)
def test_a_broken_journal_is_dropped(journal: bytes, old: Bundle, tmp_path: Path) -> None:
    staging = tmp_path / "out" / stage.STAGING / "dead"
    staging.mkdir(parents=True)
    (staging / stage.JOURNAL).write_bytes(journal)
    assert bundles.check(write(old, tmp_path / "out").folder) == old.digest
    assert not [name for name in everything(tmp_path / "out") if name.startswith(".")]


def test_a_journal_that_is_a_folder_is_dropped(old: Bundle, tmp_path: Path) -> None:
    (tmp_path / "out" / stage.STAGING / "dead" / stage.JOURNAL).mkdir(parents=True)
    assert bundles.check(write(old, tmp_path / "out").folder) == old.digest


@pytest.mark.parametrize(("staged", "final"), [("half", "../elsewhere"), ("../../kept", "moved")])
def test_a_journal_moves_nothing_out_of_the_folder_or_into_it(staged: str, final: str, old: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    staging = out / stage.STAGING / "dead"
    staging.mkdir(parents=True)
    for path in (staging / "half", out / "kept"):
        path.write_bytes(b"x")
    move = {"staged": staged, "final": final, "sha256": sha256_of(out / "kept")}
    (staging / stage.JOURNAL).write_text(json.dumps([move]))
    write(old, out)
    assert (out / "kept").exists() and not (out / "moved").exists() and not (tmp_path / "elsewhere").exists()


def test_a_dead_staging_folder_is_cleared_away(old: Bundle, tmp_path: Path) -> None:
    (tmp_path / "out" / stage.STAGING / "half").mkdir(parents=True)
    written: Written = write(old, tmp_path / "out")
    assert bundles.check(written.folder)
    assert not [name for name in everything(tmp_path / "out") if name.startswith(".")]


def test_another_writer_at_work_is_left_alone_and_waits_for_nobody(old: Bundle, new: Bundle, tmp_path: Path) -> None:
    """Two bundles may be staged at once: the second is written whole while the first is still packing."""
    out = tmp_path / "out"
    other = replace(new, target="another")
    real, between = stage._stage, []

    def slow(bundle: Bundle, staging: Path, cache: Cache | None) -> tuple[stage.Move, ...]:
        if bundle is old:
            between.append(bundles.check(write(other, out).folder))
            assert staging.is_dir() and sorted(path.suffix for path in staging.parent.iterdir()) == ["", ".lock"]
        return real(bundle, staging, cache)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_stage", slow)
        assert bundles.check(write(old, out).folder) == old.digest
    assert between == [new.digest]
    assert not [name for name in everything(out) if name.startswith(".")]


def test_what_several_killed_writes_left_is_finished_and_cleared_away(old: Bundle, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / "out" / stage.STAGING / name / "half").mkdir(parents=True)
        (tmp_path / "out" / stage.STAGING / f"{name}.lock").touch()
    (tmp_path / "out" / stage.STAGING / "lonely.lock").touch()
    write(old, tmp_path / "out")
    assert not [name for name in everything(tmp_path / "out") if name.startswith(".")]


def test_a_folder_that_another_writer_makes_meanwhile_is_no_error(
    old: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.mkdir

    def late(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if path.name in ("out", "camera"):
            real(path, exist_ok=True)
        real(path, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", late)
    assert bundles.check(write(old, tmp_path / "out").folder) == old.digest


@pytest.mark.parametrize("when", range(6))
def test_a_second_interrupt_while_everything_is_put_back_does_not_stop_it(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    out = tmp_path / "out"
    write(old, out)
    before, real, back = prints(out), stage._roll_back, iter(range(99))

    def interrupted(staged: Path, final: Path, sha256: str) -> None:
        now = next(back)
        if now == when // 2 and when % 2 == 0:
            raise KeyboardInterrupt
        real(staged, final, sha256)
        if now == when // 2:
            raise KeyboardInterrupt

    def first(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stage, "sync", first)  # when all is in its place
        patch.setattr(stage, "_roll_back", interrupted)
        write(new, out)
    assert prints(out) == before
    assert not [name for name in everything(out) if name.startswith(".")]


def test_an_interrupt_while_the_old_bundle_is_removed_leaves_the_new_one(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(new, tmp_path / "new")
    write(old, out)

    def interrupted(folder: Path) -> None:
        (folder / "tarball").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stage, "remove_tree", interrupted)
        write(new, out)
    assert prints(out) == prints(tmp_path / "new")
    write(replace(old, target="another"), out)
    assert prints(out) == prints(tmp_path / "new") and not [name for name in everything(out) if name.startswith(".")]


def test_what_a_killed_writer_left_is_finished_before_a_newer_one_takes_its_place(
    old: Bundle, new: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were staging when the first was killed between two moves."""
    out = tmp_path / "out"
    newest = bundle(tmp_path / "newest-parts", description="The newest one.")
    write(newest, tmp_path / "newest")
    write(old, out)
    real = stage._stage

    def killed(written: Bundle, staging: Path, cache: Cache | None) -> tuple[stage.Move, ...]:
        if (process := os.fork()) == 0:
            moves = atomic.exchange

            def deadly(staged: Path, final: Path) -> bool:
                moves(staged, final)
                os.kill(os.getpid(), signal.SIGKILL)
                return True

            stage._stage, stage.exchange = real, deadly  # type: ignore[attr-defined]
            write(new, out)
        os.waitpid(process, 0)
        return real(written, staging, cache)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "_stage", killed)
        write(newest, out)
    assert prints(out) == prints(tmp_path / "newest")
    write(replace(old, target="another"), out)
    assert prints(out) == prints(tmp_path / "newest")


def test_a_lock_that_cannot_be_taken_leaves_nothing(old: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(stage, "hold", full)
    with pytest.raises(Failure) as caught:
        write(old, tmp_path / "out")
    assert caught.value.diagnostics[0].code == "disk-full" and not (tmp_path / "out").exists()
