"""A release in a registry: one index for all targets, a manifest for each, a layer for each part that changes by itself.

The manifests are those of container images, so that registries, mirrors, image volumes and `docker pull` take them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgec.artifacts.document import Json
from edgec.artifacts.oci import CONFIG, INDEX, LAYER, MANIFEST, Descriptor, annotations_of, canonical, describe, descriptor

RELEASE = "application/vnd.edgec.release.v1"
BUNDLE = "application/vnd.edgec.bundle.v1"
SIGNATURE = "application/vnd.edgec.signature.v1"
TARGET = "dev.edgec.target"
DIGEST = "dev.edgec.bundle.sha256"
PART = "dev.edgec.part"
TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"
DESCRIPTION = "org.opencontainers.image.description"

EVIDENCE = "evidence"
PARTS = ("runtime", "runner", "model", "rest", EVIDENCE)
"""The layers of a bundle, those that change most seldom first."""
TOP = "bundle"
MEASUREMENTS = "measurements.json"
REPORT = "report.html"
"""What the layers unpack to: the bundle's folder and what lies beside its tarball."""

ARRAY = "include/model_pte.h"
"""Where a microcontroller's bundle has the artifact once more, as an array."""

PLATFORMS: Mapping[str, Mapping[str, str]] = {
    "x86_64": {"architecture": "amd64"},
    "aarch64": {"architecture": "arm64", "variant": "v8"},
    "armv7l": {"architecture": "arm", "variant": "v7"},
    "riscv64": {"architecture": "riscv64"},
}
"""A machine's name (uname -m) to the architecture that the OCI specification has for it."""
SYSTEMS: Mapping[str, str] = {
    **dict.fromkeys(("linux-native", "linux-source", "reference"), "linux"),
    "android": "android",
    "apple": "darwin",
}
"""A target's kind to its operating system, where there is one."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One layer of a bundle: which of PARTS it is, and its content."""

    name: str
    layer: Descriptor


@dataclass(frozen=True, kw_only=True)
class Image:
    """A target's bundle as a registry keeps it: its manifest, its config, its layers."""

    target: str
    bundle_sha256: str
    manifest: bytes
    described: Descriptor
    config: bytes
    parts: tuple[Part, ...]


def part_of(name: str, facts: Json) -> str:
    """Return which of PARTS the file ``name`` of a bundle belongs to, by its bundle.json."""
    if name in (facts["model"]["file"], ARRAY):
        return "model"
    return {"lib": "runtime", "bin": "runner"}.get(name.partition("/")[0], "rest")


def platform(facts: Json) -> dict[str, str]:
    """Return the platform of a bundle.json, as the OCI specification names it."""
    hardware = facts["hardware"]
    machine = hardware.get("architecture") or "unknown"
    system = SYSTEMS.get(facts.get("kind", ""), "linux" if hardware.get("glibc") else "unknown")
    return {"os": system, **PLATFORMS.get(machine, {"architecture": machine})}


def image(facts: Json, bundle_sha256: str, parts: Sequence[Part], contents: Sequence[str]) -> Image:
    """Return the Image of a bundle; ``contents`` are the sha256 of the layers' tars, uncompressed."""
    config = canonical(
        {
            **platform(facts),
            "config": {"WorkingDir": f"/{TOP}"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in contents]},
        }
    )
    marks = {TARGET: facts["target"], DIGEST: bundle_sha256}
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": BUNDLE,
            "config": describe(config, CONFIG).to_json(),
            "layers": [part.layer.to_json() for part in parts],
            "annotations": {**_names(facts), **marks},
        }
    )
    plain = describe(manifest, MANIFEST)
    described = replace(plain, artifact_type=BUNDLE, platform=platform(facts), annotations=marks)
    return Image(
        target=facts["target"],
        bundle_sha256=bundle_sha256,
        manifest=manifest,
        described=described,
        config=config,
        parts=tuple(parts),
    )


def index(images: Sequence[Image], facts: Json, annotations: Mapping[str, str]) -> bytes:
    """Return the index of a release's images, by target."""
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "artifactType": RELEASE,
            "manifests": [image.described.to_json() for image in sorted(images, key=lambda image: image.target)],
            "annotations": {**_names(facts), **annotations},
        }
    )


def layer(name: str, digest: str, size: int) -> Part:
    """Return the Part of this name."""
    return Part(name=name, layer=Descriptor(media_type=LAYER, digest=f"sha256:{digest}", size=size, annotations={PART: name}))


def images_of(record: Json) -> tuple[Descriptor, ...]:
    """Return the descriptors of an index's bundles. Raises ValueError for what is no index of bundles, one for each target.

    The annotation tells them: mirrors older than the specification's 1.1 drop ``artifactType`` from an index.
    """
    listed = [item for item in _list(record, "manifests") if isinstance(item, dict) and annotations_of(item).get(TARGET)]
    bundles = tuple(descriptor(item) for item in listed)
    if not bundles:
        raise ValueError("it is no release of edgec's: it names no bundle")
    named = [item.annotations[TARGET] for item in bundles]
    if twice := [name for name in dict.fromkeys(named) if named.count(name) > 1]:
        raise ValueError(f"it is no release of edgec's: it names the target {twice[0]!r} twice")
    digests = [item.digest for item in bundles]
    if len(set(digests)) != len(digests):
        raise ValueError("it is no release of edgec's: it names one bundle for two targets")
    return bundles


def parts_of(record: Json) -> tuple[Part, ...]:
    """Return the layers of a bundle's manifest. Raises ValueError for any other manifest."""
    if not isinstance(record, dict) or record.get("artifactType") != BUNDLE:
        raise ValueError("it is no bundle of edgec's")
    layers = tuple(descriptor(item) for item in _list(record, "layers"))
    parts = tuple(Part(name=item.annotations.get(PART, ""), layer=item) for item in layers)
    names = [part.name for part in parts]
    if len(set(names)) != len(names) or not set(names) <= set(PARTS) or any(item.media_type != LAYER for item in layers):
        raise ValueError(f"its layers are not those of a bundle: {', '.join(names)}")
    return parts


def config_of(record: Json) -> Descriptor:
    """Return the descriptor of a manifest's config. Raises ValueError."""
    return descriptor(record.get("config") if isinstance(record, dict) else None)


def signature_tag(manifest_digest: str) -> str:
    """Return the tag under which a manifest's signature lies, in registries without a referrers API too."""
    return f"{manifest_digest.replace(':', '-')}.sig"


def _list(record: Json, key: str) -> list[Json]:
    found = record.get(key) if isinstance(record, dict) else None
    if not isinstance(found, list):
        raise ValueError(f"it has no {key}")
    return found


def _names(facts: Json) -> dict[str, str]:
    names = {TITLE: facts["name"], VERSION: facts["version"], DESCRIPTION: facts.get("description") or ""}
    return {key: value for key, value in names.items() if value}
