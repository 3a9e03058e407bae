"""Memory and disks that ran out, told from errors of a model or a compiler, whatever they are wrapped in."""

from __future__ import annotations

import errno
from collections.abc import Iterator

OUT_OF_MEMORY = ("allocate memory", "failed to map segment", "can't start new thread")
"""Words of errors that are no MemoryError: those of torch, of the C library, of its loader, and of Python's threads."""


def exhausted(error: BaseException) -> bool:
    """Whether memory or a disk ran out: what is then said of a model or a compiler would be false."""
    return out_of_memory(error) or disk_full(error) is not None


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error``, or what it was raised from or after, says that there was no more memory."""
    return any(isinstance(cause, MemoryError) or any(words in str(cause) for words in OUT_OF_MEMORY) for cause in causes(error))


def disk_full(error: BaseException) -> OSError | None:
    """Return what says that a disk, or a user's share of it, is full: ``error`` or what it was raised from or after."""
    full = (cause for cause in causes(error) if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT))
    return next(full, None)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and what it was raised from or after: numpy hides the loader's words behind advice of its own."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
