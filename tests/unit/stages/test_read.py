"""stages.read: plain data and spans from YAML, a diagnostic for everything YAML can hide, and never a crash."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgec.artifacts.document import Json
from edgec.diagnostics import Failure
from edgec.stages.read import MAX_BYTES, MAX_DEPTH, read, read_bytes

MANIFEST = (Path(__file__).parents[2] / "cases" / "valid" / "full" / "manifest.yaml").read_bytes()


def value(text: str) -> Json:
    return read_bytes(f"x: {text}\n".encode(), "m.yaml").data["x"]


def codes(content: bytes | str) -> list[str]:
    with pytest.raises(Failure) as caught:
        read_bytes(content if isinstance(content, bytes) else content.encode(), "m.yaml")
    return [found.code for found in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001),
        ("no", "no"),
        ("on", "on"),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("1.0.0", "1.0.0"),
        (".5", 0.5),
        ("5.", 5.0),
        ("+7", 7),
        ("~", None),
        ("", None),
        ("Null", None),
        ("True", True),
        ("'true'", "true"),
        ('"1"', "1"),
        ("85%", "85%"),
        ("e5", "e5"),
        ("<<", "<<"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, expected: Json) -> None:
    found = value(text)
    assert found == expected and type(found) is type(expected)


def test_spans_count_from_one_and_end_after_the_last_character() -> None:
    document = read_bytes(b"a: 1\nbudgets:\n  size: 5MB\nlist: [x, yy]\n", "m.yaml")
    key, size, item = (
        document.keys[("budgets", "size")],
        document.values[("budgets", "size")],
        document.values[("list", 1)],
    )
    assert (key.line, key.column, key.end_column) == (3, 3, 7)
    assert (size.line, size.column, size.end_column) == (3, 9, 12)
    assert (item.line, item.column, item.end_column) == (4, 11, 13)


def test_a_byte_order_mark_is_no_content() -> None:
    assert read_bytes(b"\xef\xbb\xbfa: 1\n", "m.yaml").data == {"a": 1}


def test_all_duplicate_keys_are_reported_at_once() -> None:
    assert codes("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}\n") == ["yaml-duplicate-key"] * 3


def test_findings_of_different_kinds_are_reported_together() -> None:
    assert codes("a: &x 1\nb: *x\nc: !t 1\nd: .nan\n1: 2\n") == [
        "yaml-alias",
        "yaml-alias",
        "yaml-tag",
        "yaml-number",
        "yaml-key",
    ]


@pytest.mark.parametrize("bracket", ["[", "{", "{a: ", "[{"])
@pytest.mark.parametrize("count", [MAX_DEPTH + 1, 10_000, 25_000, 60_000])
def test_deep_nesting_is_one_finding_and_no_crash(bracket: str, count: int) -> None:
    content = (bracket * count)[: MAX_BYTES - 1]
    assert codes(content) == ["yaml-depth"]


@pytest.mark.parametrize("prefix", ["- ", "? ", "a:\n"])
def test_deep_block_nesting_is_a_finding(prefix: str) -> None:
    text = prefix * 20_000 if prefix != "a:\n" else "".join(" " * depth + "a:\n" for depth in range(600))
    assert codes(text[: MAX_BYTES - 1]) == ["yaml-depth"]


def test_the_deepest_nesting_that_is_allowed_reads() -> None:
    assert read_bytes(("[" * MAX_DEPTH + "]" * MAX_DEPTH).encode(), "m.yaml").data is not None


@pytest.mark.parametrize("number", [".inf", "-.INF", ".NaN", "1e999", "-1e999", "9" * 5000, "0x" + "f" * 5000])
def test_numbers_beyond_reason_are_refused(number: str) -> None:
    assert codes(f"x: {number}\n") == ["yaml-number"]


def test_an_alias_bomb_costs_nothing() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert set(codes("\n".join(lines))) == {"yaml-alias"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a" * (MAX_BYTES + 1), "yaml-size"),
        (b"a: \xff", "yaml-encoding"),
        ("a: b".encode("utf-16"), "yaml-encoding"),
        (b"a: \x00", "yaml-character"),
        (b"a: \x1b[31m", "yaml-character"),
        ("a: \u202e".encode(), "yaml-character"),
        (b'a: "\\n"', "yaml-character"),
        (b'a: "\\0"', "yaml-character"),
        (b'"a\\tb": 1', "yaml-character"),
        (b"a: |\n  x\n", "yaml-character"),
        (b"a: >\n  x\n", "yaml-character"),
        (b"a: 1\n--- \nb: 2", "yaml-documents"),
        (b"%TAG ! tag:x,2000:\n---\na: 1", "yaml-tag"),
        (b"a: [", "yaml-syntax"),
        (b"@", "yaml-syntax"),
        (b"\t- a", "yaml-syntax"),
    ],
)
def test_refused(content: bytes, code: str) -> None:
    assert code in codes(content)


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "camera.yaml").write_text("")
    with pytest.raises(Failure) as caught:
        read(tmp_path / "camra.yaml", "camra.yaml")
    (found,) = caught.value.diagnostics
    assert found.code == "no-manifest" and "camera.yaml" in (found.hint or "")


def test_empty_files_and_comments_are_nothing() -> None:
    assert read_bytes(b"", "m.yaml").data is None
    assert read_bytes(b"# only this\n", "m.yaml").data is None


def is_plain(data: Json, depth: int = 0) -> bool:
    if isinstance(data, dict):
        return (
            all(isinstance(key, str) and is_plain(item, depth + 1) for key, item in data.items()) and depth < MAX_DEPTH
        )
    if isinstance(data, list):
        return all(is_plain(item, depth + 1) for item in data) and depth < MAX_DEPTH
    return data is None or isinstance(data, (str, bool, int)) or (isinstance(data, float) and math.isfinite(data))


def accepts_or_refuses(content: bytes) -> None:
    try:
        document = read_bytes(content, "m.yaml")
    except Failure as failure:
        assert failure.diagnostics and all(found.code.startswith("yaml-") for found in failure.diagnostics)
        return
    assert is_plain(document.data)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
@example(b"? ? ? [a]\n: {*b: c}")
@example(b"--- !!set {a}")
@example(b"- &a\n- *a : b")
@example(b"\xef\xbb\xbf%YAML 1.1\n---\n")
def test_any_bytes_give_plain_data_or_findings(content: bytes) -> None:
    accepts_or_refuses(content)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(MANIFEST)),
            st.integers(0, 12),
            st.one_of(
                st.binary(max_size=6),
                st.sampled_from(
                    [b"&a ", b"*a", b"!!x ", b"[", b"}", b": ", b"\n---\n", b".nan", b"? ", b"<<: ", b"\t", b"|\n"]
                ),
            ),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_mutants_of_a_manifest_give_plain_data_or_findings(cuts: list[tuple[int, int, bytes]]) -> None:
    content = MANIFEST
    for start, length, inserted in cuts:
        content = content[:start] + inserted + content[start + length :]
    accepts_or_refuses(content)
