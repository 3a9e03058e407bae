"""The software bill of materials of a bundle, as CycloneDX 1.6 JSON whose bytes the bundle's files determine."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import edgec
from edgec.artifacts.bundle import Requirement
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.plan import Plan

if TYPE_CHECKING:
    from cyclonedx.model.component import Component, ComponentScope
    from packageurl import PackageURL

UNNUMBERED = uuid.UUID(int=0)


def listed(
    plan: Plan, lowered: Lowered, digests: Mapping[str, str], requirements: Sequence[Requirement] = ()
) -> dict[str, Json]:
    """Return what the bill lists, as data: ``digests`` maps a path in the bundle to its sha256.

    The parts are the model, the runner, each runtime library with ExecuTorch's version, what the bundle's own build takes
    from elsewhere, and the Python packages that built them. Other files, which are the bundle's own, are not listed.
    """
    executorch = lowered.versions.get("executorch", "")
    parts = []
    for name, digest in sorted(digests.items()):
        if digest == lowered.pte_sha256:
            parts.append({"name": name, "version": plan.version, "kind": "machine-learning-model", "sha256": digest})
        elif name.startswith("bin/"):
            parts.append({"name": name, "version": edgec.__version__, "kind": "application", "sha256": digest})
        elif name.startswith("lib/"):
            licence = "BSD-3-Clause"
            parts.append({"name": name, "version": executorch, "kind": "library", "sha256": digest, "licence": licence})
    required = [{"name": item.name, "version": item.version, "purl": item.purl} for item in requirements]
    packages = dict(sorted(lowered.versions.items()))
    return {"name": plan.name, "version": plan.version, "parts": parts, "required": required, "packages": packages}


def bill_of_materials(listed: Mapping[str, Json]) -> dict[str, Json]:
    """Return the record of what is ``listed``, without a number of its own, and without a time."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    bom = Bom(serial_number=UNNUMBERED)
    bundle = Component(name=listed["name"], version=listed["version"], type=ComponentType.APPLICATION, bom_ref="bundle")
    bom.metadata.component = bundle
    for part in listed["parts"]:
        bom.components.add(_part(**part))
    for item in listed["required"]:
        purl, scope = PackageURL.from_string(item["purl"]), ComponentScope.REQUIRED
        bom.components.add(_package(item["name"], item["version"], f"required/{item['name']}", purl, scope))
    for name, version in listed["packages"].items():
        purl, scope = PackageURL(type="pypi", name=name, version=version), ComponentScope.EXCLUDED
        bom.components.add(_package(name, version, f"build/{name}", purl, scope))
    # The library warns where nothing depends on anything: the bundle holds all of its parts.
    bom.register_dependency(bom.metadata.component, list(bom.components))
    record: dict[str, Json] = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    del record["metadata"]["timestamp"]
    return record


def numbered(record: Mapping[str, Json], digests: Mapping[str, str]) -> dict[str, Json]:
    """Return ``record`` with the serial number of a bundle: a function of its files (RFC 4122 version 5 layout)."""
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    serial = uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=5)
    return {**record, "serialNumber": serial.urn}


def _part(name: str, version: str, kind: str, sha256: str, licence: str = "") -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense

    return Component(
        name=name,
        version=version,
        type=ComponentType(kind),
        bom_ref=name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
        licenses=[DisjunctiveLicense(id=licence)] if licence else [],
    )


def _package(name: str, version: str, reference: str, purl: PackageURL, scope: ComponentScope) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    return Component(name=name, version=version, type=ComponentType.LIBRARY, scope=scope, bom_ref=reference, purl=purl)
