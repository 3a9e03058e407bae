"""What an ELF file asks of the system it runs on: machine, libraries, symbol versions and run path."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MACHINES = {62: "x86_64", 183: "aarch64"}
PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB, DT_RPATH, DT_RUNPATH, DT_VERNEED, DT_VERNEEDNUM = 1, 5, 15, 29, 0x6FFFFFFE, 0x6FFFFFFF


@dataclass(frozen=True, kw_only=True)
class Needs:
    """``versions`` maps a library to the symbol versions asked of it (``libc.so.6`` → ``GLIBC_2.17`` …), sorted."""

    machine: str
    libraries: tuple[str, ...]
    versions: Mapping[str, tuple[str, ...]]
    run_path: str


def read_needs(path: Path) -> Needs:
    """Return what a 64-bit little-endian ELF file needs. Raises ValueError when ``path`` is not a whole one."""
    try:
        return _read(path.read_bytes())
    except (struct.error, IndexError, StopIteration, OverflowError) as error:
        raise ValueError(f"{path.name} is not a whole ELF file") from error


def _read(data: bytes) -> Needs:
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    machine = struct.unpack_from("<H", data, 18)[0]
    segments = list(_segments(data))
    dynamic = list(_dynamic(data, segments))
    table = dict(dynamic)
    strings = _offset(segments, table[DT_STRTAB]) if DT_STRTAB in table else 0
    run_path = next((value for tag, value in dynamic if tag in (DT_RUNPATH, DT_RPATH)), None)
    return Needs(
        machine=MACHINES.get(machine, str(machine)),
        libraries=tuple(_text(data, strings + value) for tag, value in dynamic if tag == DT_NEEDED),
        versions=_versions(data, segments, table, strings),
        run_path="" if run_path is None else _text(data, strings + run_path),
    )


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (type, file offset, address, size in the file) of each program header."""
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, start + index * size)
        yield kind, offset, address, length


def _dynamic(data: bytes, segments: list[tuple[int, int, int, int]]) -> Iterator[tuple[int, int]]:
    """Yield (tag, value) of the dynamic section; nothing for a static executable."""
    for kind, offset, _, length in segments:
        if kind == PT_DYNAMIC:
            yield from struct.iter_unpack("<QQ", data[offset : offset + length])


def _offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    return next(
        offset + address - start
        for kind, offset, start, length in segments
        if kind == PT_LOAD and start <= address < start + length
    )


def _versions(
    data: bytes, segments: list[tuple[int, int, int, int]], table: Mapping[int, int], strings: int
) -> dict[str, tuple[str, ...]]:
    """Walk the Verneed records, each with its chain of Vernaux."""
    found: dict[str, tuple[str, ...]] = {}
    if DT_VERNEED not in table:
        return found
    record = _offset(segments, table[DT_VERNEED])
    for _ in range(table[DT_VERNEEDNUM]):
        _, count, file, auxiliary, following = struct.unpack_from("<HHIII", data, record)
        names, place = [], record + auxiliary
        for _ in range(count):
            name, step = struct.unpack_from("<II", data, place + 8)
            names.append(_text(data, strings + name))
            place += step
        found[_text(data, strings + file)] = tuple(sorted(names))
        record += following
    return found


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode("ascii", "replace")
