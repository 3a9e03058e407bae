"""What a registry holds, as the OCI image specification 1.1 writes it: descriptors, manifests, an index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.artifacts.document import Json
from edgec.artifacts.reference import DIGEST

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
"""The config of an artifact that is no image; its content is ``{}``."""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What names a content by its digest (``sha256:…``) and size in bytes."""

    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    platform: Mapping[str, str] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return the descriptor as the specification writes it."""
        record: dict[str, Json] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            record["artifactType"] = self.artifact_type
        if self.platform:
            record["platform"] = dict(self.platform)
        if self.annotations:
            record["annotations"] = dict(sorted(self.annotations.items()))
        return record


def descriptor(record: Json) -> Descriptor:
    """Return the Descriptor that a registry's JSON holds. Raises ValueError for anything else.

    Its digest is compared with what comes, and names files: anything but a sha256 is refused.
    """
    fits = isinstance(record, dict) and all(
        isinstance(record.get(key), kind) for key, kind in (("mediaType", str), ("digest", str), ("size", int))
    )
    if not fits or record["size"] < 0:
        raise ValueError("a descriptor has a mediaType, a digest and a size")
    if not DIGEST.fullmatch(record["digest"]):
        raise ValueError(f"{record['digest']!r} is not a sha256 digest")
    return Descriptor(
        media_type=record["mediaType"],
        digest=record["digest"],
        size=record["size"],
        artifact_type=record.get("artifactType"),
        platform=_strings(record.get("platform")) or None,
        annotations=annotations_of(record),
    )


def annotations_of(record: Mapping[str, Json]) -> dict[str, str]:
    """Return the annotations of a registry's JSON object, those that are words."""
    return _strings(record.get("annotations"))


def describe(content: bytes, media_type: str, annotations: Mapping[str, str] | None = None) -> Descriptor:
    """Return the Descriptor of ``content``."""
    return Descriptor(
        media_type=media_type, digest=digest_of(content), size=len(content), annotations=dict(annotations or {})
    )


def digest_of(content: bytes) -> str:
    """Return ``sha256:…`` of ``content``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical(record: Mapping[str, Json]) -> bytes:
    """Return JSON whose bytes depend on ``record`` alone: sorted keys, no blanks."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _strings(record: Json) -> dict[str, str]:
    items = record.items() if isinstance(record, dict) else ()
    return {key: value for key, value in items if isinstance(key, str) and isinstance(value, str)}
