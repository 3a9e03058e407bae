"""Lighter imports: the same table, the same runtime, and no compiler where nothing is compiled."""

import subprocess
import sys

import pytest

from edgec.runtime import process


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=process.environment(), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


RUNTIME = """
import sys
from edgec.upstream.imports import import_runtime
assert "XnnpackBackend" in import_runtime().Runtime.get().backend_registry.registered_backend_names
assert not [name for name in sys.modules if name.startswith(("executorch.exir", "torch._dynamo", "torchao"))]
"""

LATER = """
import executorch.exir
from executorch.exir import to_edge_transform_and_lower
from edgec.upstream.imports import import_runtime
import executorch.runtime
assert import_runtime() is executorch.runtime
"""

TABLE = """
import gc, sys
from edgec.upstream.imports import import_compiler
import_compiler()
assert gc.isenabled() and gc.get_freeze_count() > 100_000
from importlib import resources
import executorch.exir.dialects.edge as package
from executorch.exir.dialects.edge import _ops
from ruamel.yaml import YAML
rows = YAML(typ="safe").load(resources.read_text(package, "edge.yaml", encoding="utf-8"))
assert YAML.__module__.startswith("ruamel") and len(rows) > 100
assert _ops._edge_dialect_info == {row["inherits"]: row for row in rows}
"""

UPSTREAM = """
import sys, time
import executorch.runtime
assert "executorch.exir.program" in sys.modules
from executorch.exir.dialects.edge import _ops
assert _ops.YAML.__module__.startswith("ruamel")
"""


def test_the_runtime_comes_without_the_compiler():
    run(RUNTIME)


def test_the_compiler_can_still_be_imported_after_it():
    run(RUNTIME + LATER)


def test_where_the_compiler_is_there_already_the_runtime_is_upstreams_own():
    run(LATER)


def test_the_table_of_operators_is_the_one_that_the_slow_parser_reads():
    run(TABLE)


def test_upstream_still_imports_all_of_it():
    """When this fails, upstream/imports.py can go."""
    run(UPSTREAM)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(enabled):
    switch = "enable" if enabled else "disable"
    code = f"import gc; gc.{switch}()\nfrom edgec.upstream.imports import uncollected_imports\n"
    code += f"with uncollected_imports():\n    assert not gc.isenabled()\nassert gc.isenabled() is {enabled}"
    run(code)
