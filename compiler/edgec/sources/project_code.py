"""The project's own Python modules: found without running them, then imported so that no other of them can run."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.files import is_file


def locate(module: str, project: Project) -> Path | None:
    """Return the file of a dotted module name in the manifest's folder or else the root, or None."""
    for base in (project.folder, project.root):
        stem = base.joinpath(*module.split("."))
        for path in (stem.with_name(stem.name + ".py"), stem / "__init__.py"):
            if is_file(path) and path.resolve().is_relative_to(project.root):
                return path
    return None


def closure(module: str, project: Project) -> dict[str, Path]:
    """Return every module of the project that importing ``module`` can import by an import statement, by dotted name.

    Read from the syntax trees, functions included; what only ``importlib`` names is not seen, and ``imported``
    refuses it. Raises SyntaxError for a file that does not parse, KeyError when ``module`` is not in the project or bears
    a name of Python's own.
    """
    found: dict[str, Path] = {}
    pending = list(_with_parents(module))
    while pending:
        name = pending.pop()
        path = locate(name, project)
        if path is None or name in found or name.partition(".")[0] in sys.stdlib_module_names:
            continue
        found[name] = path
        pending += _imports(name, path)
    if module not in found:
        raise KeyError(module)
    return found


@contextlib.contextmanager
def imported(module: str, modules: Mapping[str, Path], project: Project) -> Iterator[ModuleType]:
    """Import ``module`` from exactly these files: compiled from source, never from ``__pycache__``.

    The bytes that are compiled must have the sha256 that ``project.files`` names: Failure ``digest-mismatch``. No other
    module of the project can be imported inside the block: ImportError. Names stay in ``sys.modules``.
    """
    finder = _Finder(modules, project)
    sys.meta_path.insert(0, finder)
    try:
        found = importlib.import_module(module)
        if getattr(found, "__file__", None) != str(modules[module]):
            raise ImportError(f"the name {module!r} is taken by a module outside the project", name=module)
        yield found
    finally:
        sys.meta_path.remove(finder)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, modules: Mapping[str, Path], project: Project) -> None:
        self._modules, self._project = modules, project

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if file := self._modules.get(fullname):
            loader = _FromSource(fullname, str(file), self._project)
            spec = importlib.util.spec_from_file_location(fullname, file, loader=loader)
            if spec and file.name == "__init__.py":
                spec.submodule_search_locations = []  # nothing but this finder finds what lies in the folder
            return spec
        if any(name.startswith(fullname + ".") for name in self._modules):  # a folder without __init__.py
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = []
            return spec
        if self._is_ours(fullname):
            message = f"{fullname} is no module of the project that an import statement names, so nobody has vouched for it"
            raise ImportError(message, name=fullname)
        return None

    def _is_ours(self, fullname: str) -> bool:
        """Whether it lies in a package of the project, in whatever form (.pyc, .so), or is a file of the project."""
        top = fullname.partition(".")[0]
        if top in sys.stdlib_module_names:
            return False
        return any(name.partition(".")[0] == top for name in self._modules) or locate(fullname, self._project) is not None


class _FromSource(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, project: Project) -> None:
        super().__init__(fullname, path)
        self._project = project

    def get_code(self, fullname: str) -> CodeType:
        # A file in __pycache__ is not what was hashed, whatever time stamp it carries.
        content = self.get_data(self.path)
        self._refuse_unplanned(content)
        code = self.source_to_code(content, self.path)
        assert isinstance(code, CodeType)
        return code

    def _refuse_unplanned(self, content: bytes) -> None:
        shown = self._project.relative(Path(self.path))
        planned, actual = self._project.files.get(shown), hashlib.sha256(content).hexdigest()
        if actual != planned:
            changed = f"has sha256 {actual}, not {planned}" if planned else "is not among the files"
            message = f"{shown} {changed} that the build was planned with, so it is not run"
            raise Failure(Diagnostic(code="digest-mismatch", message=message, hint="build again"))


def _with_parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def _imports(name: str, path: Path) -> Iterator[str]:
    """Every dotted name that the file's import statements may mean, relative ones made absolute."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes(), filename=path.name)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            above = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*(part for part in above if part), *([node.module] if node.module else [])])
            for alias in node.names:
                yield from _with_parents(f"{base}.{alias.name}" if base else alias.name)
