"""What `edgec doctor --prefetch` does: the runtime of each target's architecture into the cache, for builds offline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from edgec.commands.options import output
from edgec.diagnostics import Diagnostic, Failure, nearest


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """One runtime pack and what was done for it; ``folder`` and ``wheel_sha256`` are "" where it failed."""

    architecture: str
    targets: tuple[str, ...]
    status: Literal["here", "fetched", "failed"]
    folder: str = ""
    wheel_sha256: str = ""


def prefetch(names: tuple[str, ...]) -> int:
    """Fetch what is not here for the targets (all, where none is named), print what was done, and return the exit code.

    Raises a usage error for a target that edgec does not know.
    """
    found: list[Fetched] = []
    wrong: list[Diagnostic] = []
    for architecture, targets in _architectures(names).items():
        try:
            found.append(_fetched(architecture, targets))
        except Failure as failure:
            wrong += failure.diagnostics
            found.append(Fetched(architecture=architecture, targets=targets, status="failed"))
    code = min((item.exit_code for item in wrong), default=0)
    _tell(found, wrong, code)
    return code


def _architectures(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the architectures of the targets that take a native runner, each with its targets."""
    from edgec.targets.table import TARGETS

    for name in names:
        if name not in TARGETS:
            close = nearest(name, TARGETS)
            raise click.UsageError(f"unknown target {name!r}" + (f" (did you mean {close!r}?)" if close else ""))
    found: dict[str, tuple[str, ...]] = {}
    for name in names or TARGETS:
        row = TARGETS[name]
        if row.kind == "linux-native":
            found[row.architecture] = (*found.get(row.architecture, ()), name)
    return found


def _fetched(architecture: str, targets: tuple[str, ...]) -> Fetched:
    from edgec.runtime.packs import present, runtime_pack
    from edgec.store.atomic import environment_errors
    from edgec.store.cache import Cache, default_folder

    cache = Cache(folder=default_folder())
    with environment_errors(f"fill the cache {cache.folder}"), cache.lock("runtime", architecture):
        pack, status = present(architecture, cache.folder), "here"
        if pack is None:
            output().say(f"{architecture}: fetching the ExecuTorch runtime")
            pack, status = runtime_pack(architecture, cache.folder, offline=False), "fetched"
    place = str(Path(pack.libraries).parent)
    return Fetched(
        architecture=architecture,
        targets=targets,
        status="here" if status == "here" else "fetched",
        folder=place,
        wheel_sha256=pack.wheel_sha256,
    )


def _tell(found: list[Fetched], wrong: list[Diagnostic], code: int) -> None:
    out = output()
    if out.format == "json":
        from edgec.output import json

        out.data(json.render(wrong, {}, code, packs=[asdict(item) for item in found]))
        return
    for item in found:
        what = f"{item.folder} (wheel sha256 {item.wheel_sha256[:12]}…)" if item.folder else "see below"
        out.data(f"{item.status:<7}  runtime for {item.architecture}  {what}")
    out.findings(wrong, {})
