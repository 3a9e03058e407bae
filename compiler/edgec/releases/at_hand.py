"""A bundle by whatever names it, a path or a registry's reference, as a path beside which its measurements lie."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgec.artifacts.policy import Policy
from edgec.artifacts.reference import is_reference, reference
from edgec.releases.arrive import arrive
from edgec.store.atomic import environment_errors
from edgec.store.cache import Cache
from edgec.store.pull import bundles, chosen, resolved
from edgec.store.transport import connected, plain_http_allowed


@contextlib.contextmanager
def at_hand(
    name: str, targets: tuple[str, ...], cache: Path, *, plain_http: bool = False, insecure: bool = False
) -> Iterator[Path]:
    """Give ``name`` where it is a path; pull it into a folder that is removed afterwards where it is a reference.

    ``targets`` names the bundle of a release with several, as --target does. Raises Failure as `edgec pull` does.
    """
    if not is_reference(name):
        yield Path(name)
        return
    where = reference(name)
    plain = plain_http_allowed(where, plain_http, insecure)
    with tempfile.TemporaryDirectory(prefix="edgec-release-") as scratch, connected(where, plain) as session:
        with environment_errors(f"pull {name}"), Cache(folder=cache).lease():
            wanted = chosen(bundles(resolved(session, where), where), targets, False, where)
            (arrived,) = arrive(session, wanted, Path(scratch).resolve(), cache / "downloads", Policy(), lambda text: None)
        yield arrived.written.folder
