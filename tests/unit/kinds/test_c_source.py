"""Text that goes into C: a literal stays a literal whatever it says, and bytes come back as they were."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgec.kinds.c_source import Code, c_text, code, elements

HOSTILE = ['"; system("x"); "', "a\\", "line\nbreak", "??/", "*/ int x; /*", "%n", "café", "\x00\x01", "$(x)"]


WRITTEN = [(True, "true"), (12, "12"), (0.5, "0.5"), (Code("a + b"), "a + b"), ("a", '"a"')]


@pytest.mark.parametrize(("value", "written"), WRITTEN)
def test_values_are_written_as_c_writes_them(value: object, written: str) -> None:
    assert c_text(value) == written


def test_a_literal_holds_what_it_was_given(tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    assert compiler, "g++ is one of the packages that builds need"
    lines = "".join(f"  fwrite({c_text(text)}, 1, {len(text.encode())}, stdout);\n" for text in HOSTILE)
    (tmp_path / "a.cpp").write_text(f"#include <cstdio>\nint main() {{\n{lines}}}\n", encoding="ascii")
    subprocess.run([compiler, "-std=c++17", "-trigraphs", "a.cpp", "-o", "a"], cwd=tmp_path, check=True)
    shown = subprocess.run([tmp_path / "a"], capture_output=True, check=True).stdout
    assert shown == "".join(HOSTILE).encode()


@pytest.mark.parametrize("hostile", [*HOSTILE[:6], "a;b", "#define", "// x"])
def test_what_is_no_word_is_no_code(hostile: str) -> None:
    with pytest.raises(ValueError, match="is no code"):
        code(hostile)


def test_bytes_are_the_elements_of_an_array() -> None:
    data = bytes(range(256))
    text = elements(data)
    assert bytes(int(item) for item in text.replace("\n", "").split(",") if item) == data
    assert max(map(len, text.splitlines())) <= 96
    assert elements(b"") == ""
