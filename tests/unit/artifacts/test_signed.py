"""What a bundle's files are called is said in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

from edgec.artifacts.signed import MEASUREMENTS_ENDING, REPORT_ENDING, SIGNATURE_ENDING, TARBALL_ENDING, bundle_name

SOURCE = Path(__file__).parents[3] / "compiler" / "edgec"
ENDINGS = (MEASUREMENTS_ENDING, REPORT_ENDING, SIGNATURE_ENDING, TARBALL_ENDING)


def spelled(path: Path) -> Iterator[str]:
    """Text in which a module puts name, version and target together, or an ending behind something, by itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            words = [part.value if isinstance(part, ast.Constant) else "" for part in node.values]
            named = words[:4] == ["", "-", "", "-"] and "version" in ast.unparse(node)
            if named or any(word.startswith(ENDINGS) for word in words[1:] if isinstance(word, str)):
                yield f"{path.relative_to(SOURCE)}: {ast.unparse(node)}"


def test_no_other_module_spells_a_bundles_files() -> None:
    assert bundle_name("camera", "1.0.0", "pi") == "camera-1.0.0-pi"
    found = [text for path in sorted(SOURCE.rglob("*.py")) for text in spelled(path) if path.name != "signed.py"]
    assert found == []
