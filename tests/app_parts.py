"""Bundles that become apps, from parts made by hand, and a syntax check of what they hold."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from tree_sitter import Language, Node, Parser

from bundle_parts import lowered, measured, plan, verdicts
from edgec.artifacts.bundle import Bundle, File
from edgec.stages.render import render
from edgec.store.atomic import write_tree
from edgec.targets.table import TARGETS

HOSTILE = '"; system("x") \\(x) ${x} $x */ `x` $(x)\n'


def content(file: File) -> bytes:
    return file.content if isinstance(file.content, bytes) else file.content.read_bytes()


def made(folder: Path, target: str, **changes: Any) -> Bundle:
    """A rendered bundle for one target; its parts lie in ``folder``."""
    asked = plan(**{"target": TARGETS[target], **changes})
    return render(asked, lowered(folder / "job"), folder / "job", None, measured(), verdicts(measured()), False)


def on_disk(folder: Path, target: str) -> tuple[Path, Any]:
    """The same, written; with its bundle.json."""
    write_tree(folder / "bundle", made(folder, target).files)
    return folder / "bundle", json.loads((folder / "bundle" / "bundle.json").read_text())


def mistakes(language: str, source: bytes) -> list[str]:
    """Where a grammar finds what it does not know in a source, as ``line: text``."""
    module = import_module(f"tree_sitter_{language}")
    tree = Parser(Language(module.language())).parse(source)
    return [f"{node.start_point[0] + 1}: {node.text!r}" for node in _nodes(tree.root_node) if node.is_error or node.is_missing]


def _nodes(node: Node) -> list[Node]:
    return [node, *(inner for child in node.children for inner in _nodes(child))]
