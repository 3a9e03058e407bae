"""Every folder below invalid/ and valid/ is a test: a manifest, and what `edgec validate` says about it.

`pytest tests/cases --regenerate` writes every expected.txt anew; read the difference before committing it.
A folder is named after its code, with a dot and a word when there are several: invalid/unknown-name.target.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgec.cli import group
from edgec.codes import CODES

HERE = Path(__file__).parent
INVALID = sorted(folder for folder in (HERE / "invalid").iterdir() if folder.is_dir())
VALID = sorted(folder for folder in (HERE / "valid").iterdir() if folder.is_dir())


def validated(folder: Path, place: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    """Run `edgec validate manifest.yaml` in a copy of the case's folder, which is then its own root."""
    copy = place / "case"
    shutil.copytree(folder, copy, symlinks=True)
    monkeypatch.chdir(copy)
    result = CliRunner().invoke(group, ["validate", "manifest.yaml", "--root", ".", *options], standalone_mode=False)
    assert result.exception is None, result.exception
    return result


@pytest.mark.parametrize("folder", INVALID, ids=lambda folder: folder.name)
def test_invalid(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    expected = folder / "expected.txt"
    result = validated(folder, tmp_path, monkeypatch, "-q")
    if request.config.getoption("--regenerate"):
        expected.write_text(result.stdout, encoding="utf-8")
    assert result.stdout == expected.read_text(encoding="utf-8")
    code = folder.name.partition(".")[0]
    assert f"[{code}]" in result.stdout
    severe = f"error[{code}]" in result.stdout
    assert result.return_value == (CODES[code].exit_code if severe else 0)


@pytest.mark.parametrize("folder", INVALID, ids=lambda folder: folder.name)
def test_invalid_names_a_place_in_json(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = validated(folder, tmp_path, monkeypatch, "--output", "json")
    data = json.loads(result.stdout)
    assert data["exit_code"] == result.return_value
    for finding in data["diagnostics"]:
        assert finding["where"]["line"] >= 1 and finding["where"]["column"] >= 1


@pytest.mark.parametrize("folder", VALID, ids=lambda folder: folder.name)
def test_valid(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = validated(folder, tmp_path, monkeypatch, "--strict")
    assert result.stdout.startswith("ok: manifest.yaml: "), result.stdout
    assert result.return_value == 0
