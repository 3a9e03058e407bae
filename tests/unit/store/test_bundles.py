"""A bundle that is handed in: opened from folder or tarball, refused when one file is not as it was built."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from bundle_parts import bundle
from edgec.artifacts.bundle import Written
from edgec.diagnostics import Failure
from edgec.stages.write import write
from edgec.store import archive, bundles


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return write(bundle(tmp_path / "parts"), tmp_path / "out")


def codes(path: Path) -> list[str]:
    with pytest.raises(Failure) as caught, bundles.opened(path):
        pass
    return [found.code for found in caught.value.diagnostics]


def test_folder_and_tarball_are_the_same_bundle(written: Written) -> None:
    with bundles.opened(written.folder) as one, bundles.opened(written.tarball) as two:
        assert one.digest == two.digest
        assert one.facts == two.facts
        assert one.facts["name"] == "camera"
        assert set(one.digests) >= {"model.pte", "bin/edgec-run", "bundle.json"}


def test_a_changed_a_missing_and_an_unlisted_file_are_all_named(written: Written) -> None:
    (written.folder / "model.pte").write_bytes(b"other")
    (written.folder / "README.md").unlink()
    (written.folder / "lib" / "libmore.so").touch()
    (written.folder / "link").symlink_to("model.pte")
    assert sorted(codes(written.folder)) == ["bundle-broken", "bundle-broken", "bundle-broken", "digest-mismatch"]


@pytest.mark.parametrize("name", ["run.sh", "verify.sh", "bin/edgec-run"])
def test_what_is_to_be_run_and_is_not_executable_is_named(name: str, written: Written, tmp_path: Path) -> None:
    (written.folder / name).chmod(0o644)
    with pytest.raises(Failure) as caught, bundles.opened(written.folder):
        pass
    assert [found.message for found in caught.value.diagnostics] == [f"{name} is not executable"]
    assert bundles.fingerprint(written.folder) is None, "and a build makes it anew"
    archive.pack(written.folder, "top", tmp_path / "packed.tar.gz")
    assert codes(tmp_path / "packed.tar.gz") == ["bundle-broken"]


def test_what_pytest_leaves_behind_is_no_fault(written: Written) -> None:
    (written.folder / "tests" / "__pycache__").mkdir()
    (written.folder / "tests" / "__pycache__" / "test_bundle.pyc").touch()
    assert bundles.check(written.folder)


@pytest.mark.parametrize("place", ["video/__pycache__/pipeline.pyc", "lib/__pycache__/x", "__pycache__/x", "tests/x.pyc"])
def test_code_that_python_would_run_is_not_let_in_among_caches(place: str, written: Written) -> None:
    (written.folder / place).parent.mkdir(parents=True, exist_ok=True)
    (written.folder / place).touch()
    assert codes(written.folder) == ["bundle-broken"]


def test_a_tarball_has_no_caches_at_all(written: Written, tmp_path: Path) -> None:
    (written.folder / "tests" / "__pycache__").mkdir()
    (written.folder / "tests" / "__pycache__" / "test_bundle.pyc").touch()
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as tarball:
        tarball.add(written.folder, "camera-1.0.0-linux-x86_64")
    assert codes(tmp_path / "packed.tar.gz") == ["bundle-broken"]


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"0" * 64 + b"  ../../etc/passwd\n", b"0" * 64 + b"  /etc/passwd\n", b"\xff\n"]
)
def test_a_listing_that_names_what_it_must_not_is_refused(line: bytes, written: Written) -> None:
    listing = written.folder / bundles.SUMS
    listing.write_bytes(listing.read_bytes() + line)
    assert codes(written.folder) == ["bundle-broken"]


def test_what_is_no_bundle_at_all_is_a_usage_error(tmp_path: Path) -> None:
    assert codes(tmp_path / "missing") == ["no-bundle"]
    assert codes(tmp_path) == ["no-bundle"]


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_there_and_no_file_is_not_said_to_be_missing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "pipe" if kind == "fifo" else Path("/dev/null")
    if kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(Failure, match="is not a regular file") as caught, bundles.opened(path):
        pass
    assert [found.code for found in caught.value.diagnostics] == ["no-bundle"]


def test_a_name_too_long_is_no_bundle_either(tmp_path: Path) -> None:
    assert codes(tmp_path / ("x" * 300)) == ["no-bundle"]


def rewritten(written: Written, before: bytes, after: bytes) -> None:
    """Change bundle.json, and list it as it is then."""
    path = written.folder / "bundle.json"
    path.write_bytes(path.read_bytes().replace(before, after))
    listing = written.folder / bundles.SUMS
    lines = [line for line in listing.read_text().splitlines() if not line.endswith("  bundle.json")]
    digests = {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in lines}
    listing.write_bytes(bundles.sums({**digests, "bundle.json": bundles.sha256_of(path)}))


def test_another_schema_is_refused(written: Written) -> None:
    rewritten(written, b"edgec/bundle/v1", b"edgec/bundle/v9")
    assert codes(written.folder) == ["bundle-broken"]


@pytest.mark.parametrize("version", [b"latest", b"1.0", b"v1.0.0", b"1.0.0-", b"1.0.0\\n", b"1.0.0-a..b"])
def test_a_version_that_has_no_place_in_an_order_is_refused(version: bytes, written: Written) -> None:
    """A policy against downgrades asks for it."""
    rewritten(written, b'"version": "1.0.0"', b'"version": "' + version + b'"')
    assert codes(written.folder) == ["bundle-broken"]


def test_a_version_of_every_form_is_taken(written: Written) -> None:
    rewritten(written, b'"version": "1.0.0"', b'"version": "1.2.0-rc.1+build.7"')
    with bundles.opened(written.folder) as found:
        assert found.facts["version"] == "1.2.0-rc.1+build.7"
