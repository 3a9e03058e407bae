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
    from cyclonedx.model.component import Component


def bill_of_materials(
    plan: Plan, lowered: Lowered, digests: Mapping[str, str], requirements: Sequence[Requirement] = ()
) -> Json:
    """Return the record for ``digests`` (path in the bundle to sha256); its serial number derives from them, no time.

    The components are the model, the runner, each runtime library with ExecuTorch's version, what the bundle's own build
    takes from elsewhere, and the Python packages that built them.
    """
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    bom = Bom(serial_number=_serial(digests))
    bom.metadata.component = _component(plan.name, plan.version, ComponentType.APPLICATION, "bundle")
    executorch = lowered.versions.get("executorch", "")
    for name, digest in sorted(digests.items()):
        if digest == lowered.pte_sha256:
            bom.components.add(_component(name, plan.version, ComponentType.MACHINE_LEARNING_MODEL, name, digest))
        elif name.startswith("bin/"):
            bom.components.add(_component(name, edgec.__version__, ComponentType.APPLICATION, name, digest))
        elif name.startswith("lib/"):
            bom.components.add(_component(name, executorch, ComponentType.LIBRARY, name, digest, "BSD-3-Clause"))
    for needed in requirements:
        bom.components.add(_required(needed))
    for name, version in sorted(lowered.versions.items()):
        bom.components.add(_package(name, version))
    # The library warns where nothing depends on anything: the bundle holds all of its parts.
    bom.register_dependency(bom.metadata.component, list(bom.components))
    record = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    del record["metadata"]["timestamp"]
    return record


def _component(name: str, version: str, kind: object, reference: str, sha256: str = "", licence: str = "") -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense

    assert isinstance(kind, ComponentType)
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=reference,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else [],
        licenses=[DisjunctiveLicense(id=licence)] if licence else [],
    )


def _required(needed: Requirement) -> Component:
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
    from packageurl import PackageURL

    return Component(
        name=needed.name,
        version=needed.version,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.REQUIRED,
        bom_ref=f"required/{needed.name}",
        purl=PackageURL.from_string(needed.purl),
    )


def _package(name: str, version: str) -> Component:
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
    from packageurl import PackageURL

    purl = PackageURL(type="pypi", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.EXCLUDED,
        bom_ref=f"build/{name}",
        purl=purl,
    )


def _serial(digests: Mapping[str, str]) -> uuid.UUID:
    """Return a serial number that is a function of the files listed (RFC 4122 version 5 layout)."""
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=5)
