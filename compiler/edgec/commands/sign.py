"""`edgec sign`: bundles that were checked again, signed with one key."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from edgec.commands.options import common, exit_code, output
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.release import Signed, sign_bundle

PASSWORD = "EDGEC_KEY_PASSWORD"


@click.command("sign", short_help="Sign bundles with their measurements.")
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="BUNDLE...")
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="The private key (PEM); - reads it from standard input.",
)
@click.option("--measurements", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Of the one BUNDLE.")
@click.option("--allow-unfit", is_flag=True, help="Sign also what missed a budget or is not for release.")
@common("human", "json")
def command(bundles: tuple[Path, ...], key: Path, measurements: Path | None, allow_unfit: bool) -> int:
    """Sign each BUNDLE (a folder or a tarball): its digest, its measurements and its tarball.

    Writes NAME-VERSION-TARGET.intoto.jsonl beside the tarball: an in-toto statement with the bundle's SLSA provenance, in
    a DSSE envelope. A signature by another key stays in it. The key is Ed25519 or ECDSA P-256; EDGEC_KEY_PASSWORD opens an
    encrypted one, or it is asked for.
    """
    if measurements and len(bundles) > 1:
        raise click.UsageError("--measurements belongs to one BUNDLE, and there are several")
    from edgec.store.keys import private_key, readable_by_others

    name = str(key)
    pem = sys.stdin.buffer.read() if name == "-" else key.read_bytes()
    signer = private_key(pem, "on standard input" if name == "-" else name, lambda: _password(name))
    found: list[Diagnostic] = []
    if name != "-" and readable_by_others(key):
        message = f"the key {name} can be read by others than its owner"
        found.append(Diagnostic(code="key-exposed", severity="warning", message=message, hint=f"chmod 600 {name}"))
    signed = []
    for path in bundles:
        try:
            signed.append(sign_bundle(path, signer, measurements, allow_unfit))
        except Failure as failure:
            found += failure.diagnostics
    _tell(signed, found)
    return exit_code(found)


def _password(name: str) -> bytes | None:
    word = os.environ.get(PASSWORD)
    if word is None and name != "-" and sys.stdin.isatty():
        word = click.prompt(f"Password of {name}", hide_input=True, err=True)
    if not word:
        message = f"the key {name} cannot be used: it is encrypted"
        raise Failure(Diagnostic(code="key-invalid", message=message, hint=f"set {PASSWORD}"))
    return os.fsencode(word)  # the bytes that were given, also where they are no UTF-8


def _tell(signed: list[Signed], diagnostics: list[Diagnostic]) -> None:
    out = output()
    if out.format == "json":
        from edgec.output import json

        out.data(json.render(diagnostics, {}, signed=[_record(item) for item in signed]))
        return
    from edgec.output.human import printable

    for item in signed:
        did = "signed" if item.fresh else "was signed before by this key"
        out.data(f"{printable(item.name)} {did}: {printable(str(item.signature))}")
        out.data("".join(f"  over {printable(subject)}\n" for subject in item.subjects))
        out.data("".join(f"  by   {keyid}\n" for keyid in item.keyids))
    out.findings(diagnostics, {})


def _record(item: Signed) -> dict[str, object]:
    return {
        "bundle": str(item.bundle),
        "name": item.name,
        "bundle_sha256": item.digest,
        "signature": str(item.signature),
        "keyids": list(item.keyids),
        "subjects": list(item.subjects),
        "fresh": item.fresh,
    }
