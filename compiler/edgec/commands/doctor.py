"""`edgec doctor`: whether this machine has what builds need, without loading any of it."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgec.commands.options import Output, common, output

if TYPE_CHECKING:
    from edgec.artifacts.target import Target

MISSING = 6
ROOM_BYTES = 2 * 10**9
"""A build with its cache takes some hundred megabytes; below this much free space, say so."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked for. ``status`` is ok, note or missing; ``needed`` when the host's own target needs it."""

    name: str
    status: str
    detail: str
    needed: bool = False


@click.command("doctor")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--prefetch", is_flag=True, help="Fetch the runtimes of TARGET... (default: all) for builds with --offline.")
@common("human", "json")
def command(targets: tuple[str, ...], prefetch: bool) -> int:
    """Check Python, packages, compilers, emulators and disk. Exit code 6 when the host's own target cannot be built.

    With --prefetch, instead: what builds for foreign architectures fetch, by hash and once, into the cache.
    """
    if targets and not prefetch:
        raise click.UsageError("targets are named for --prefetch; without it everything is checked")
    if prefetch:
        from edgec.commands.prefetch import prefetch as fetch

        return fetch(targets)
    found = [*_python(), *_packages(), *_torchvision(), *_targets(), *_emulators(), *_disk()]
    code = MISSING if any(finding.needed and finding.status == "missing" for finding in found) else 0
    out = output()
    if out.format == "json":
        rows = [asdict(finding) for finding in found]
        out.data(json.dumps({"schema": "edgec/doctor/v1", "exit_code": code, "findings": rows}, indent=2))
    else:
        _tell(out, found)
    return code


def _tell(out: Output, found: list[Finding]) -> None:
    width = max(len(finding.name) for finding in found)
    for finding in found:
        if not (out.quiet and finding.status == "ok"):
            out.data(f"{finding.status:<7}  {finding.name:<{width}}  {finding.detail}")


def _python() -> Iterator[Finding]:
    inside = (3, 10) <= sys.version_info[:2] < (3, 14)
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding(
        name="python",
        status="ok" if inside else "missing",
        detail=detail + ("" if inside else "; needs 3.10 to 3.13"),
        needed=True,
    )


def _packages() -> Iterator[Finding]:
    """Yield each dependency of edgec with the version that is installed; pins must match exactly."""
    for requirement in metadata.requires("edgec") or ():
        if "extra ==" in requirement or ("python_version" in requirement and sys.version_info >= (3, 11)):
            continue
        yield _package(requirement.partition(";")[0].strip())


def _package(requirement: str) -> Finding:
    name = requirement
    for mark in "[<>=!~ ":
        name = name.partition(mark)[0]
    pinned = requirement.partition("==")[2].partition(",")[0]
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        detail = f"not installed; run: {sys.executable} -m pip install '{requirement}'"
        return Finding(name=name, status="missing", detail=detail, needed=True)
    if pinned and installed.partition("+")[0] != pinned:
        return Finding(name=name, status="missing", detail=f"{installed} is installed, {pinned} is needed", needed=True)
    return Finding(name=name, status="ok", detail=installed)


def _torchvision() -> Iterator[Finding]:
    """A CUDA build of torchvision beside a CPU build of torch: its compiled operators cannot load."""
    torch, vision = util.find_spec("torch"), util.find_spec("torchvision")
    if not (torch and torch.origin and vision and vision.origin):
        return
    cuda = (Path(torch.origin).parent / "lib" / "libtorch_cuda.so").is_file()
    extensions = sorted(Path(vision.origin).parent.glob("_C*.so"))
    wants_cuda = any(b"libtorch_cuda.so" in extension.read_bytes() for extension in extensions)
    if extensions and (cuda or not wants_cuda):
        yield Finding(name="torchvision operators", status="ok", detail="compiled operators fit this torch")
    else:
        detail = "compiled operators do not fit this torch; worked around, but models that call nms do not build"
        yield Finding(name="torchvision operators", status="note", detail=detail)


def _targets() -> Iterator[Finding]:
    """Yield, for each architecture, whether its native runner can be compiled here."""
    from edgec.diagnostics import Failure
    from edgec.runtime.toolchain import toolchain

    floors: dict[str, str] = {}
    for row in _linux():  # the tools are the same for every glibc
        floors.setdefault(row.architecture, row.glibc)
    for architecture, glibc in sorted(floors.items()):
        own = architecture == platform.machine()
        name = f"runner for {architecture}"
        try:
            identity = toolchain(architecture, glibc).identity
        except Failure as failure:
            found = failure.diagnostics[0]
            detail = f"{found.message}; {found.hint}"
            yield Finding(name=name, status="missing" if own else "note", detail=detail, needed=own)
        else:
            yield Finding(
                name=name, status="ok", detail=f"zig {identity.get('ziglang', '')}, glibc {glibc}", needed=own
            )


def _emulators() -> Iterator[Finding]:
    """Yield, for each foreign architecture, whether its bundles can be verified here."""
    for architecture in sorted({row.architecture for row in _linux()} - {platform.machine()}):
        name = f"qemu-{architecture}"
        path = shutil.which(name) or shutil.which(f"{name}-static")
        absent = f"not installed: {architecture} bundles cannot be verified here (Debian: apt-get install -y qemu-user)"
        yield Finding(name=name, status="ok" if path else "note", detail=path or absent)


def _linux() -> list[Target]:
    """The rows whose bundles hold a native runner."""
    from edgec.targets.table import TARGETS

    return [row for row in TARGETS.values() if row.kind == "linux-native"]


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path()).free
    short = free < ROOM_BYTES
    detail = f"{free / 1e9:.1f} GB free here" + (f"; a build wants {ROOM_BYTES / 1e9:.0f} GB" if short else "")
    yield Finding(name="disk", status="note" if short else "ok", detail=detail)
