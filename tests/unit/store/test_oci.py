"""The registry client against a registry that misbehaves on demand: digests, retries, resumption, authentication."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from edgec.artifacts.oci import INDEX, LAYER, MANIFEST, Descriptor, describe, descriptor, digest_of
from edgec.diagnostics import Diagnostic, Failure
from edgec.store import attached, download, faults, oci, transport, upload
from edgec.store.cache import Cache
from edgec.store.housekeeping import collect, entries, leases
from edgec.store.transport import Session, connected
from stub_registry import Handler, Stub

CONTENT = os.urandom(100_000)


def refusal(action: Callable[[], object]) -> Diagnostic:
    with pytest.raises(Failure) as caught:
        action()
    (finding,) = caught.value.diagnostics
    return finding


def first(times: int, act: Callable[[Handler], object]) -> Callable[[Handler], bool]:
    """Spoil the first ``times`` requests."""
    left = [times]

    def spoil(handler: Handler) -> bool:
        if not left[0]:
            return False
        left[0] -= 1
        act(handler)
        return True

    return spoil


def wanted(content: bytes = CONTENT) -> Descriptor:
    return describe(content, LAYER)


def test_a_manifest_is_stored_under_its_tag_and_its_digest(session: Session, stub: Stub) -> None:
    assert oci.manifest(session, "1.0.0") is None
    put = oci.put_manifest(session, b'{"a":1}', INDEX, "1.0.0")
    for name in ("1.0.0", put.digest):
        found = oci.manifest(session, name)
        assert found and (found.content, found.media_type, found.digest) == (b'{"a":1}', INDEX, put.digest)
        assert found.record() == {"a": 1}
    assert oci.tags(session) == ["1.0.0"]


def pages(stub: Stub, following: Callable[[int], str]) -> None:
    """Serve endless pages of tags, each named by its number; ``following`` names the next one."""

    def spoil(handler: Handler) -> bool:
        number = int(parse_qs(urlsplit(handler.path).query).get("last", ["0"])[0])
        tags = json.dumps({"tags": [f"1.0.{number}"]}).encode()
        handler.answer(200, tags, Link=f'</v2/team/camera/tags/list?last={following(number)}>; rel="next"')
        return True

    stub.spoil = spoil


def test_tags_on_pages_are_read_to_the_end_and_no_further(session: Session, stub: Stub) -> None:
    pages(stub, lambda number: str(min(number + 1, 2)))
    assert oci.tags(session) == ["1.0.0", "1.0.1", "1.0.2"] and len(stub.asked) == 3
    stub.asked.clear()
    pages(stub, lambda number: str(number + 1))
    assert len(oci.tags(session)) == len(stub.asked) == oci.MOST_PAGES


def test_a_manifest_of_another_digest_is_refused(session: Session, stub: Stub) -> None:
    put = oci.put_manifest(session, b"{}", INDEX)
    stub.manifests[put.digest] = (INDEX, b"[]")
    found = refusal(lambda: oci.manifest(session, put.digest))
    assert (found.code, found.exit_code) == ("digest-mismatch", 7)


def test_a_tag_that_another_pusher_took_meanwhile_is_told(session: Session, stub: Stub) -> None:
    def overtaken(handler: Handler) -> bool:
        if handler.command == "GET":
            stub.manifests["1.0.0"] = (INDEX, b'{"other": 1}')
        return False

    stub.spoil = overtaken
    assert refusal(lambda: oci.put_manifest(session, b"{}", INDEX, "1.0.0")).code == "digest-mismatch"


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_what_may_pass_is_tried_again(session: Session, stub: Stub, status: int) -> None:
    stub.spoil = first(faults.ATTEMPTS - 1, lambda handler: handler.refuse(status, "BUSY"))
    assert oci.manifest(session, "1.0.0") is None
    assert len(stub.asked) == faults.ATTEMPTS


def test_a_manifest_whose_blobs_are_not_known_yet_is_put_again(session: Session, stub: Stub) -> None:
    """As a registry answers while another pusher sends the same blob."""
    stub.spoil = first(2, lambda handler: handler.refuse(404, "MANIFEST_BLOB_UNKNOWN"))
    put = oci.put_manifest(session, b"{}", INDEX, "1.0.0")
    found = oci.manifest(session, put.digest)
    assert found and found.content == b"{}"


def test_what_does_not_pass_ends(session: Session, stub: Stub) -> None:
    stub.spoil = first(99, lambda handler: handler.refuse(503, "BUSY"))
    found = refusal(lambda: oci.manifest(session, "1.0.0"))
    assert (found.code, found.exit_code) == ("registry-unreachable", 8) and "BUSY" in found.message
    assert len(stub.asked) == faults.ATTEMPTS


@pytest.mark.parametrize("status", [400, 403, 405, 410])
def test_a_refusal_is_not_tried_again(session: Session, stub: Stub, status: int) -> None:
    stub.spoil = first(99, lambda handler: handler.refuse(status, "DENIED"))
    found = refusal(lambda: oci.manifest(session, "1.0.0"))
    assert (found.code, found.exit_code) == ("registry-refused", 8) and "DENIED" in found.message
    assert len(stub.asked) == 1


def test_pauses_grow_and_heed_what_the_registry_asks_for(
    session: Session, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(faults, "FIRST_PAUSE", 0.5)
    monkeypatch.setattr(faults.time, "sleep", slept.append)
    stub.spoil = first(3, lambda handler: handler.refuse(429, "BUSY", Retry_After="7" if len(slept) == 1 else "0"))
    oci.manifest(session, "1.0.0")
    assert slept == [0.5, 7.0, 2.0]


def test_nobody_there(tmp_path: Path, stub: Stub) -> None:
    with connected(replace(stub.reference(), host="localhost:1")) as session:
        found = refusal(lambda: oci.manifest(session, "1.0.0"))
    assert (found.code, found.exit_code) == ("registry-unreachable", 8) and "refused" in found.message


def test_a_certificate_that_does_not_verify_is_refused_at_once(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with connected(stub.reference()) as session:
        found = refusal(lambda: oci.manifest(session, "1.0.0"))
    assert found.code == "registry-refused" and "certificate" in found.message and stub.asked == []


def test_a_blob_is_sent_once(session: Session, stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    assert upload.push_blob(session, wanted(), tmp_path / "blob") is True
    assert stub.blobs == {wanted().digest: CONTENT}
    stub.asked.clear()
    assert upload.push_blob(session, wanted(), tmp_path / "blob") is False
    assert [line.split()[0] for line in stub.asked] == ["HEAD"]
    assert upload.push_bytes(session, wanted(b"{}"), b"{}") and upload.push_bytes(session, wanted(b""), b"")
    assert oci.blob(session, wanted(b"{}")) == b"{}"


def test_a_large_blob_goes_in_pieces_and_on_from_a_cut(
    session: Session, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "CHUNK", 30_000)
    (tmp_path / "blob").write_bytes(CONTENT)
    pieces: list[int] = []

    def spoil(handler: Handler) -> bool:
        if handler.command not in ("PATCH", "PUT"):
            return False
        pieces.append(int(handler.headers["Content-Length"]))
        if len(pieces) == 2:  # half of a piece arrives, then nothing
            stub.uploads["session-0"] += handler.rfile.read(15_000)
            handler.hang_up()
            return True
        return False

    stub.spoil = spoil
    assert upload.push_blob(session, wanted(), tmp_path / "blob")
    assert pieces == [30_000, 30_000, 30_000, 25_000] and stub.blobs[wanted().digest] == CONTENT
    assert [line for line in stub.asked if line.startswith("POST")] == ["POST /v2/team/camera/blobs/uploads/"]


def test_an_upload_that_the_registry_lost_begins_anew(
    session: Session, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "CHUNK", 30_000)
    (tmp_path / "blob").write_bytes(CONTENT)
    lost: list[str] = []

    def spoil(handler: Handler) -> bool:
        if handler.command == "PATCH" and len(stub.uploads.get("session-0", b"")) == 60_000 and not lost:
            lost.append("session-0")
            stub.uploads.clear()
            stub.uploads["another"] = b""
        return False

    stub.spoil = spoil
    assert upload.push_blob(session, wanted(), tmp_path / "blob")
    assert lost and stub.blobs == {wanted().digest: CONTENT}


def test_an_upload_of_a_killed_run_is_continued(
    session: Session, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "CHUNK", 30_000)
    (tmp_path / "blob").write_bytes(CONTENT)

    cache = Cache(folder=tmp_path / "cache")
    real = Session.ask
    sent: list[int] = []

    def ask(self: Session, method: str, url: str, *rest: object) -> object:
        if method in ("PATCH", "PUT"):
            sent.append(len(rest[-1]))  # type: ignore[arg-type]
            if sent == [30_000, 30_000, 30_000]:
                raise KeyboardInterrupt
        return real(self, method, url, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "ask", ask)
    with pytest.raises(KeyboardInterrupt):
        upload.push_blob(session, wanted(), tmp_path / "blob", cache)
    assert [entry.kind for entry in entries(cache.folder)] == ["upload"] and not leases(cache.folder)
    assert upload.push_blob(session, wanted(), tmp_path / "blob", cache)
    assert sent[3:] == [30_000, 10_000] and stub.blobs[wanted().digest] == CONTENT
    assert entries(cache.folder) == []


def test_a_collector_takes_what_a_killed_upload_left_and_nothing_of_a_running_one(
    session: Session, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the upload under way goes on with what an earlier run left."""
    monkeypatch.setattr(upload, "CHUNK", 30_000)
    (tmp_path / "blob").write_bytes(CONTENT)
    cache = Cache(folder=tmp_path / "cache")
    killed, collected = [True], []

    def spoil(handler: Handler) -> bool:
        asked = handler.command == "PATCH" and len(stub.uploads["session-0"]) == 60_000
        if asked or handler.command == "PUT":
            collected.append(collect(cache, 0).in_use)
        if asked and killed:
            killed.clear()
            handler.refuse(403, "DENIED")
        return asked and not killed and len(collected) == 1

    stub.spoil = spoil
    refusal(lambda: upload.push_blob(session, wanted(), tmp_path / "blob", cache))
    (left,) = (cache.folder / "upload").glob("*/entry.json")
    os.utime(left, (time.time() - 3600,) * 2)
    assert upload.push_blob(session, wanted(), tmp_path / "blob", cache)
    assert collected == [1, 1, 1] and sum(line.startswith("POST") for line in stub.asked) == 1
    upload.Note(cache=cache, key="0" * 64).write("https://registry.example/")
    assert [entry.kind for entry in collect(cache, 0).removed] == ["upload"]


def test_a_file_that_is_not_what_it_should_be_is_not_stored(session: Session, stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(CONTENT[:-1])
    assert refusal(lambda: upload.push_blob(session, wanted(), tmp_path / "blob")).code == "digest-mismatch"
    (tmp_path / "blob").write_bytes(b"x" + CONTENT[1:])
    found = refusal(lambda: upload.push_blob(session, wanted(), tmp_path / "blob"))
    assert found.exit_code in (7, 8) and stub.blobs == {}


def test_a_blob_is_continued_after_each_cut(session: Session, stub: Stub, tmp_path: Path) -> None:
    stub.blob(CONTENT)
    stub.cut = [10_000, 1, 50_000, 0]
    path = download.pull_blob(session, wanted(), tmp_path / "blobs")
    assert path.read_bytes() == CONTENT and [entry.name for entry in (tmp_path / "blobs").iterdir()] == [path.name]
    assert len(stub.asked) == 5
    stub.asked.clear()
    os.utime(tmp_path / "blobs", (1, 1))
    assert download.pull_blob(session, wanted(), tmp_path / "blobs") == path and stub.asked == []
    assert (tmp_path / "blobs").stat().st_mtime > 1, "its use is noted, for the collector"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_is_cut_after_each_byte_ends(session: Session, stub: Stub, tmp_path: Path, ranges: bool) -> None:
    """Without ranges each begins anew, and one in two comes farther than the one before."""
    described = Descriptor(media_type="", digest=stub.blob(CONTENT), size=len(CONTENT))
    stub.cut = [1] * 99 if ranges else [70_000, 80_000] * 99
    if not ranges:
        stub.spoil = lambda handler: handler.headers.__delitem__("Range") or False
    found = refusal(lambda: download.pull_blob(session, described, tmp_path))
    assert (found.code, found.exit_code) == ("registry-unreachable", 8)
    assert re.search(rf"ended after (\d|\d0000) of {len(CONTENT)} bytes: .*\({faults.ATTEMPTS} attempts\)", found.message)
    assert len(stub.asked) <= faults.ATTEMPTS + 2


def test_a_slow_line_that_is_cut_again_and_again_comes_to_the_end(session: Session, stub: Stub, tmp_path: Path) -> None:
    content = CONTENT * 8
    described = Descriptor(media_type="", digest=stub.blob(content), size=len(content))
    stub.cut = [download.LEAST_STEP // (faults.ATTEMPTS - 2)] * 24
    assert download.pull_blob(session, described, tmp_path).read_bytes() == content and not stub.cut


def test_an_upload_that_is_lost_each_time_ends(
    session: Session, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece that is taken is no progress where the one after it is lost, and all begins anew."""
    monkeypatch.setattr(upload, "CHUNK", 30_000)
    (tmp_path / "blob").write_bytes(CONTENT)

    def spoil(handler: Handler) -> bool:
        lost = handler.command == "PUT" or len(stub.asked) > 99
        if lost:
            handler.body()
            handler.refuse(404, "BLOB_UPLOAD_UNKNOWN")
        return lost

    stub.spoil = spoil
    found = refusal(lambda: upload.push_blob(session, wanted(), tmp_path / "blob"))
    assert (found.code, found.exit_code) == ("registry-unreachable", 8)
    assert "404 to a piece of an upload" in found.message and len(stub.asked) < 99


def test_a_part_of_an_earlier_run_is_continued_and_a_wrong_one_dropped(
    session: Session, stub: Stub, tmp_path: Path
) -> None:
    stub.blob(CONTENT)
    ranges: list[str | None] = []
    stub.spoil = lambda handler: bool(ranges.append(handler.headers.get("Range")))
    part = tmp_path / f"{wanted().digest[7:]}.part"
    for left in (CONTENT[:40_000], b"\0" * 40_000, CONTENT + b"more", CONTENT, b"\0" * len(CONTENT)):
        part.write_bytes(left)
        path = download.pull_blob(session, wanted(), tmp_path)
        assert path.read_bytes() == CONTENT and not part.exists()
        path.unlink()
    assert ranges == ["bytes=40000-", "bytes=40000-", None, None, None]


def test_a_damaged_file_is_fetched_again(session: Session, stub: Stub, tmp_path: Path) -> None:
    stub.blob(CONTENT)
    path = download.pull_blob(session, wanted(), tmp_path)
    path.write_bytes(b"damaged")
    assert download.pull_blob(session, wanted(), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("served", [b"\0" * len(CONTENT), CONTENT[:-1] + b"?", CONTENT + b"more"])
def test_a_corrupt_blob_is_refused_and_not_kept(session: Session, stub: Stub, tmp_path: Path, served: bytes) -> None:
    stub.blobs[wanted().digest] = served
    found = refusal(lambda: download.pull_blob(session, wanted(), tmp_path / "blobs"))
    assert (found.code, found.exit_code) == ("digest-mismatch", 7)
    assert [path for path in (tmp_path / "blobs").iterdir() if path.stat().st_size] == []


def test_a_registry_without_ranges_sends_it_whole(session: Session, stub: Stub, tmp_path: Path) -> None:
    stub.blob(CONTENT)

    def without_ranges(handler: Handler) -> bool:
        del handler.headers["Range"]
        return False

    stub.spoil = without_ranges
    (tmp_path / f"{wanted().digest[7:]}.part").write_bytes(CONTENT[:40_000])
    assert download.pull_blob(session, wanted(), tmp_path).read_bytes() == CONTENT


def log_in(tmp_path: Path, stub: Stub, **entry: str) -> None:
    (tmp_path / "docker").mkdir(exist_ok=True)
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {stub.host: entry}}))


def asks_for_tokens(handler: Handler) -> bool:
    """A registry with a token service; a token names what it was given for, and to whom."""
    parts = urlsplit(handler.path)
    if parts.path == "/token":
        query = parse_qs(parts.query or handler.body().decode())
        who = query.get("refresh_token", [handler.headers.get("Authorization", "nobody")])[0]
        handler.answer(200, json.dumps({"access_token": f"{query['scope'][0]} {who}"}).encode())
        return True
    action = "pull" if handler.command in ("GET", "HEAD") else "pull,push"
    scope = f"repository:team/camera:{action}"
    if handler.headers.get("Authorization", "").startswith(f"Bearer {scope} "):
        return False
    realm = f'Bearer realm="https://{handler.stub.host}/token",service="registry",scope="{scope}"'
    handler.body()
    handler.refuse(401, "UNAUTHORIZED", WWW_Authenticate=realm)
    return True


@pytest.mark.parametrize(
    ("entry", "who"),
    [({}, "nobody"), ({"auth": "dTpw"}, "Basic dTpw"), ({"identitytoken": "mine"}, "mine")],
)
def test_a_token_is_asked_for_and_kept(
    session: Session, stub: Stub, tmp_path: Path, entry: dict[str, str], who: str
) -> None:
    log_in(tmp_path, stub, **entry)
    stub.spoil = asks_for_tokens
    oci.put_manifest(session, b"{}", INDEX, "1.0.0")
    assert stub.authorizations[-1] == f"Bearer repository:team/camera:pull {who}"
    oci.manifest(session, "1.0.0")
    assert len([line for line in stub.asked if line.endswith("/token")]) == 2


def test_basic_credentials(session: Session, stub: Stub, tmp_path: Path) -> None:
    def asks(handler: Handler) -> bool:
        if handler.headers.get("Authorization") == "Basic dTpw":
            return False
        handler.refuse(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="here"')
        return True

    stub.spoil = asks
    found = refusal(lambda: oci.manifest(session, "1.0.0"))
    assert found.code == "registry-refused" and f"docker login {stub.host}" in (found.hint or "")
    log_in(tmp_path, stub, auth="dTp3cm9uZw==")
    found = refusal(lambda: oci.manifest(session, "1.0.0"))
    assert found.exit_code == 8 and "credentials of u do not" in (found.hint or "") and "wrong" not in str(found)
    log_in(tmp_path, stub, auth="dTpw")
    assert oci.manifest(session, "1.0.0") is None


@pytest.mark.parametrize("elsewhere", ["http://localhost/x", "file:///etc/hostname", "https://u:p@localhost/x", "ftp://localhost/"])
def test_redirects_away_from_https_are_refused(session: Session, stub: Stub, elsewhere: str) -> None:
    stub.spoil = first(1, lambda handler: handler.answer(307, Location=elsewhere))
    found = refusal(lambda: oci.manifest(session, "1.0.0"))
    assert found.code == "registry-refused" and len(stub.asked) == 1


def test_a_redirected_blob_is_fetched_without_the_credentials(session: Session, stub: Stub, tmp_path: Path) -> None:
    digest = stub.blob(CONTENT)
    port = stub.host.partition(":")[2]
    log_in(tmp_path, stub, auth="dTpw")

    def spoil(handler: Handler) -> bool:
        if handler.path == f"/v2/team/camera/blobs/{digest}" and not handler.headers.get("Authorization"):
            handler.refuse(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="here"')
        elif handler.path == f"/v2/team/camera/blobs/{digest}":
            handler.answer(307, Location=f"https://127.0.0.1:{port}/signed?x=1")
        elif handler.path == "/signed?x=1":
            handler.answer(200, CONTENT)
        return True

    stub.spoil = spoil
    assert download.pull_blob(session, wanted(), tmp_path).read_bytes() == CONTENT
    assert stub.authorizations == ["", "Basic dTpw", ""]


@pytest.mark.parametrize("challenge", ['Bearer realm="https://{}/token",service="s"', 'Basic realm="here"'])
@pytest.mark.parametrize("entry", [{"auth": "dTpw"}, {"identitytoken": "mine"}])
@pytest.mark.parametrize("upload_goes", [False, True])
def test_another_host_that_asks_who_asks_is_told_nothing(
    session: Session, stub: Stub, tmp_path: Path, challenge: str, entry: dict[str, str], upload_goes: bool
) -> None:
    """A redirect or a Location leads there, and its challenge would name where the password goes (as CVE-2020-15157)."""
    elsewhere = f"127.0.0.1:{stub.host.partition(':')[2]}"
    log_in(tmp_path, stub, **entry)
    (tmp_path / "blob").write_bytes(CONTENT)

    def spoil(handler: Handler) -> bool:
        handler.body()
        if handler.headers["Host"] == elsewhere:
            handler.refuse(401, "UNAUTHORIZED", WWW_Authenticate=challenge.format(elsewhere))
        elif handler.command == "HEAD":
            handler.answer(404)
        else:
            handler.answer(202 if upload_goes else 307, Location=f"https://{elsewhere}/there")
        return True

    stub.spoil = spoil
    found = refusal(
        lambda: upload.push_blob(session, wanted(), tmp_path / "blob")
        if upload_goes
        else download.pull_blob(session, wanted(), tmp_path)
    )
    assert (found.code, found.hint) == ("registry-refused", None)
    assert "127.0.0.1, where it leads, answered 401" in found.message
    assert stub.asked[-1].endswith(" /there") and set(stub.authorizations) == {""}


def test_the_usual_port_is_the_same_host_said_or_not(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that a proxy stands before says its port in an upload's Location, and asks who asks there too."""
    real = Session._send

    def send(self: Session, method: str, url: str, *rest: object) -> object:
        here = url.replace(":443/", "/").replace("//registry.example/", f"//{stub.host}/")
        return real(self, method, here, *rest)  # type: ignore[arg-type]

    def spoil(handler: Handler) -> bool:
        if handler.headers.get("Authorization") != "Basic dTpw":
            handler.body()
            handler.refuse(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="here"')
            return True
        if handler.command == "POST":
            stub.uploads["mine"] = b""
            handler.answer(202, Location="https://registry.example:443/v2/team/camera/blobs/uploads/mine")
        return handler.command == "POST"

    monkeypatch.setattr(Session, "_send", send)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {"registry.example": {"auth": "dTpw"}}}))
    stub.spoil = spoil
    with connected(replace(stub.reference(), host="registry.example")) as session:
        assert upload.push_bytes(session, wanted(), CONTENT)
    assert stub.blobs == {wanted().digest: CONTENT}


NO_URLS = ["https://[bad/x", "https://localhost:99999/x", "https://localhost:port/x"]


@pytest.mark.parametrize("place", NO_URLS)
def test_a_place_that_is_no_url_is_refused(session: Session, stub: Stub, tmp_path: Path, place: str) -> None:
    answers: list[Callable[[Handler], None]] = [
        lambda handler: handler.answer(307, Location=place),
        lambda handler: handler.refuse(401, "UNAUTHORIZED", WWW_Authenticate=f'Bearer realm="{place}"'),
        lambda handler: handler.answer(200, b"{}", Link=f'<{place}>; rel="next"'),
    ]
    for act in answers:
        stub.spoil = first(1, act)
        found = refusal(lambda: oci.tags(session))
        assert found.code == "registry-refused" and f"it leads to '{place}" in found.message and "no URL" in found.message
    stub.spoil = lambda handler: handler.command == "POST" and not handler.answer(202, Location=place)
    found = refusal(lambda: upload.push_bytes(session, wanted(b"{}"), b"{}"))
    assert found.code == "registry-refused" and "no URL" in found.message


@pytest.mark.parametrize("number", ["²", "9" * 5000, "soon", "-1"])
def test_a_header_that_is_no_number_says_nothing(session: Session, stub: Stub, number: str) -> None:
    stub.spoil = first(2, lambda handler: handler.refuse(503, "BUSY", Retry_After=number))
    assert oci.manifest(session, "1.0.0") is None
    assert faults.whole_number(number) is None and faults.whole_number("07") == 7

    def begun(handler: Handler) -> bool:
        if handler.command != "POST":
            return False
        stub.uploads["mine"] = b""
        handler.answer(202, Location="/v2/team/camera/blobs/uploads/mine", OCI_Chunk_Min_Length=number)
        return True

    stub.spoil = begun
    assert upload.push_bytes(session, wanted(), CONTENT) and list(stub.blobs.values()) == [CONTENT]


DEEP = b"[" * 60_000


def test_json_however_deep_is_refused(session: Session, stub: Stub) -> None:
    """The four places that read an answer without ``Stored.record``."""
    stub.spoil = first(1, lambda handler: handler.answer(403, DEEP))
    assert refusal(lambda: oci.manifest(session, "1.0.0")).message.endswith("it answered 403")
    stub.spoil = first(1, lambda handler: handler.answer(200, DEEP))
    assert refusal(lambda: oci.tags(session)).code == "registry-refused"
    digest = "sha256:" + "0" * 64
    stub.spoil = first(1, lambda handler: handler.answer(200, DEEP))
    assert refusal(lambda: attached.attached(session, digest)).code == "signature-invalid"

    def asks(handler: Handler) -> None:
        if handler.path.startswith("/token"):
            handler.answer(200, DEEP)
        else:
            handler.refuse(401, "UNAUTHORIZED", WWW_Authenticate=f'Bearer realm="https://{stub.host}/token"')

    stub.spoil = first(2, asks)
    found = refusal(lambda: oci.manifest(session, "1.0.0"))
    assert found.code == "registry-refused" and "without a token" in found.message


def test_endless_redirects_end(session: Session, stub: Stub) -> None:
    stub.spoil = lambda handler: bool(handler.answer(307, Location=handler.path)) or True
    assert "redirects more than" in refusal(lambda: oci.manifest(session, "1.0.0")).message
    assert len(stub.asked) == transport.REDIRECTS + 1


def test_an_endless_manifest_ends(session: Session, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 100)
    oci.put_manifest(session, b"1" * 100, INDEX, "a")
    stub.manifests["b"] = (INDEX, b"1" * 101)
    assert "longer than" in refusal(lambda: oci.manifest(session, "b")).message


def test_plain_http_is_for_this_machine(stub: Stub) -> None:
    here = stub.reference()
    there = replace(here, host="registry.example:5000")
    assert not transport.plain_http_allowed(there, False, False) and transport.plain_http_allowed(here, True, False)
    found = refusal(lambda: transport.plain_http_allowed(there, True, False))
    assert (found.code, found.exit_code) == ("reference-invalid", 2)
    assert transport.plain_http_allowed(there, False, True)


def test_descriptors_go_through_json() -> None:
    whole = replace(wanted(), artifact_type="a/b", platform={"os": "linux"}, annotations={"k": "v"})
    assert descriptor(whole.to_json()) == whole and descriptor(wanted().to_json()) == wanted()
    assert whole.digest == digest_of(CONTENT)
    for broken in ({}, [], {**wanted().to_json(), "size": -1}, {**wanted().to_json(), "digest": 1}):
        with pytest.raises(ValueError, match="descriptor"):
            descriptor(broken)


@pytest.mark.parametrize("digest", ["sha256:../../home/.ssh", "sha256:/etc/x", "md5:" + "0" * 32, "sha256:" + "0" * 63, ""])
def test_a_digest_that_is_none_names_no_file_and_is_never_left_uncompared(digest: str) -> None:
    with pytest.raises(ValueError, match="not a sha256 digest"):
        descriptor({"mediaType": INDEX, "digest": digest, "size": 1})


def test_a_pull_writes_nothing_of_an_index_that_names_places(
    session: Session, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgec.artifacts.image import TARGET
    from edgec.store.pull import bundles, resolved

    entry = {"mediaType": MANIFEST, "digest": "sha256:../../home/.ssh", "size": 2, "annotations": {TARGET: "jetson-nano"}}
    stub.manifests["1.0.0"] = (INDEX, json.dumps({"manifests": [entry]}).encode())
    found = refusal(lambda: bundles(resolved(session, stub.reference()), stub.reference()))
    assert (found.code, "'sha256:../../home/.ssh' is not a sha256 digest" in found.message) == ("no-bundle", True)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]", b"{", b"5"])
def test_a_manifest_that_is_no_object_is_refused_however_deep(content: bytes, session: Session, stub: Stub) -> None:
    stub.manifests["1.0.0"] = (INDEX, content)
    stored = oci.manifest(session, "1.0.0")
    assert stored is not None
    assert refusal(stored.record).code == "bundle-broken"


def test_annotations_that_are_none_are_as_good_as_missing() -> None:
    from edgec.artifacts.oci import annotations_of

    assert annotations_of({"annotations": ["a"]}) == {} == annotations_of({})
    assert annotations_of({"annotations": {"a": "b", "c": 5}}) == {"a": "b"}
