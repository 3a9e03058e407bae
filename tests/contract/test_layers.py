"""Imports run one way, stages and plugins stay strangers, and nothing heavy is imported at the top of a module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "compiler" / "edgec"
LAYERS = (
    {"cli", "__main__"},
    {"commands", "output"},
    {
        *("pipeline", "search", "workshop", "trials", "baseline", "profiles", "releases", "cluster", "appraisal"),
        *("built", "answers", "forecast", "locking"),
    },
    {"job", "shared_job", "sharing"},
    {"lowering", "narrowing", "standing", "opening", "profiling", "margins", "recording"},
    {"stages", "checks"},
    {"registry"},
    {"sources", "datasets", "recipes", "delegates", "metrics", "tasks", "rewrites", "kinds"},
    {"runtime", "store", "targets", "upstream"},
    {
        *("artifacts", "protocols", "diagnostics", "codes", "resources", "versions", "reads", "marks", "cores", "last_words"),
        *("__init__", "exhaustion"),
    },
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
STRANGERS = {"stages", "checks", "sources", "datasets", "recipes", "delegates", "metrics", "tasks", "rewrites", "kinds"}
"""Folders whose public modules do not import each other; a module shared by several is named in SHARED."""
SHARED = {
    "stages.inputs",
    "stages.misfits",
    "checks.places",
    "checks.candidates",
    "sources.given_weights",
    "sources.planned_reads",
    "sources.project_code",
    "sources.untrained",
    "sources.torchvision_table",
    "sources.timm_table",
    "sources.huggingface_options",
    "sources.hub_archive",
    "stages.sound",
    "datasets.choose",
    "datasets.folders",
    "datasets.masks",
    "datasets.class_folders",
    "datasets.sounds",
    "datasets.pixels",
    "datasets.pictures",
    "datasets.arrays",
    "datasets.coco_file",
    "recipes.buffers",
    "recipes.fine_tuning",
    "recipes.sensitivity",
    "recipes.submodules",
    "delegates.xnnpack",
    "delegates.vendor",
    "delegates.arm",
    "recipes.linear_layers",
    "metrics.interval",
    "metrics.bootstrap",
    "metrics.cosine",
    "metrics.hits",
    "metrics.truth",
    "metrics.faults",
    "metrics.boxes",
    "tasks.label_names",
    "tasks.detections",
    "rewrites.graph",
    "rewrites.memory",
    "rewrites.products",
    "kinds.printing",
    "kinds.assets",
    "kinds.compiled",
    "kinds.c_source",
    "kinds.scripts",
}
HEAVY = {"torch", "torchvision", "torchao", "executorch", "numpy", "PIL", "jinja2", "cattrs", "safetensors", "jsonschema_rs"}
MODULES = sorted(SOURCE.rglob("*.py"))


def imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", ".")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    here = name_of(path).partition(".")[0]
    for imported in imports(ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if imported.startswith("edgec."):
            there = imported.split(".")[1]
            if there in LEVEL:
                assert LEVEL[here] <= LEVEL[there], f"{name_of(path)} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_stages_and_plugins_do_not_know_each_other(path: Path) -> None:
    here = name_of(path)
    folder = here.partition(".")[0]
    siblings = {name_of(other) for other in (SOURCE / folder).glob("*.py")} - {here} if folder in STRANGERS else set()
    for imported in imports(ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        assert imported.removeprefix("edgec.") not in siblings - SHARED, f"{here} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_heavy_at_module_level(path: Path) -> None:
    top = imports(iter(ast.parse(path.read_text(encoding="utf-8")).body))
    assert not {name.partition(".")[0] for name in top} & HEAVY


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_in_one_sentence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text or ast.get_docstring(ast.parse(text))


def test_every_part_of_the_package_has_a_layer() -> None:
    assert {name_of(path).partition(".")[0] for path in MODULES} <= set(LEVEL)
