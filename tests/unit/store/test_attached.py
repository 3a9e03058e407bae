"""Signatures that several pushers attach to one image at one moment: none is lost unseen."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from edgec.artifacts.envelope import Envelope, Signature, envelope_line, read_envelope
from edgec.artifacts.image import SIGNATURE, signature_tag
from edgec.artifacts.oci import MANIFEST, Descriptor, canonical, describe, digest_of
from edgec.diagnostics import Failure
from edgec.store import attached
from edgec.store.attached import ENVELOPE, attach
from edgec.store.oci import NO_CONFIG
from edgec.store.transport import Session
from stub_registry import Handler, Stub

IMAGE = Descriptor(media_type=MANIFEST, digest=digest_of(b"an image"), size=8)
TAG = signature_tag(IMAGE.digest)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "PAUSE", 0.001)


def envelope(*keys: str, payload: bytes = b"statement") -> bytes:
    return envelope_line(Envelope(payload=payload, signatures=tuple(Signature(keyid=key, value=key.encode()) for key in keys)))


def put(stub: Stub, content: bytes) -> None:
    """Attach a signature as another pusher does, who has not seen what lies there."""
    stub.blob(b"{}")
    stub.blob(content)
    layer = describe(content, ENVELOPE).to_json()
    record = {"artifactType": SIGNATURE, "config": NO_CONFIG.to_json(), "layers": [layer]}
    stub.manifests[TAG] = (MANIFEST, canonical(record))


def there(stub: Stub) -> list[str]:
    """The keys whose signatures lie in the registry."""
    layer = json.loads(stub.manifests[TAG][1])["layers"][0]["digest"]
    return [item.keyid for item in read_envelope(stub.blobs[layer], "there").signatures]


def written(stub: Stub) -> int:
    """How often the tag was written."""
    return sum(line.startswith("PUT") and TAG in line for line in stub.asked)


def between(stub: Stub, act: Callable[[], None], method: str, number: int | None = 1, over: bool = False) -> None:
    """Let another pusher ``act`` before the ``number``-th (None: each) request of the tag with ``method``, or write over it."""
    count = [0]

    def spoil(handler: Handler) -> bool:
        if not handler.path.endswith(f"/manifests/{TAG}") or handler.command != method:
            return False
        count[0] += 1
        if number not in (None, count[0]):
            return False
        if over:
            handler.body()
        act()
        if over:
            handler.answer(201)
        return over

    stub.spoil = spoil


def test_one_alone_is_written_once(session: Session, stub: Stub) -> None:
    assert attach(session, IMAGE, envelope("a"), force=False)
    assert attach(session, IMAGE, envelope("b"), force=False)
    assert not attach(session, IMAGE, envelope("a"), force=False)
    assert there(stub) == ["a", "b"] and written(stub) == 2


@pytest.mark.parametrize("before", [None, "c"])
def test_one_that_another_writes_over_is_written_again_with_both(session: Session, stub: Stub, before: str | None) -> None:
    kept = [before] if before else []
    if before:
        put(stub, envelope(before))
    between(stub, lambda: put(stub, envelope("b", *kept)), "PUT", over=True)
    assert attach(session, IMAGE, envelope("a"), force=False)
    assert there(stub) == ["a", "b", *kept]


def test_one_that_comes_while_blobs_are_sent_stays(session: Session, stub: Stub) -> None:
    between(stub, lambda: put(stub, envelope("b")), "GET", number=2)
    assert attach(session, IMAGE, envelope("a"), force=False)
    assert there(stub) == ["a", "b"]


def test_one_that_another_has_taken_up_already_is_there(session: Session, stub: Stub) -> None:
    between(stub, lambda: put(stub, envelope("a", "b")), "PUT", over=True)
    assert attach(session, IMAGE, envelope("a"), force=False)
    assert there(stub) == ["a", "b"] and written(stub) == 1


def test_one_that_is_written_over_each_time_is_told(session: Session, stub: Stub) -> None:
    between(stub, lambda: put(stub, envelope("b")), "PUT", number=None, over=True)
    with pytest.raises(Failure, match=f"not in .*{TAG} when it was read back, {attached.WRITES} times") as caught:
        attach(session, IMAGE, envelope("a"), force=False)
    assert caught.value.exit_code == 7 and caught.value.diagnostics[0].hint
    assert written(stub) == attached.WRITES


def test_another_statement_that_comes_meanwhile_takes_the_tag(session: Session, stub: Stub) -> None:
    between(stub, lambda: put(stub, envelope("b", payload=b"another")), "PUT", over=True)
    with pytest.raises(Failure) as caught:
        attach(session, IMAGE, envelope("a"), force=False)
    assert [found.code for found in caught.value.diagnostics] == ["tag-taken"] and there(stub) == ["b"]
