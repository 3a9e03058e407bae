"""What the runner's build decides without compiling: the glibc floor, the cache key, the missing tools in one line."""

import dataclasses
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from edgec.diagnostics import Failure
from edgec.runtime import build, toolchain
from edgec.runtime.elf import read_needs
from edgec.runtime.packs import Pack
from edgec.runtime.toolchain import Toolchain

PACK = Pack(include=Path("include"), libraries=Path("lib"), wheel_sha256="0" * 64)
TOOLS = Toolchain(command=("cc",), headers=(), libraries=(), stb=Path("stb_image.h"), identity={"ziglang": "1"})


def elf(tmp_path: Path, machine: int = 183, versions: tuple[str, ...] = ("GLIBC_2.17",), run_path: str = "x") -> Path:
    """A little ELF file: one load segment over the whole file, a dynamic section, one Verneed record."""
    strings = b"\0libc.so.6\0" + run_path.encode() + b"\0"
    offsets = []
    for version in versions:
        offsets.append(len(strings))
        strings += version.encode() + b"\0"
    start, dynamic = 64 + 2 * 56, 64 + 2 * 56
    count = 6
    verneed = start + 16 * count
    table = verneed + 16 + 16 * len(versions)
    tags = [(1, 1), (5, table), (29, 11), (0x6FFFFFFE, verneed), (0x6FFFFFFF, 1), (0, 0)]
    needed = struct.pack("<HHIII", 1, len(versions), 1, 16, 0)
    for index, offset in enumerate(offsets):
        needed += struct.pack("<IHHII", 0, 0, 2, offset, 16 if index + 1 < len(offsets) else 0)
    body = b"".join(struct.pack("<QQ", *tag) for tag in tags) + needed + strings
    size = start + len(body)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    section = struct.pack("<IIQQQQQQ", 2, 6, dynamic, dynamic, dynamic, 16 * count, 16 * count, 8)
    path = tmp_path / "program"
    path.write_bytes(header + load + section + body)
    return path


def test_needs_are_read_from_the_dynamic_section(tmp_path):
    needs = read_needs(elf(tmp_path, versions=("GLIBC_2.27", "GLIBC_2.17"), run_path="$ORIGIN/../lib"))
    assert needs.machine == "aarch64"
    assert needs.libraries == ("libc.so.6",)
    assert needs.versions == {"libc.so.6": ("GLIBC_2.17", "GLIBC_2.27")}
    assert needs.run_path == "$ORIGIN/../lib"


@pytest.mark.skipif(platform.system() != "Linux", reason="reads this Python's own executable")
def test_needs_agree_with_readelf():
    program = Path(sys.executable).resolve()
    listed = subprocess.run(["readelf", "-V", "-W", str(program)], capture_output=True, text=True, check=True).stdout
    section = listed.split("Version needs section")[1]
    expected = {line.split("Name: ")[1].split()[0] for line in section.splitlines() if "Flags:" in line}
    assert {version for versions in read_needs(program).versions.values() for version in versions} == expected


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x02\x01" + b"\xff" * 80])
def test_anything_else_is_not_an_elf_file(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match="ELF"):
        read_needs(tmp_path / "file")


@pytest.mark.parametrize(
    ("version", "wrong"),
    [
        ("GLIBC_2.27", None),
        ("GLIBC_2.9", None),
        ("GLIBC_2.28", "GLIBC_2.27"),
        ("GLIBC_2.34", "GLIBC_2.27"),
        ("GLIBC_PRIVATE", "GLIBC_2.27"),
        ("GLIBCXX_3.4.25", None),
        ("GLIBCXX_3.4.26", "GLIBCXX_3.4.25"),
        ("CXXABI_1.3.11", None),
        ("CXXABI_1.3.12", "CXXABI_1.3.11"),
        ("OTHER_1.0", "no place"),
    ],
)
def test_a_version_above_the_floor_is_named(tmp_path, version, wrong):
    found = build.above_floor(elf(tmp_path, versions=("GLIBC_2.17", version)), "aarch64", "2.27")
    assert found == [] if wrong is None else len(found) == 1 and version in found[0] and wrong in found[0]


def test_another_machine_is_named(tmp_path):
    (found,) = build.above_floor(elf(tmp_path, machine=62), "aarch64", "2.27")
    assert "x86_64" in found


def test_a_newer_floor_allows_a_newer_libstdcxx(tmp_path):
    program = elf(tmp_path, versions=("GLIBC_2.34", "GLIBCXX_3.4.30"))
    assert build.above_floor(program, "aarch64", "2.36") == []


def test_an_older_glibc_than_the_runtime_s_is_one_sentence(tmp_path):
    program = elf(tmp_path, versions=("GLIBC_2.17", "GLIBC_2.27", "GLIBCXX_3.4.21", "CXXABI_1.3.9", "GCC_3.0"))
    (found,) = build.above_floor(program, "aarch64", "2.17")
    assert found == "glibc 2.17 is older than 2.27, the oldest that the runtime starts on"
    assert build.above_floor(program, "aarch64", build.OLDEST_GLIBC) == []


def test_the_key_changes_with_every_input():
    key = build.runner_key("aarch64", "2.27", ("a.so",), "wheel", TOOLS)
    others = [
        build.runner_key("x86_64", "2.27", ("a.so",), "wheel", TOOLS),
        build.runner_key("aarch64", "2.31", ("a.so",), "wheel", TOOLS),
        build.runner_key("aarch64", "2.27", ("a.so", "b.so"), "wheel", TOOLS),
        build.runner_key("aarch64", "2.27", ("a.so",), "another", TOOLS),
        build.runner_key("aarch64", "2.27", ("a.so",), "wheel", dataclasses.replace(TOOLS, identity={"ziglang": "2"})),
    ]
    assert len({key, *others}) == 6


def test_what_is_compiled_is_the_same_for_all_libraries():
    key = build.compiled_key("aarch64", "2.27", "wheel", TOOLS)
    others = [
        build.compiled_key("x86_64", "2.27", "wheel", TOOLS),
        build.compiled_key("aarch64", "2.31", "wheel", TOOLS),
        build.compiled_key("aarch64", "2.27", "another", TOOLS),
        build.compiled_key("aarch64", "2.27", "wheel", dataclasses.replace(TOOLS, identity={"ziglang": "2"})),
    ]
    assert len({key, *others}) == 5


def test_the_key_digests_the_sources(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "_sources", lambda: tmp_path)
    (tmp_path / "main.cpp").write_text("int main() {}")
    before = build.runner_key("aarch64", "2.27", (), "wheel", TOOLS)
    (tmp_path / "main.cpp").write_text("int main() { return 1; }")
    assert build.runner_key("aarch64", "2.27", (), "wheel", TOOLS) != before


def test_everything_missing_is_named_in_one_line(monkeypatch):
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    monkeypatch.setattr(toolchain, "STB", ())
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(toolchain.platform, "machine", lambda: "x86_64")
    with pytest.raises(Failure) as caught:
        toolchain.toolchain("aarch64", "2.27")
    (found,) = caught.value.diagnostics
    assert found.code == "tool-missing" and found.exit_code == 6
    assert "g++-aarch64-linux-gnu, libstb-dev, ziglang" in found.message
    assert "apt-get install -y g++-aarch64-linux-gnu libstb-dev && " in found.hint and "\n" not in found.hint
    assert re.search(r"-m pip install 'ziglang==[0-9.]+'$", found.hint), "as edgec itself pins it"


def test_the_host_needs_no_cross_compiler(monkeypatch):
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    monkeypatch.setattr(toolchain.platform, "machine", lambda: "x86_64")
    with pytest.raises(Failure) as caught:
        toolchain.toolchain("x86_64", "2.27")
    assert caught.value.diagnostics[0].hint.startswith("run: apt-get install -y g++")
