"""What the project's own code opens while it builds a model: a file of the project that was not planned is refused."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.resources import PACKAGE, resource

WRITING = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
BY_IMPORT = "<frozen importlib"
CODE = (".py", ".pyc", ".so", ".pyd")
"""What Python itself opens to import it, which ``project_code`` watches over."""
APART = ("/proc/", "/sys/")
"""The system's own, where the root is all of it."""


@dataclass(kw_only=True)
class _Watch:
    """``written`` are files that the code itself began, ``found`` are the names of those that it must not read."""

    project: Project
    installed: tuple[str, ...]
    written: set[str] = field(default_factory=set)
    found: list[str] = field(default_factory=list)


_watch: _Watch | None = None
_here = threading.local()
_hooked = False


@contextlib.contextmanager
def only(project: Project) -> Iterator[None]:
    """Refuse what the block reads below the root and ``project.files`` does not list: the artifact's key would not tell of it.

    Raises Failure ``model-not-loaded``, also where the block's own code caught the refusal. What native code opens is seen
    for safetensors and TorchScript alone.
    """
    global _watch, _hooked
    if not _hooked:
        sys.addaudithook(_hook)  # it stays, and does nothing outside of the block
        _hooked = True
    before, _watch = _watch, _Watch(project=project, installed=_installed(project.root))
    mine = _watch
    try:
        with _native_readers():
            yield
    finally:
        _watch = before
        if mine.found:
            raise _refused(mine.found[0], project)


def below(folder: Path, project: Project) -> list[Path]:
    """Return the files in a folder and its folders, hidden ones and bytecode left out. Raises Failure ``path-outside-root``."""
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.suffix == ".pyc" or any(part.startswith(".") for part in parts) or not path.is_file():
            continue
        if not path.resolve().is_relative_to(project.root):
            message = f"{project.relative(path)!r} is a symbolic link out of the project's root"
            where = Location(file="", route=("files",))
            hint = "copy the file into the project"
            raise Failure(Diagnostic(code="path-outside-root", message=message, where=where, hint=hint))
        found.append(path.resolve())
    return found


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Called by Python before each operation of many kinds; what it raises, the operation raises."""
    watch = _watch
    if watch is None or event not in ("open", "os.rename") or getattr(_here, "busy", False):
        return
    if event == "os.rename":
        _moved(watch, *arguments[:2])
        return
    path, _, flags = arguments
    if isinstance(path, str | bytes) and not _by_python(os.fsdecode(path), sys._getframe(1).f_code.co_filename):
        _opened(watch, path, writing=bool(flags & WRITING))


def _by_python(path: str, caller: str) -> bool:
    """Whether Python itself opens a file to run it or to show its lines; ``get_data`` of a loader opens any file."""
    return caller == tokenize.__file__ or (caller.startswith(BY_IMPORT) and path.endswith(CODE))


def _moved(watch: _Watch, before: Any, after: Any) -> None:
    """What was written under one name and got another is the code's own still."""
    real = os.path.realpath(os.fsdecode(before))
    if real in watch.written:
        watch.written.add(os.path.realpath(os.fsdecode(after)))


def _opened(watch: _Watch, path: Any, *, writing: bool = False) -> None:
    """Note a file that is begun; note and refuse one that is read and was not planned."""
    _here.busy = True
    try:
        shown = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (a link's own place counts as well)
        real = os.path.realpath(shown)
        root = os.path.join(watch.project.root, "")  # noqa: PTH118
        if not (shown.startswith(root) or real.startswith(root)):
            return
        if shown.startswith(watch.installed) or real.startswith(watch.installed):
            return
        if writing:
            watch.written.add(real)
        name = os.path.relpath(real, root).replace(os.sep, "/")
        planned = name in watch.project.files or real in watch.written
        if planned or real.endswith(".pyc") or not os.path.isfile(real):  # noqa: PTH113
            return
        watch.found.append(os.path.relpath(shown, root).replace(os.sep, "/"))
    finally:
        _here.busy = False
    raise _refused(watch.found[-1], watch.project)


@contextlib.contextmanager
def _native_readers() -> Iterator[None]:
    """Ask before safetensors and TorchScript open a file, which Python's hooks never hear of."""
    import safetensors
    import safetensors.torch
    import torch

    places = ((safetensors, "safe_open"), (safetensors.torch, "safe_open"), (torch.jit, "load"), (torch, "save"))
    before = [(module, name, getattr(module, name)) for module, name in places]
    for module, name, function in before:
        setattr(module, name, _asking(function, at=int(name == "save")))
    try:
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def _asking(function: Callable[..., Any], at: int) -> Callable[..., Any]:
    """``function``, whose argument ``at`` is the file; 1 of what writes one."""

    def asking(*arguments: Any, **named: Any) -> Any:
        path = arguments[at] if len(arguments) > at else named.get("filename", named.get("f"))
        if _watch is not None and isinstance(path, str | bytes | os.PathLike):
            _opened(_watch, path, writing=at == 1)
        return function(*arguments, **named)

    return asking


def _installed(root: Path) -> tuple[str, ...]:
    """Where packages lie below the root, a virtual environment among them: their versions stand for what they read."""
    places = [Path(sys.prefix), Path(sys.base_prefix), PACKAGE, resource("templates"), resource("schemas")]
    places += [Path(name) for name in sys.path if Path(name).name in ("site-packages", "dist-packages")]
    places += [root / ".git", Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")]
    named = {str(form) for place in places for form in (place, os.path.realpath(place))}
    return (*APART, *sorted(os.path.join(name, "") for name in named if root in Path(name).parents))  # noqa: PTH118


def _refused(name: str, project: Project) -> Failure:
    message = f"the model's code reads {name}, which is no input of the build: with another content nothing would be built anew"
    given = os.path.relpath(project.root / name, project.folder).replace(os.sep, "/")
    hint = f"name it under `model`, as `files: [{given}]`, or as `weights: {{file, sha256}}` what is a state dict"
    if not (project.root / name).resolve().is_relative_to(project.root):
        hint = f"it is a link out of the project: copy the file to its place, and name it under `model`, as `files: [{given}]`"
    return Failure(Diagnostic(code="model-not-loaded", message=message, hint=hint))
