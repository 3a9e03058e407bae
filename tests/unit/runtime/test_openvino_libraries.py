"""OpenVINO's libraries in a bundle: from the installed wheel, under the names that are looked for, and no others' bytes."""

import hashlib

import pytest

from edgec.diagnostics import Failure
from edgec.runtime import openvino
from edgec.runtime.libraries import libraries_for, library_of


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A stand-in for the installed package, whose files are the pinned ones."""
    libs = tmp_path / "openvino" / "libs"
    libs.mkdir(parents=True)
    pinned = {}
    for name, (source, _) in openvino.LIBRARIES.items():
        (libs / source).write_bytes(source.encode())
        pinned[name] = (source, hashlib.sha256(source.encode()).hexdigest())
    monkeypatch.setattr(openvino, "LIBRARIES", pinned)
    monkeypatch.setattr(openvino, "_installed", lambda: libs)
    return libs


def test_they_lie_under_the_names_that_the_delegate_opens(wheel, tmp_path):
    found = openvino.openvino_libraries(tmp_path / "cache")
    first = next(iter(found))
    assert first.name == "libopenvino_c.so" and first.read_bytes() == b"libopenvino_c.so.2541"
    assert {path.name for path in found} == set(openvino.LIBRARIES)
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == digest for path, digest in found.items())


def test_a_damaged_copy_is_made_anew(wheel, tmp_path):
    first = next(iter(openvino.openvino_libraries(tmp_path / "cache")))
    first.write_bytes(b"damaged")
    assert next(iter(openvino.openvino_libraries(tmp_path / "cache"))).read_bytes() == b"libopenvino_c.so.2541"


def test_another_version_is_refused(wheel, tmp_path):
    (wheel / "libtbb.so.12").write_bytes(b"another")
    with pytest.raises(Failure) as caught:
        openvino.openvino_libraries(tmp_path / "cache")
    assert caught.value.diagnostics[0].code == "digest-mismatch"


def test_where_it_is_not_installed_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(openvino.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Failure) as caught:
        openvino.openvino_libraries(tmp_path)
    assert caught.value.diagnostics[0].code == "tool-missing" and "edgec[openvino]" in caught.value.diagnostics[0].hint


def test_a_backend_that_an_architecture_has_not_is_refused():
    assert "libexecutorch_backend_openvino.so" in libraries_for(["OpenvinoBackend"], [], "x86_64")
    with pytest.raises(Failure) as caught:
        libraries_for(["OpenvinoBackend"], [], "aarch64")
    assert caught.value.diagnostics[0].code == "backend-unavailable"


def test_the_library_that_runs_something_is_known():
    assert library_of("XnnpackBackend") == "libexecutorch_backend_xnnpack.so"
    assert library_of("aten::add.out") == "libexecutorch_kernels_optimized.so"
    assert library_of("QnnBackend") is None and library_of("aten::sort.values") is None
