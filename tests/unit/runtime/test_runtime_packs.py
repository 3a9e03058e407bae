"""The pinned runtime: what is unpacked, what is refused, what needs no network."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edgec.cli import group
from edgec.diagnostics import Failure
from edgec.runtime import packs
from edgec.runtime.packs import Pinned

LIBRARY = b"the library"


def wheel(folder: Path, **extra: bytes) -> Path:
    path = folder / "executorch-1.5.1-cp311-cp311-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("executorch/include/executorch/module.h", "// header")
        archive.writestr("executorch/lib/libexecutorch.so", LIBRARY)
        archive.writestr("executorch/lib/libexecutorch_backend_qnn.so", b"not pinned")
        archive.writestr("executorch/exir/program.py", b"not unpacked")
        for name, content in extra.items():
            archive.writestr(name.replace("__", "/").replace("UP", ".."), content)
    return path


@pytest.fixture
def pinned(monkeypatch, tmp_path):
    """A world in which the pinned wheel is a little one, nothing is installed, and pip copies it."""
    source = wheel(tmp_path)
    packs_for = Pinned(
        platform="any",
        sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        libraries={"libexecutorch.so": hashlib.sha256(LIBRARY).hexdigest()},
    )
    packs.unpack(source, packs_for, tmp_path / "reference")
    monkeypatch.setattr(packs, "HEADERS_SHA256", packs.headers_sha256(tmp_path / "reference" / "include"))
    monkeypatch.setattr(packs, "PINNED", {"aarch64": packs_for})
    monkeypatch.setattr(packs, "_installed", list)
    return source


@pytest.fixture
def pip(monkeypatch, pinned):
    """Record pip's command lines; what it "downloads" is ``pinned``."""
    calls = []

    def run(command, **_):
        calls.append(command)
        destination = Path(command[command.index("--dest") + 1])
        (destination / pinned.name).write_bytes(pinned.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(packs.process, "run", run)
    return calls


def test_the_wheel_is_fetched_once_and_found_again_offline(tmp_path, pip):
    first = packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    assert (first.libraries / "libexecutorch.so").read_bytes() == LIBRARY
    assert sorted(path.name for path in first.libraries.iterdir()) == ["libexecutorch.so"]
    assert not (first.include.parent / "exir").exists()
    os.utime(first.libraries.parent, (1, 1))
    assert packs.runtime_pack("aarch64", tmp_path / "cache", offline=True) == first
    assert first.libraries.parent.stat().st_mtime > 1, "its use is noted, for the collector"
    assert len(pip) == 1 and "executorch==1.5.1" in pip[0] and "3.11" in pip[0]


@pytest.mark.parametrize("damage", [b"flipped", LIBRARY[:4], b""], ids=["flipped", "truncated", "empty"])
def test_a_damaged_cache_is_refused_offline_and_fetched_anew(tmp_path, pip, damage):
    pack = packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    (pack.libraries / "libexecutorch.so").write_bytes(damage)
    assert packs.present("aarch64", tmp_path / "cache") is None
    with pytest.raises(Failure) as caught:
        packs.runtime_pack("aarch64", tmp_path / "cache", offline=True)
    assert caught.value.diagnostics[0].code == "digest-mismatch" and caught.value.exit_code == 7
    packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    assert (pack.libraries / "libexecutorch.so").read_bytes() == LIBRARY and len(pip) == 2


def test_of_a_pack_for_what_is_compiled_only_its_libraries_are_looked_at(tmp_path, pip):
    pack = packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    header = next(path for path in pack.include.rglob("*") if path.is_file())
    header.write_bytes(b"another header")
    assert packs.present("aarch64", tmp_path / "cache") is None
    assert packs.present("aarch64", tmp_path / "cache", ("libexecutorch.so",)) == pack
    (pack.libraries / "libexecutorch.so").write_bytes(b"another library")
    assert packs.present("aarch64", tmp_path / "cache", ("libexecutorch.so",)) is None


def test_a_missing_file_of_the_cache_is_damage_too(tmp_path, pip):
    pack = packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    (pack.libraries / "libexecutorch.so").unlink()
    with pytest.raises(Failure) as caught:
        packs.runtime_pack("aarch64", tmp_path / "cache", offline=True)
    assert caught.value.exit_code == 7


def test_what_was_never_fetched_is_missing_offline(tmp_path, pip):
    with pytest.raises(Failure) as caught:
        packs.runtime_pack("aarch64", tmp_path / "cache", offline=True)
    found = caught.value.diagnostics[0]
    assert found.code == "runtime-pack-missing" and "--prefetch" in found.hint


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_wheel_is_refused(tmp_path, pip, pinned, share):
    content = pinned.read_bytes()
    pinned.write_bytes(content[: int(share * len(content))])
    with pytest.raises(Failure) as caught:
        packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    assert caught.value.diagnostics[0].code == "digest-mismatch" and caught.value.exit_code == 7
    assert packs.present("aarch64", tmp_path / "cache") is None


def prefetch(*arguments):
    result = CliRunner().invoke(group, ["doctor", "--prefetch", *arguments, "--output", "json"], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.return_value, json.loads(result.stdout)


def test_prefetching_fetches_once_for_all_targets_of_an_architecture(tmp_path, monkeypatch, pip):
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    names = ("jetson-nano", "raspberry-pi-5", "cortex-m4")
    for status in ("fetched", "here"):
        code, told = prefetch(*names)
        assert code == 0
        ((pack),) = told["packs"]
        assert (pack["architecture"], pack["status"], pack["targets"]) == ("aarch64", status, ["jetson-nano", "raspberry-pi-5"])
    assert len(pip) == 1
    assert packs.runtime_pack("aarch64", tmp_path / "cache", offline=True)


def test_prefetching_without_a_network_ends_with_8_and_names_what_failed(tmp_path, monkeypatch, pinned):
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no matching distribution\n")
    monkeypatch.setattr(packs.process, "run", lambda *_, **__: failed)
    code, told = prefetch("jetson-nano")
    assert code == 8 and told["packs"][0]["status"] == "failed" and told["diagnostics"][0]["code"] == "download-failed"


def test_an_unknown_target_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    with pytest.raises(click.UsageError, match="did you mean 'jetson-nano'"):
        prefetch("jetson-nan")


def test_a_changed_header_is_noticed(tmp_path, pip):
    pack = packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    (pack.include / "executorch" / "more.h").write_text("// added")
    assert not packs.whole(pack.include.parent, packs.PINNED["aarch64"])


def test_another_wheel_is_refused(tmp_path, pip, pinned):
    pinned.write_bytes(pinned.read_bytes() + b"x")
    with pytest.raises(Failure) as caught:
        packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    assert caught.value.diagnostics[0].code == "digest-mismatch" and caught.value.exit_code == 7
    assert not list((tmp_path / "cache" / "runtime").iterdir())


def test_no_network_is_an_environment_error(tmp_path, monkeypatch, pinned):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: no matching distribution\n")
    monkeypatch.setattr(packs.process, "run", lambda *_, **__: failed)
    with pytest.raises(Failure) as caught:
        packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    assert caught.value.diagnostics[0].code == "download-failed" and caught.value.exit_code == 8
    assert "no matching distribution" in caught.value.diagnostics[0].message


def test_an_unknown_architecture_names_the_known_ones(tmp_path):
    with pytest.raises(Failure) as caught:
        packs.runtime_pack("arch64", tmp_path, offline=True)
    found = caught.value.diagnostics[0]
    assert "aarch64, x86_64" in found.message and "'aarch64'" in found.hint and found.exit_code == 6


def test_nothing_is_written_outside_the_folder(tmp_path, pinned):
    hostile = wheel(tmp_path / "reference", executorch__include__UP__UP__evil=b"x", executorch__lib__UP__evil=b"x")
    packs.unpack(hostile, packs.PINNED["aarch64"], tmp_path / "into" / "deep")
    found = (path for path in (tmp_path / "into").rglob("*") if path.is_file())
    written = {path.relative_to(tmp_path / "into").as_posix() for path in found}
    assert written == {"deep/include/executorch/module.h", "deep/lib/libexecutorch.so"}


def test_looking_for_pip_leaves_setuptools_importable():
    # Below Python 3.12 setuptools gives way for good to a process that looks for the module pip, and openvino needs setuptools.
    code = "from edgec.runtime import packs; assert packs._has_pip(); import setuptools, sys; assert 'pip' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path, monkeypatch, pinned):
    monkeypatch.setattr(packs, "_has_pip", lambda: False)
    with pytest.raises(Failure) as refused:
        packs.runtime_pack("aarch64", tmp_path / "cache", offline=False)
    (said,) = refused.value.diagnostics
    assert said.code == "tool-missing" and "ensurepip" in (said.hint or "")
