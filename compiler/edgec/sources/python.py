"""A model that a callable of the project builds: ``entry: module:callable``. Loading runs code, so it needs trust."""

from __future__ import annotations

import ast
import contextlib
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, nearest
from edgec.exhaustion import exhausted
from edgec.sources import given_weights, planned_reads, project_code
from edgec.sources.given_weights import wrong
from edgec.sources.untrained import seeded
from edgec.store import weights
from edgec.store.files import collected, is_folder, located, sha256_of_all
from edgec.upstream.torchvision_ops import declared_operators

if TYPE_CHECKING:
    import torch

SUMMARY = "a callable of the project that returns a torch.nn.Module (needs trust)"
NEEDS: tuple[str, ...] = ()
RUNS_CODE = True
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["entry"],
    "properties": {
        "entry": {
            "type": "string",
            "pattern": r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$",
            "title": "Entry",
            "description": "module:callable. The module lies in the manifest's folder or at the project's root; the "
            "callable returns the model. Trust covers the module's file and every file of the project that it imports "
            "by statement; others cannot be imported.",
            "examples": ["network:build", "models.detector:Detector"],
        },
        "arguments": {
            "type": "object",
            "title": "Arguments",
            "description": "Keyword arguments of the callable.",
            "default": {},
            "examples": [{"classes": 10}],
        },
        "weights": {
            "type": "object",
            "title": "Weights",
            "description": "Loaded strictly into the model. Without them the model keeps what the callable gave it, "
            "built under seed 0 of torch, numpy and random.",
            "additionalProperties": False,
            "properties": {"file": given_weights.FILE, "url": given_weights.URL, "sha256": given_weights.SHA256},
        },
        "files": {
            "type": "array",
            "title": "Files",
            "description": "Files and folders of the project that the code itself reads while it builds the model, relative to "
            "the manifest; trust covers them. Any other file of the project that it opens is refused.",
            "items": {"type": "string", "minLength": 1},
            "maxItems": 1000,
            "default": [],
            "examples": [["config.json", "checkpoints"]],
        },
    },
}


def missing() -> str | None:
    """Return None: the project brings its code."""
    return None


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return what is wrong with the entry (read, not run) and the weights."""
    found = _entry_problems(str(options["entry"]), project)
    if options.get("weights") is not None:
        found += given_weights.check(options["weights"], project, ("file", "url"))
    return found + collected(lambda: _read(options, project))


def files(options: Options, project: Project) -> list[Path]:
    """Return the entry's file, the project's files that it imports or reads, and the weights' file; sorted."""
    given = options.get("weights") or {}
    own = [given_weights.path(given, project)] if "file" in given else []
    return sorted({*_modules(options, project).values(), *_read(options, project), *own})


def trust(options: Options) -> str | None:
    """Return the entry."""
    return str(options["entry"])


def trust_digest(options: Options, project: Project) -> str:
    """Return one sha256 over the paths and contents of all code that may run: what edgec.toml names as ``sha256``.

    What the code reads counts: a checkpoint that it unpickles can run code too.
    """
    return sha256_of_all({*_modules(options, project).values(), *_read(options, project)}, project)


def load(options: Options, project: Project) -> torch.nn.Module:
    """Return what the callable returns, in evaluation mode. The caller has seen to trust. Raises Failure."""
    import torch

    if problems := check(options, project):
        raise Failure(*problems)
    model = _called(options, project)
    if not isinstance(model, torch.nn.Module):
        raise weights.refused(f"{options['entry']} returned {type(model).__name__}, not a torch.nn.Module")
    try:
        model.eval()
    except (Exception, SystemExit) as error:  # a train() of the user's own, or modules that hold each other
        raise weights.refused(f"{options['entry']}: eval() failed: {_told(error, project)}", _cyclic(error)) from error
    if given := options.get("weights"):
        weights.load_strictly(model, given_weights.state_dict(given, project), given.get("file") or given["url"])
    return model


def weights_digest(options: Options, project: Project) -> str:
    """Return the sha256 of the weights' file, "" where the callable gave the weights."""
    return str((options.get("weights") or {}).get("sha256", ""))


def _called(options: Options, project: Project) -> Any:
    with contextlib.suppress(ImportError):  # not installed, and then the project's own import says so
        declared_operators()
    module, _, attribute = str(options["entry"]).partition(":")

    def built() -> Any:
        modules = _modules(options, project)
        with planned_reads.only(project), project_code.imported(module, modules, project) as namespace:
            target: Any = namespace
            for name in attribute.split("."):
                target = getattr(target, name)
            return target(**options.get("arguments", {}))

    try:
        return seeded(0, built)
    except Failure:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        if exhausted(error):
            raise
        raise weights.refused(f"{options['entry']} failed: {_told(error, project)}") from error


def _cyclic(error: BaseException) -> str | None:
    cycle = "where a module holds itself or one that it lies in, keep that reference in a tuple, which torch does not follow"
    return cycle if isinstance(error, RecursionError) else None


def _told(error: BaseException, project: Project) -> str:
    """The exception in one line, with the deepest line of the project's own code that it passed through."""
    said = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(project.root)
    ]
    return f"{said} ({project.relative(Path(own[-1].filename))}:{own[-1].lineno})" if own else said


def _read(options: Options, project: Project) -> list[Path]:
    """The files that ``files`` names, and those in the folders. Raises Failure ``entry-invalid`` or ``path-outside-root``."""
    found: list[Path] = []
    for index, name in enumerate(options.get("files", [])):
        folder = is_folder(project.folder / name)
        path = located(project, name, ("files", index), code="entry-invalid", kind="folder" if folder else "file")
        found += planned_reads.below(path, project) if folder else [path]
    return found


def _modules(options: Options, project: Project) -> dict[str, Path]:
    """The project's modules behind the entry. Raises Failure ``entry-invalid``."""
    module = str(options["entry"]).partition(":")[0]
    try:
        return project_code.closure(module, project)
    except KeyError:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names and project_code.locate(module, project):
            message = f"the module {module!r} cannot be imported: Python has a module {top!r} of its own"
            raise Failure(_invalid(message, f"rename it, for example my_{top}")) from None
        hint = f"looked for {module.replace('.', '/')}.py in the manifest's folder and at the project's root"
        raise Failure(_invalid(f"there is no module {module!r} in the project", hint)) from None
    except SyntaxError as error:
        raise Failure(_invalid(f"{error.filename}:{error.lineno} is not Python: {error.msg}")) from None
    except ValueError as error:  # null bytes, or a wrong encoding
        raise Failure(_invalid(f"a module behind {module!r} is not Python: {error}")) from None


def _entry_problems(entry: str, project: Project) -> list[Diagnostic]:
    pattern = OPTIONS["properties"]["entry"]["pattern"]
    if not re.fullmatch(pattern.strip("^$"), entry) or ".." in entry:
        return [_invalid(f"{entry!r} is not module:callable", "for example network:build")]
    module, _, attribute = entry.partition(":")
    try:
        path = _modules({"entry": entry}, project)[module]
    except Failure as failure:
        return list(failure.diagnostics)
    names = _top_level(ast.parse(path.read_bytes()))
    first = attribute.partition(".")[0]
    if first in names or "*" in names:
        return []
    close = nearest(first, names)
    return [_invalid(f"{project.relative(path)} has no {first!r}", f"did you mean {close!r}?" if close else None)]


def _top_level(tree: ast.Module) -> set[str]:
    """Every name that the module binds anywhere outside functions and classes; ``*`` for a star import."""
    names: set[str] = set()
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        pending += ast.iter_child_nodes(node)
    return names


def _invalid(message: str, hint: str | None = None) -> Diagnostic:
    return wrong(message, ("entry",), hint=hint, code="entry-invalid")
