"""What the source torch-hub finds wrong without torch, and archives that would write where they must not."""

import hashlib
import io
import stat
import tarfile
import zipfile

import pytest

from edgec.artifacts.project import Project
from edgec.diagnostics import Failure
from edgec.sources import hub_archive, torch_hub

ARCHIVE = b"archive"
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
GIVEN = {"repo": f"me/net:{'a' * 40}", "archive": {"sha256": SHA256}, "entry": "tiny"}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "net.zip").write_bytes(ARCHIVE)
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


def check(options, project):
    return [(item.code, item.where.route) for item in torch_hub.check(options, project)]


def test_a_pinned_repository_is_accepted_and_trusted_by_entry_and_digest(project):
    assert torch_hub.RUNS_CODE and check(GIVEN, project) == []
    assert torch_hub.trust(GIVEN) == f"me/net:{'a' * 40}:tiny"
    assert torch_hub.trust_digest(GIVEN, project) == SHA256
    assert torch_hub.address(GIVEN) == f"https://github.com/me/net/archive/{'a' * 40}.zip"
    local = {**GIVEN, "archive": {"file": "net.zip", "sha256": SHA256}}
    assert check(local, project) == [] and torch_hub.files(local, project) == [project.folder / "net.zip"]


@pytest.mark.parametrize(
    "repo", ["me/net:main", "me/net:v1.0", f"me/net:{'a' * 39}", f"../net:{'a' * 40}", f"me/..:{'a' * 40}"]
)
def test_what_is_no_commit_is_refused(project, repo):
    assert check({**GIVEN, "repo": repo}, project) == [("entry-invalid", ("repo",))]


@pytest.mark.parametrize(
    ("archive", "code", "route"),
    [
        ({"file": "net.zip", "sha256": "0" * 64}, "digest-mismatch", ("archive", "sha256")),
        ({"file": "none.zip", "sha256": SHA256}, "entry-invalid", ("archive", "file")),
        ({"file": "../net.zip", "sha256": SHA256}, "path-outside-root", ("archive", "file")),
        ({"url": "http://example.org/x.zip", "sha256": SHA256}, "entry-invalid", ("archive", "url")),
        ({"sha256": "abc"}, "entry-invalid", ("archive", "sha256")),
        ({"file": "net.zip", "url": "https://example.org/x.zip", "sha256": SHA256}, "entry-invalid", ("archive",)),
    ],
)
def test_an_archive_is_named_and_hashed(project, archive, code, route):
    assert check({**GIVEN, "archive": archive}, project) == [(code, route)]


def zipped(*entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def tarred(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content, kind in entries:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


FILE = stat.S_IFREG | 0o644


@pytest.mark.parametrize(
    "content",
    [
        zipped(("net-1/hubconf.py", b"a", FILE), ("net-1/sub/b.py", b"b", 0)),
        tarred(("net-1/hubconf.py", b"a", tarfile.REGTYPE), ("net-1/sub/b.py", b"b", tarfile.REGTYPE)),
    ],
    ids=["zip", "tar.gz"],
)
def test_an_archive_becomes_its_folder(tmp_path, content):
    folder = hub_archive.unpack(content, tmp_path, "x")
    assert folder == tmp_path / "net-1"
    assert ((folder / "hubconf.py").read_bytes(), (folder / "sub/b.py").read_bytes()) == (b"a", b"b")


@pytest.mark.parametrize(
    "content",
    [
        zipped(("net/../../out", b"", FILE)),
        zipped(("/out", b"", FILE)),
        zipped(("..\\out", b"", FILE)),
        zipped(("net/link", b"/etc/passwd", stat.S_IFLNK | 0o777)),
        tarred(("../out", b"", tarfile.REGTYPE)),
        tarred(("/out", b"", tarfile.REGTYPE)),
        tarred(("net/link", b"", tarfile.SYMTYPE)),
        tarred(("net/link", b"", tarfile.LNKTYPE)),
        tarred(("net/device", b"", tarfile.CHRTYPE)),
        zipped(("a/x", b"", FILE), ("b/x", b"", FILE)),
        zipped(("x", b"", FILE)),
        b"PK but not a zip",
        b"no archive at all",
        b"",
    ],
    ids=[
        "above", "absolute", "backslash", "link", "tar-above", "tar-absolute", "tar-link", "tar-hard-link", "tar-device",
        "two-folders", "no-folder", "broken-zip", "no-archive", "empty",
    ],
)  # fmt: skip
def test_an_archive_that_is_not_a_repositorys_is_refused(tmp_path, content):
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(Failure) as caught:
        hub_archive.unpack(content, folder, "x")
    assert caught.value.diagnostics[0].code == "model-not-loaded"
    assert [path.name for path in tmp_path.iterdir()] == ["in"] and not any(path.is_symlink() for path in folder.rglob("*"))


def test_an_archive_that_swells_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(hub_archive, "LIMIT", 100)
    with pytest.raises(Failure, match="more than a repository"):
        hub_archive.unpack(zipped(("net/x", b"0" * 101, FILE)), tmp_path, "x")
    assert list(tmp_path.iterdir()) == []
