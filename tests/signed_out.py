"""A signed folder as `edgec build` and `edgec sign` leave it, and all the ways in which one may be tampered with."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgec.store.keys import private_key
from edgec.store.signatures import signed
from keys import Pair

STEM = "camera-1.0.0-linux-x86_64"


@dataclass(frozen=True)
class Out:
    """A folder as `edgec build` and `edgec sign` leave it."""

    place: Path
    stem: str

    @property
    def folder(self) -> Path:
        name, version, target = re.fullmatch(r"(.+?)-(\d.*)-(linux-x86_64)", self.stem).groups()  # type: ignore[union-attr]
        return self.place / name / version / target

    @property
    def tarball(self) -> Path:
        return self.place / f"{self.stem}.tar.gz"

    @property
    def signature(self) -> Path:
        return self.place / f"{self.stem}.intoto.jsonl"

    @property
    def measurements(self) -> Path:
        return self.place / f"{self.stem}.measurements.json"


def private(made: Pair) -> Any:
    return private_key(made.private.read_bytes(), made.private.name, lambda: None)


def policy_text(out: Out, keys: dict[str, Pair], *names: str, more: str = "") -> str:
    (out.place / "keys").mkdir(exist_ok=True)
    for made in keys.values():
        shutil.copy(made.public, out.place / "keys")
    listed = ", ".join(f'"keys/{name}.pub.pem"' for name in names or ("p256", "ed25519"))
    return f"# a policy\n\n[signatures]\nkeys = [{listed}]  # beside this file\n{more}\n"


def envelope(out: Out) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(out.signature.read_bytes())
    return record


def put(out: Out, record: dict[str, Any]) -> None:
    out.signature.write_bytes(json.dumps(record, separators=(",", ":")).encode() + b"\n")


def flip(out: Out, which: int) -> None:
    record = envelope(out)
    raw = bytearray(base64.b64decode(record["signatures"][which]["sig"]))
    raw[-1] ^= 1
    record["signatures"][which]["sig"] = base64.b64encode(raw).decode()
    put(out, record)


def swap(out: Out) -> None:
    record = envelope(out)
    first, second = record["signatures"]
    first["sig"], second["sig"] = second["sig"], first["sig"]
    put(out, record)


def restate(out: Out, keys: dict[str, Pair], change: Callable[[dict[str, Any]], object], **form: Any) -> None:
    """Sign a changed statement with a key that is trusted."""
    statement = json.loads(base64.b64decode(envelope(out)["payload"]))
    change(statement)
    payload = json.dumps(statement, **({"sort_keys": True, "separators": (",", ":")} | form)).encode()
    out.signature.write_bytes(signed(payload, [private(keys["p256"])]))


def text(out: Out, change: Callable[[bytes], bytes]) -> None:
    out.signature.write_bytes(change(out.signature.read_bytes()))


TAMPERING: dict[str, tuple[Callable[[Out, dict[str, Pair]], object], str]] = {
    "no file": (lambda out, keys: out.signature.unlink(), "its signature was stripped: there is no"),
    "no signature": (lambda out, keys: put(out, {**envelope(out), "signatures": []}), "they were stripped"),
    "a bad one first": (lambda out, keys: flip(out, 0), "is bad: its key did not sign this statement"),
    "a bad one last": (lambda out, keys: flip(out, 1), "is bad: its key did not sign this statement"),
    "keys swapped": (lambda out, keys: swap(out), "it is not an Ed25519 signature, and its key makes no others"),
    "two of one key": (
        lambda out, keys: put(out, {**envelope(out), "signatures": envelope(out)["signatures"][:1] * 2}),
        "two signatures of one key",
    ),
    "another payload": (
        lambda out, keys: put(out, {**envelope(out), "payload": base64.b64encode(b'{"_type":"x"}').decode()}),
        "its key did not sign this statement",
    ),
    "another type": (lambda out, keys: put(out, {**envelope(out), "payloadType": "text/plain"}), "its payload is 'text/plain'"),
    "another predicate": (
        lambda out, keys: restate(out, keys, lambda statement: statement.update(predicateType="https://example.com/v1")),
        "does not attest a bundle",
    ),
    "another statement": (
        lambda out, keys: restate(out, keys, lambda statement: statement.update(_type="https://in-toto.io/Statement/v0.1")),
        "does not attest a bundle",
    ),
    "subjects inside": (
        lambda out, keys: restate(out, keys, lambda statement: statement["predicate"].update(subject=statement.pop("subject"))),
        "does not attest a bundle",
    ),
    "not compact": (lambda out, keys: restate(out, keys, lambda statement: None, indent=1), "does not attest a bundle"),
    "two lines": (lambda out, keys: text(out, lambda line: line + line), "in the one line that edgec writes"),
    "blanks": (lambda out, keys: text(out, lambda line: line.replace(b",", b", ")), "in the one line that edgec writes"),
    "no line's end": (lambda out, keys: text(out, lambda line: line.rstrip()), "in the one line that edgec writes"),
    "a key twice": (
        lambda out, keys: text(out, lambda line: line.replace(b'{"payload"', b'{"payload":"AA==","payload"')),
        "in the one line that edgec writes",
    ),
    "noise": (lambda out, keys: text(out, lambda line: bytes(range(256))), "in the one line that edgec writes"),
    "empty": (lambda out, keys: text(out, lambda line: b""), "in the one line that edgec writes"),
    "another release's": (
        lambda out, keys: shutil.copy(Out(out.place, "camera-1.1.0-linux-x86_64").signature, out.signature),
        f"is not of bundle {STEM}",
    ),
    "other measurements": (
        lambda out, keys: out.measurements.write_bytes(out.measurements.read_bytes() + b" "),
        "is of another measurements file",
    ),
    "a changed file": (lambda out, keys: (out.folder / "README.md").write_text("x"), "is not the one that SHA256SUMS lists"),
}
