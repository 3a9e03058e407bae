"""Digests of edgec's own code and templates."""

from pathlib import Path

from edgec.versions import tree_digest


def test_a_template_and_a_line_of_code_change_their_digests(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    one = tree_digest(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    two = tree_digest(tmp_path)
    (tmp_path / "b.py").write_text("2")
    assert len({one, two, tree_digest(tmp_path)}) == 3
