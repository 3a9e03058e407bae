"""Calls of a dask client: each goes on in the client's own thread, and is waited for until a deadline or the build's stop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future, wait
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

POLL_SECONDS = 0.1


def started(client: Client, call: Callable[[], Awaitable[Any]]) -> Future[Any]:
    """Start ``call`` in the client's thread, where the client's methods give awaitables; waited for here, they have no end."""

    async def answer() -> Any:
        return await call()

    return asyncio.run_coroutine_threadsafe(answer(), client.loop.asyncio_loop)


def done(answer: Future[Any], stop: threading.Event, seconds: float) -> bool:
    """Whether a call is over within ``seconds``; else it is given up.

    Raises CancelledError as soon as the build is stopped.
    """
    until = time.monotonic() + seconds
    while not wait([answer], POLL_SECONDS).done:
        if stop.is_set() or time.monotonic() > until:
            answer.cancel()
        if stop.is_set():
            raise CancelledError
        if answer.cancelled():
            return False
    return True
