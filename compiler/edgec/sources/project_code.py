"""The project's own Python modules: found without running them, then imported so that no other of them can run."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from edgec.artifacts.project import Project


def locate(module: str, project: Project) -> Path | None:
    """Return the file of a dotted module name in the manifest's folder or else the root, or None."""
    for base in (project.folder, project.root):
        stem = base.joinpath(*module.split("."))
        for path in (stem.with_name(stem.name + ".py"), stem / "__init__.py"):
            if path.is_file() and path.resolve().is_relative_to(project.root):
                return path
    return None


def closure(module: str, project: Project) -> dict[str, Path]:
    """Return every module of the project that importing ``module`` can import by an import statement, by dotted name.

    Read from the syntax trees, functions included; what only ``importlib`` names is not seen, and ``imported``
    refuses it. Raises SyntaxError for a file that does not parse, KeyError when ``module`` is not in the project.
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

    No other module of the project can be imported inside the block: ImportError. Names stay in ``sys.modules``.
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
            package = [str(file.parent)] if file.name == "__init__.py" else None
            loader = _FromSource(fullname, str(file))
            return importlib.util.spec_from_file_location(
                fullname, file, loader=loader, submodule_search_locations=package
            )
        if any(name.startswith(fullname + ".") for name in self._modules):  # a folder without __init__.py
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = []
            return spec
        if fullname.partition(".")[0] not in sys.stdlib_module_names and locate(fullname, self._project):
            message = (
                f"{fullname} is a module of the project that no import statement names, so nobody has vouched for it"
            )
            raise ImportError(message, name=fullname)
        return None


class _FromSource(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        # A file in __pycache__ is not what was hashed, whatever time stamp it carries.
        code = self.source_to_code(self.get_data(self.path), self.path)
        assert isinstance(code, CodeType)
        return code


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
