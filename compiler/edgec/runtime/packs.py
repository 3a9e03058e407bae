"""The ExecuTorch runtime of one architecture, headers and shared libraries: the hash-checked files of one pinned wheel.

The libraries in the wheels for different Python versions differ (link paths), so one wheel per architecture is pinned:
what a bundle ships does not depend on the Python that edgec runs in.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec.cores import shared
from edgec.diagnostics import Diagnostic, Failure, nearest
from edgec.runtime import process
from edgec.store.cache import used
from edgec.store.files import sha256_of, sha256_once

VERSION = "1.5.1"
PYTHON = "3.11"
DOWNLOAD_SECONDS = 600
HEADERS_SHA256 = "d4b33ed35d8c947a49e989bf841af2951adbd6fa48307f73962c73f4ba24ccfd"
"""Digest of the headers, which are the same in every wheel of this version."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """``include`` is the folder to compile with, ``libraries`` that of ``libexecutorch*.so``; hash-checked if asked for."""

    include: Path
    libraries: Path
    wheel_sha256: str


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """One wheel: pip's platform tag, the wheel's sha256, and the sha256 of each library that a bundle may ship."""

    platform: str
    sha256: str
    libraries: Mapping[str, str]


PINNED: Mapping[str, Pinned] = {
    "aarch64": Pinned(
        platform="manylinux_2_28_aarch64",
        sha256="8ee02348a3ea80ddf770822911ebf78da616b73afce0fbaaa79f23311c88c66a",
        libraries={
            "libexecutorch.so": "95e92e48c98f31036d96030f2ef1941a24be18845290829fec6f16a62f220aef",
            "libexecutorch_backend_xnnpack.so": "227991f7a3eeb97128b5679168a539f1361151b4d529e8d70aca614fd7c8c7e9",
            "libexecutorch_etdump.so": "5541cabc889590126e62246d6221baa8a56150191aa377656a7d1a40068d487e",
            "libexecutorch_kernels_optimized.so": "fdb304e2aea83d0c9fcb443a694fd2dc5146abf3355111df9749fe943cf0ae8a",
            "libexecutorch_kernels_quantized.so": "5d7219299a6e827c40cf0a29bab156240a735307eaac1ba0e16a76cabff5328a",
            "libexecutorch_threadpool.so": "8e477b37ce28b5049a7f5cae7fccf0659db9b1510c64a5f1ac2f0b9ae5131442",
        },
    ),
    "x86_64": Pinned(
        platform="manylinux_2_28_x86_64",
        sha256="274c28c2fe2b76acb03f9fa381537425c40e0098dcf886baf6d97a1a55ffe300",
        libraries={
            "libexecutorch.so": "f4bfbb05fb940d250ba75ad7154b00789c4e301a14b87db2a4d1af4c2b50c86e",
            "libexecutorch_backend_openvino.so": "c019a3dc90fcd0eb3659d4ce1b746d158f6cdd1bf0b4fcddaf7b313771b9e0a4",
            "libexecutorch_backend_xnnpack.so": "4e1076a6b1e7c600a21d7e07ea10d2f09c42e441c606f107f1a55dfd3878c816",
            "libexecutorch_etdump.so": "3662b8bc090e1a7c835bb6aa6733ef87c5eb982e832c1b3f7e79e9cb7ef3121e",
            "libexecutorch_kernels_optimized.so": "352aee939b8651e67628c1c3853805e760b068db9767edbe705436019bf4e3aa",
            "libexecutorch_kernels_quantized.so": "612d1373d5b4acc962a2e0719070400db80e78fe5389e794f09006215740378a",
            "libexecutorch_threadpool.so": "9a70fa330af29dab4be9b9300075abafdbb23f6ab31e7f31fb03af30568f099b",
        },
    ),
}


def runtime_pack(architecture: str, cache: Path, offline: bool, only: Collection[str] | None = None) -> Pack:
    """Return the runtime for ``architecture``: the installed package's files where they are the pinned ones, else
    the cache's, else the pinned wheel, fetched with pip into ``cache`` and checked.

    What is compiled already needs no headers, and ``only`` these libraries: nothing else is looked at then.
    A truncated or damaged cache is never used: it is fetched anew. Raises Failure ``runtime-pack-missing`` (no runtime for
    it, or not cached and offline), ``tool-missing`` (no pip), ``download-failed``, or ``digest-mismatch`` (another wheel
    than the pinned one, or offline with a damaged cache).
    """
    if found := present(architecture, cache, only):
        return found
    pinned, cached = _pinned(architecture), _place(architecture, cache)
    if offline and cached.exists():
        raise Failure(
            Diagnostic(
                code="digest-mismatch",
                message=f"the cached ExecuTorch {VERSION} runtime for {architecture} is damaged, and --offline is set",
                hint="run `edgec doctor --prefetch` once with a network: it is fetched anew",
            )
        )
    if offline:
        raise Failure(
            Diagnostic(
                code="runtime-pack-missing",
                message=f"the ExecuTorch {VERSION} runtime for {architecture} is not cached, and --offline is set",
                hint="run `edgec doctor --prefetch` once with a network",
            )
        )
    _fetch(pinned, cached)
    return _pack(cached, pinned)


def present(architecture: str, cache: Path, only: Collection[str] | None = None) -> Pack | None:
    """Return the runtime that needs no network: installed or cached, and whole; else None. Raises as ``runtime_pack``."""
    pinned = _pinned(architecture)
    for folder in _installed():
        if whole(folder, pinned, only):
            return _pack(folder, pinned)
    cached = _place(architecture, cache)
    if not whole(cached, pinned, only):
        return None
    used(cached)
    return _pack(cached, pinned)


def pinned_sha256(architecture: str) -> str:
    """Return the sha256 of the wheel that the runtime for ``architecture`` is taken from. Raises ``runtime-pack-missing``."""
    return _pinned(architecture).sha256


def whole(folder: Path, pinned: Pinned, only: Collection[str] | None = None) -> bool:
    """Whether ``folder`` (laid out like the installed package) holds exactly the pinned headers and libraries.

    With ``only`` these libraries are looked at, and nothing else.
    """
    libraries = folder / "lib"
    if not all((libraries / name).is_file() for name in pinned.libraries):
        return False
    asked = [name for name in pinned.libraries if only is None or name in only]
    if shared(sha256_of, [libraries / name for name in asked]) != [pinned.libraries[name] for name in asked]:
        return False
    return only is not None or headers_sha256(folder / "include") == HEADERS_SHA256


def headers_sha256(include: Path) -> str:
    """Return one hex sha256 over the names and contents of every file under ``include``."""
    digest = hashlib.sha256()
    for path in sorted(path for path in include.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(include).as_posix()}\0{sha256_once(path)}\n".encode())
    return digest.hexdigest()


def unpack(wheel: Path, pinned: Pinned, folder: Path) -> None:
    """Write the wheel's headers and pinned libraries to ``folder``; nothing else, and nothing outside it."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            parts = entry.filename.split("/")
            if entry.is_dir() or parts[0] != "executorch" or ".." in parts or "" in parts:
                continue
            if parts[1] == "include" or (parts[1] == "lib" and len(parts) == 3 and parts[2] in pinned.libraries):
                target = folder.joinpath(*parts[1:])
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)


def _place(architecture: str, cache: Path) -> Path:
    return cache / "runtime" / f"executorch-{VERSION}-{architecture}-{_pinned(architecture).sha256[:16]}"


def _pinned(architecture: str) -> Pinned:
    if architecture in PINNED:
        return PINNED[architecture]
    near = nearest(architecture, PINNED)
    raise Failure(
        Diagnostic(
            code="runtime-pack-missing",
            message=f"there is no ExecuTorch runtime for {architecture!r}; there is one for {', '.join(PINNED)}",
            hint=f"did you mean {near!r}?" if near else None,
        )
    )


def _installed() -> list[Path]:
    """Where the executorch package lies in this Python, found without importing it."""
    spec = importlib.util.find_spec("executorch")
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []


def _fetch(pinned: Pinned, folder: Path) -> None:
    if not _has_pip():
        raise Failure(
            Diagnostic(code="tool-missing", message="pip, which fetches the runtime, is not installed in this Python",
                       hint=f"run: {sys.executable} -m ensurepip")
        )  # fmt: skip
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as name:
        wheel = _download(pinned, Path(name))
        staged = Path(name) / "pack"
        unpack(wheel, pinned, staged)
        if not whole(staged, pinned):
            raise _mismatch(wheel.name, "its libraries or headers are not the pinned ones")
        _activate(staged, folder)


def _has_pip() -> bool:
    """Read from the metadata: below Python 3.12 looking for the module itself makes a later import of setuptools fail."""
    from importlib import metadata  # it brings email and csv: 20 ms

    try:
        metadata.distribution("pip")
    except metadata.PackageNotFoundError:
        return False
    return True


def _download(pinned: Pinned, folder: Path) -> Path:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary=:all:", "--platform", pinned.platform, "--python-version", PYTHON, "--implementation", "cp"),
        *("--dest", str(folder), f"executorch=={VERSION}"),
    ]
    try:
        done = process.run(command, seconds=DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        raise _failed(f"no answer within {DOWNLOAD_SECONDS} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise _failed(lines[-1] if lines else f"pip ended with {done.returncode}")
    wheel = next(folder.glob("*.whl"))
    if (digest := sha256_of(wheel)) != pinned.sha256:
        raise _mismatch(wheel.name, f"its sha256 is {digest}, pinned is {pinned.sha256}")
    return wheel


def _activate(staged: Path, folder: Path) -> None:
    """Rename the checked folder into place; another process may have done the same first, a damaged one goes."""
    if folder.exists():
        shutil.rmtree(folder)
    try:
        staged.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _pack(folder: Path, pinned: Pinned) -> Pack:
    return Pack(include=folder / "include", libraries=folder / "lib", wheel_sha256=pinned.sha256)


def _failed(why: str) -> Failure:
    message = f"the ExecuTorch {VERSION} runtime could not be fetched: {why}"
    return Failure(Diagnostic(code="download-failed", message=message))


def _mismatch(name: str, why: str) -> Failure:
    return Failure(Diagnostic(code="digest-mismatch", message=f"{name} is not the pinned ExecuTorch runtime: {why}"))
