"""Text that goes into C, C++ and CMake: what comes from a manifest only as a literal, bytes as the elements of an array."""

from __future__ import annotations

import re

ROW = 24
"""Bytes a line of an array."""

NUMBERS = tuple(str(value) for value in range(256))


class Code(str):
    """Text that is printed as it is: it was made here, or holds nothing that could end what it stands in."""


def code(text: object) -> Code:
    """Return text as code; raises ValueError where it holds more than a word, a number, a version or a list of such."""
    if not re.fullmatch(r"[A-Za-z0-9_.:+,= /-]*", str(text)) or "//" in str(text) or "*/" in str(text):
        raise ValueError(f"{text!r} is no code")
    return Code(text)


def c_text(value: object) -> str:
    """Return a value as C writes it: numbers and truth as they are, Code unchanged, everything else a string literal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Code)):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    escaped = "".join(chr(byte) if _plain(byte) else f"\\{byte:03o}" for byte in str(value).encode())
    return f'"{escaped}"'


def elements(data: bytes) -> Code:
    """Return bytes as the elements of an array, one line every ROW of them."""
    rows = (data[start : start + ROW] for start in range(0, len(data), ROW))
    return Code("\n".join(",".join([NUMBERS[byte] for byte in row]) + "," for row in rows))


def _plain(byte: int) -> bool:
    """Whether a byte means itself in a C string: printable ASCII but quote, backslash and the trigraphs' question mark."""
    return 32 <= byte < 127 and chr(byte) not in '"\\?'
