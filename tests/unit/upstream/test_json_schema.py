"""What checks a manifest's shape is there at once, whatever else is installed."""

import subprocess
import sys

import pytest

LOADED = "import sys; {}; print('rfc3987_syntax' in sys.modules, 'arrow' in sys.modules)"


def told(statement: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", LOADED.format(statement)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_grammars_of_a_format_that_no_schema_has_are_not_compiled() -> None:
    assert told("import edgec.stages.shape") == ["False", "False"]


def test_the_package_can_still_be_imported_afterwards() -> None:
    pytest.importorskip("rfc3987_syntax")
    assert told("import edgec.stages.shape, rfc3987_syntax")[0] == "True"
