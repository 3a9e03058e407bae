"""What edgec signs, read by others: securesystemslib, the in-toto attestation library, and openssl alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from bundle_parts import bundle
from edgec.artifacts.bundle import Written
from edgec.artifacts.envelope import signed_bytes
from edgec.stages.write import write
from edgec.store.keys import private_key
from edgec.store.release import sign_bundle
from keys import Pair, openssl, pair

KINDS = ("ed25519", "p256")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("keys")
    return {kind: pair(folder, kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    place = tmp_path_factory.mktemp("made")
    return write(bundle(place / "parts"), place / "out")


@pytest.fixture(scope="module")
def record(written: Written, keys: dict[str, Pair]) -> dict[str, Any]:
    for made in keys.values():
        place = sign_bundle(written.folder, private_key(made.private.read_bytes(), "", lambda: None)).signature
    found: dict[str, Any] = json.loads(place.read_bytes())
    return found


def test_securesystemslib_verifies_it(record: dict[str, Any], keys: dict[str, Pair]) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    envelope = Envelope.from_dict(json.loads(json.dumps(record)))
    assert envelope.pae() == signed_bytes(envelope.payload)
    theirs = []
    for kind, signature in ((kind, item) for kind in KINDS for item in record["signatures"]):
        is_edwards = len(base64.b64decode(signature["sig"])) == 64
        if is_edwards == (kind == "ed25519"):
            key = load_pem_public_key(keys[kind].public.read_bytes())
            theirs.append(SSlibKey.from_crypto(key, keyid=signature["keyid"]))
    assert len(envelope.verify(theirs, 2)) == 2
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify(theirs, 1)


def test_it_is_an_in_toto_statement_with_slsa_provenance(record: dict[str, Any], written: Written) -> None:
    from google.protobuf.json_format import ParseDict
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    for text in (base64.b64decode(record["payload"]), (written.folder / "provenance.json").read_bytes()):
        statement = json.loads(text)
        Statement.copy_from_pb(ParseDict(statement, Message())).validate()
        assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
        provenance = ParseDict(statement["predicate"], Provenance())
        assert provenance.build_definition.build_type and provenance.run_details.builder.id


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_verifies_it(kind: str, record: dict[str, Any], keys: dict[str, Pair], tmp_path: Path) -> None:
    data, value = tmp_path / "data", tmp_path / "value"
    data.write_bytes(signed_bytes(base64.b64decode(record["payload"])))
    for item in record["signatures"]:
        raw = base64.b64decode(item["sig"])
        if (len(raw) == 64) == (kind == "ed25519"):
            value.write_bytes(raw)
    if kind == "ed25519":
        words = openssl("pkeyutl", "-verify", "-pubin", "-inkey", keys[kind].public, "-rawin", "-in", data, "-sigfile", value)
    else:
        words = openssl("dgst", "-sha256", "-verify", keys[kind].public, "-signature", value, data)
    assert b"Verified" in words or b"Successfully" in words


def test_the_bill_of_materials_validates_with_cyclonedx_s_own_validator(written: Written) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (written.folder / "sbom.cdx.json").read_text(encoding="utf-8")
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    broken = json.loads(text)
    broken["components"][0]["type"] = "nonsense"
    assert validator.validate_str(json.dumps(broken)) is not None
