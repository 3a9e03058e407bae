"""A rendered Bundle goes in; its folder, tarball, measurements and report lie on the disk, each of them whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgec import reads
from edgec.artifacts.bundle import Bundle, File, Written
from edgec.artifacts.plan import Plan
from edgec.artifacts.signed import MEASUREMENTS_ENDING, REPORT_ENDING, SIGNATURE_ENDING, TARBALL_ENDING, bundle_name
from edgec.cores import together
from edgec.diagnostics import Diagnostic, Failure
from edgec.store import bundles
from edgec.store.atomic import (
    LOCK,
    environment_errors,
    exchange,
    exclusive,
    hold,
    inside,
    is_held,
    remove_tree,
    sync,
    sync_tree,
    write_file,
    write_tree,
)
from edgec.store.cache import Cache
from edgec.store.files import is_folder, sha256_of

if TYPE_CHECKING:
    from edgec.store.archive import Piece

STAGING = ".edgec-staging"
JOURNAL = "commit.json"


@dataclass(frozen=True, kw_only=True)
class Move:
    """One thing to put in its place: its name in the staging folder, its place below the output folder, its digest."""

    staged: str
    final: str
    sha256: str


def write(bundle: Bundle, out: Path, cache: Cache | None = None) -> Written:
    """Write a bundle under ``out`` (below ``rejected/`` where it missed a budget) and return where it lies.

    Everything is staged beside its place, synced, read back, and only then moved, while no other writer moves anything
    there. A failure or an interrupt puts back what was there; after a kill, each of the four is the old or the new one,
    whole, and the next write into ``out`` finishes what was begun. ``cache`` keeps large files as the tarball has them.
    Raises Failure ``disk-full``, ``not-writable`` or ``digest-mismatch``, and ``name-twice`` where the tarball of another
    bundle lies.
    """
    base = out / "rejected" if bundle.rejected else out
    with environment_errors(f"write the bundle into {base}"), _made(base), _staging(base) as staging:
        _refuse_other(bundle, base)
        moves = _stage(bundle, staging, cache)
        with exclusive(base / LOCK):
            _recover(base)  # of a writer that was killed meanwhile: what it left is older than what comes now
            _refuse_other(bundle, base)  # one of the same name may have come meanwhile
            with _made(base.joinpath(bundle.name, bundle.version)):
                _commit(base, staging, moves)
        return _written(bundle, base, moves)


def placed(plan: Plan, digests: Mapping[str, str], out: Path, written: Written | None = None) -> Written | None:
    """Return where the bundle of ``plan`` lies below ``out`` when it is there, whole and with these digests; else None.

    ``digests`` are those of ``bundle``, ``tarball``, ``measurements`` and ``report``; every file is hashed, but
    not of what was ``written`` and read back just now.
    """
    reads.note(out / STAGING)
    expected = places(plan, digests, out)
    folder, tarball, measurements, report = (path for path, _ in expected)
    if not is_folder(folder) or (out / STAGING).exists():
        return None
    if written:
        return written if written.tarball_sha256 == digests["tarball"] else None
    if any(bundles.fingerprint(path) != digest for path, digest in expected):
        return None
    sha256 = digests["tarball"]
    return Written(folder=folder, tarball=tarball, tarball_sha256=sha256, measurements=measurements, report=report)


def places(plan: Plan, digests: Mapping[str, str], out: Path) -> list[tuple[Path, str]]:
    """Return where folder, tarball, measurements and report of the plan's bundle lie below ``out``, with their ``digests``."""
    top = bundle_name(plan.name, plan.version, plan.target.name)
    return [
        (out / plan.name / plan.version / plan.target.name, digests["bundle"]),
        (out / f"{top}{TARBALL_ENDING}", digests["tarball"]),
        (out / f"{top}{MEASUREMENTS_ENDING}", digests["measurements"]),
        (out / f"{top}{REPORT_ENDING}", digests["report"]),
    ]


def digests_of(bundle: Bundle, written: Written) -> dict[str, str]:
    """Return the digests that ``placed`` compares, of a bundle that was just written."""
    return {
        "bundle": bundle.digest,
        "tarball": written.tarball_sha256,
        "measurements": _digest(bundle.measurements),
        "report": _digest(bundle.report),
    }


def stem(bundle: Bundle) -> str:
    """Return the name of the tarball without its ending, which is also its one top folder."""
    return bundle_name(bundle.name, bundle.version, bundle.target)


def _refuse_other(bundle: Bundle, base: Path) -> None:
    """Raise Failure ``name-twice`` where the measurements beside the tarball's place are of a bundle named otherwise."""
    try:
        record = json.loads((base / f"{stem(bundle)}{MEASUREMENTS_ENDING}").read_bytes())
        found = [record[key] for key in ("name", "version", "target")]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    if found != [bundle.name, bundle.version, bundle.target]:
        message = f"{base / stem(bundle)}{TARBALL_ENDING} is the bundle of {found[0]} {found[1]} for {found[2]}"
        hint = "rename one of the two, or build into another folder with --out"
        raise Failure(Diagnostic(code="name-twice", message=message, hint=hint))


@contextlib.contextmanager
def _staging(base: Path) -> Iterator[Path]:
    """Make a folder of this call's own below STAGING: other writers leave it alone until its lock, beside it, dies with us."""
    with contextlib.ExitStack() as stack:
        with exclusive(base / LOCK):
            _recover(base)
            (base / STAGING).mkdir(exist_ok=True)
            staging = base / STAGING / os.urandom(4).hex()
            try:
                stack.enter_context(hold(_lock_of(staging)))
            except BaseException:
                _tidy(base / STAGING)
                raise
            stack.callback(_leave, staging)
            stack.callback(_drop, staging)
            staging.mkdir()
        yield staging


def _drop(staging: Path) -> None:
    """Remove a staging folder; one whose moves were cut short, and not put back, is for the next write to finish."""
    if not (staging / JOURNAL).exists():
        _discard(staging)


def _lock_of(staging: Path) -> Path:
    return staging.with_name(f"{staging.name}.lock")


def _leave(staging: Path) -> None:
    """Remove the lock, which is still held, and STAGING too unless another writer is at work there."""
    with exclusive(staging.parent.parent / LOCK):
        _lock_of(staging).unlink(missing_ok=True)
        _tidy(staging.parent)


def _tidy(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _stage(bundle: Bundle, staging: Path, cache: Cache | None) -> tuple[Move, ...]:
    """Write and read back everything in the staging folder; the journal, written last, makes it binding."""
    from edgec.store import archive, compressed  # they bring tarfile, which `placed` does not need

    top, tarball = stem(bundle), staging / "tarball"
    write_tree(staging / "bundle", bundle.files)

    def pack() -> None:
        compress = compressed.kept(cache, _copied(bundle, staging / "bundle")) if cache else archive.compress
        pieces = archive.pack(staging / "bundle", top, tarball, compress)
        if bundles.check(staging / "bundle") != bundle.digest:
            raise _differs("the staged bundle")
        _check_tarball(bundle, tarball, pieces)

    def settle() -> None:  # what waits for the disk, and leaves the interpreter to the other
        sync_tree(staging / "bundle")
        write_file(staging / "measurements", bundle.measurements)
        write_file(staging / "report", bundle.report)

    together(pack, settle)
    signature = (_signed(bundle, bundle.signature, staging),) if bundle.signature is not None else ()
    return (
        Move(staged="bundle", final=f"{bundle.name}/{bundle.version}/{bundle.target}", sha256=bundle.digest),
        Move(staged="tarball", final=f"{top}{TARBALL_ENDING}", sha256=sha256_of(tarball)),
        Move(staged="measurements", final=f"{top}{MEASUREMENTS_ENDING}", sha256=_digest(bundle.measurements)),
        Move(staged="report", final=f"{top}{REPORT_ENDING}", sha256=_digest(bundle.report)),
        *signature,
    )


def _copied(bundle: Bundle, folder: Path) -> dict[Path, str]:
    """Return the sha256 of each staged file that was copied, not rendered: the next bundle will hold it too."""
    return {folder / name: bundle.digests[name] for name, file in bundle.files.items() if isinstance(file.content, Path)}


def _signed(bundle: Bundle, signature: bytes, staging: Path) -> Move:
    write_file(staging / "signature", signature)
    return Move(staged="signature", final=f"{stem(bundle)}{SIGNATURE_ENDING}", sha256=_digest(signature))


def _check_tarball(bundle: Bundle, tarball: Path, pieces: Sequence[Piece]) -> None:
    from edgec.store import archive

    prefix = f"{stem(bundle)}/"
    found = {name.removeprefix(prefix): digest for name, digest in archive.digests(tarball, pieces).items()}
    listed = found.pop(bundles.SUMS, None)
    if listed != bundle.digest or bundles.sums(found) != _content(bundle.files[bundles.SUMS]):
        raise _differs("the tarball")


def _commit(base: Path, staging: Path, moves: tuple[Move, ...]) -> None:
    """Move everything into place and read it back; put the old ones back on any failure or interrupt."""
    journal = [{"staged": move.staged, "final": move.final, "sha256": move.sha256} for move in moves]
    write_file(staging / JOURNAL, json.dumps(journal).encode())
    begun: list[Move] = []
    try:
        for move in moves:
            begun.append(move)
            exchange(staging / move.staged, base / move.final)
        for folder in {(base / move.final).parent for move in moves}:
            sync(folder)
        for move in moves:
            if bundles.fingerprint(base / move.final) != move.sha256:
                raise _differs(str(base / move.final))
        (staging / JOURNAL).unlink()  # under LOCK still: of a journal that others see later they would finish the moves
    except BaseException:
        _put_back(base, staging, begun)
        raise


def _put_back(base: Path, staging: Path, begun: list[Move]) -> None:
    """Take back the moves, the last one first, and the journal; a Ctrl-C meanwhile leaves no half of it."""
    while begun or (staging / JOURNAL).exists():
        with contextlib.suppress(KeyboardInterrupt):  # another one ends the command already
            for move in reversed(begun):
                _roll_back(staging / move.staged, base / move.final, move.sha256)
                begun.pop()
            (staging / JOURNAL).unlink(missing_ok=True)


def _roll_back(staged: Path, final: Path, sha256: str) -> None:
    if bundles.fingerprint(staged) == sha256:  # it never left
        return
    if staged.exists():
        exchange(staged, final)
    else:
        final.rename(staged)


def _recover(base: Path) -> None:
    """Finish or drop what killed writes left: with a journal it was whole, so it goes into place. The caller holds LOCK."""
    if not (base / STAGING).is_dir():
        return
    for staging in sorted((base / STAGING).iterdir()):
        if is_held(staging if staging.name.endswith(".lock") else _lock_of(staging)):
            continue
        if not staging.is_dir():
            staging.unlink()
            continue
        for move in _journal(staging, base):
            _roll_forward(base, staging, move)
        _discard(staging)
    _tidy(base / STAGING)


def _journal(staging: Path, base: Path) -> list[Move]:
    """Return the moves of the journal; none where there is no journal, or none that this program has written."""
    path = staging / JOURNAL
    if not path.is_file():
        return []
    try:
        moves = [Move(**entry) for entry in json.loads(path.read_bytes())]
        for move in moves:
            inside(staging, move.staged)
            inside(base, move.final)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []
    return moves if all(isinstance(move.sha256, str) for move in moves) else []


def _roll_forward(base: Path, staging: Path, move: Move) -> None:
    staged, final = staging / move.staged, base / move.final
    if bundles.fingerprint(final) != move.sha256 and bundles.fingerprint(staged) == move.sha256:
        final.parent.mkdir(parents=True, exist_ok=True)
        exchange(staged, final)
        sync(final.parent)


def _discard(staging: Path) -> None:
    """Remove a staging folder, its journal first: without one it can only be dropped."""
    if not (staging / JOURNAL).is_dir():
        (staging / JOURNAL).unlink(missing_ok=True)
    if staging.exists():
        remove_tree(staging)


def _written(bundle: Bundle, base: Path, moves: tuple[Move, ...]) -> Written:
    folder, tarball, measurements, report = (base / move.final for move in moves[:4])
    return Written(
        folder=folder,
        tarball=tarball,
        tarball_sha256=moves[1].sha256,
        measurements=measurements,
        report=report,
    )


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder; on a failure remove again what was not there before, where nothing else lies in it by now."""
    made: list[Path] = []
    try:
        for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            try:
                path.mkdir()
            except FileExistsError:
                if not path.is_dir():
                    raise
            else:  # another writer may have made it meanwhile, whose it is then
                made.append(path)
        yield
    except BaseException:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # something lies in it, or it has gone
                path.rmdir()
        raise


def _content(file: File) -> bytes:
    return file.content if isinstance(file.content, bytes) else file.content.read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _differs(what: str) -> Failure:
    message = f"{what} read back differently from what was written"
    return Failure(Diagnostic(code="digest-mismatch", message=message, hint="check the disk; nothing was replaced"))
