"""A push where something lies under the tag already."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from edgec.artifacts.image import image, index
from edgec.artifacts.oci import INDEX, MANIFEST
from edgec.diagnostics import Failure
from edgec.store.packing import Packed, Release
from edgec.store.push import push
from edgec.store.transport import Session
from stub_registry import Handler, Stub

FACTS = {"name": "camera", "version": "1.0.0", "target": "pi", "hardware": {}}


@pytest.fixture
def release() -> Release:
    made = image(FACTS, "0" * 64, (), ())
    packed = Packed(image=made, files={}, facts=FACTS, signature=None)
    return Release(name="camera", version="1.0.0", bundles=(packed,), index=index([made], FACTS, {}))


def refused(session: Session, release: Release) -> list[str]:
    """Return the codes that a push without ``force`` ends with."""
    with pytest.raises(Failure) as caught:
        push(session, release, "1.0.0", force=False, cache=None, say=lambda _: None)
    return [found.code for found in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda handler: handler.refuse(503, "BUSY"), "registry-unreachable"),
        (lambda handler: handler.refuse(403, "DENIED"), "registry-refused"),
        (lambda handler: handler.answer(200, b"another"), "digest-mismatch"),
    ],
)
def test_what_cannot_be_compared_is_not_called_another_release(
    session: Session, stub: Stub, release: Release, act: Callable[[Handler], None], code: str
) -> None:
    assert push(session, release, "1.0.0", force=False, cache=None, say=lambda _: None).fresh
    assert not push(session, release, "1.0.0", force=False, cache=None, say=lambda _: None).fresh

    def spoil(handler: Handler) -> bool:
        spoiled = "/manifests/sha256:" in handler.path
        if spoiled:
            act(handler)
        return spoiled

    stub.spoil = spoil
    assert refused(session, release) == [code]


@pytest.mark.parametrize("there", [b"[]", b"{}", b'{"manifests": 5}'])
def test_what_is_no_release_takes_the_tag(session: Session, stub: Stub, release: Release, there: bytes) -> None:
    stub.manifests["1.0.0"] = (INDEX, there)
    assert refused(session, release) == ["tag-taken"]


def test_a_release_whose_manifest_is_none_takes_the_tag(session: Session, stub: Stub, release: Release) -> None:
    listed = json.loads(release.index)["manifests"][0]
    broken = b"[]"
    digest = stub.blob(broken)
    stub.manifests[digest] = (MANIFEST, broken)
    stub.manifests["1.0.0"] = (INDEX, json.dumps({"manifests": [{**listed, "digest": digest}]}).encode())
    assert refused(session, release) == ["tag-taken"]
