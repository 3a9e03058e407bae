"""`edgec pull`: a release from a registry, verified, to where `edgec build` would have written it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgec.commands.options import common, output, plain_http_options
from edgec.commands.trusting import policy_of, trust_options

if TYPE_CHECKING:
    from edgec.releases.arrive import Arrived


@click.command("pull", short_help="Pull a release from a registry.")
@click.argument("reference", metavar="oci://HOST/REPOSITORY:TAG")
@click.option("--target", "targets", multiple=True, help="Pull this target's bundle; may be given several times.")
@click.option("--all-targets", is_flag=True, help="Pull the bundles of all targets.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out"), help="Where to (default: out/).")
@trust_options
@click.option("--allow-downgrade", is_flag=True, help="Pull also an older version than the newest in --out.")
@plain_http_options
@common("human", "json")
def command(
    reference: str,
    targets: tuple[str, ...],
    all_targets: bool,
    out: Path,
    keys: tuple[Path, ...],
    policy: Path | None,
    allow_downgrade: bool,
    plain_http: bool,
    insecure_plain_http: bool,
) -> int:
    """Pull a release: the bundle of --target, else the only one, else the only one for this machine's architecture.

    TAG may be followed by @sha256:…, or replaced by it: a digest names one release for ever, a tag need not.
    Every digest is compared, the bundle's own SHA256SUMS, and what the policy (edgec.toml) or --key asks of signatures,
    evidence and version, before anything appears, whole or not at all. A pull that was cut short goes on where it stopped.
    Credentials are those of docker login.
    """
    from edgec.artifacts.reference import reference as parsed
    from edgec.releases.arrive import arrive
    from edgec.store.atomic import environment_errors
    from edgec.store.cache import Cache, default_folder
    from edgec.store.pull import bundles, chosen, resolved
    from edgec.store.transport import connected, plain_http_allowed

    if targets and all_targets:
        raise click.UsageError("--target names some targets, --all-targets means all")
    where = parsed(reference)
    asked = policy_of(keys, policy)
    asked = replace(asked, downgrade=True) if allow_downgrade else asked
    plain = plain_http_allowed(where, plain_http, insecure_plain_http)
    cache = Cache(folder=default_folder())
    with connected(where, plain) as session, environment_errors(f"pull {reference}"), cache.lease():
        stored = resolved(session, where)
        wanted = chosen(bundles(stored, where), targets, all_targets, where)
        done = arrive(session, wanted, out, cache.folder / "downloads", asked, output().say)
    _tell(reference, stored.digest, done)
    return 0


def _tell(reference: str, digest: str, done: list[Arrived]) -> None:
    out = output()
    if out.format == "json":
        from edgec.output import json

        release = {"reference": reference, "digest": digest, "bundles": [_record(item) for item in done]}
        out.data(json.render([], {}, release=release))
        return
    from edgec.output.human import printable

    out.data(f"{printable(reference)} {digest}")
    for item in done:
        facts = item.fetched.bundle.facts
        out.data(f"  {printable(facts['target'])}: {printable(str(item.written.folder))}")
        out.data(f"    bundle sha256 {item.fetched.bundle.digest}")
        for signer in item.signers:
            out.data(f"    signed by {printable(signer.name)} ({signer.kind}, {signer.keyid[:12]})")
        if item.fetched.signature is not None and not item.signers:
            out.data("    it carries a signature, which nothing asks for: name a key with --key, or in the policy")
        if not facts["release"]:
            out.data(f"    it is not for release: {printable('; '.join(facts['blockers']))}")


def _record(item: Arrived) -> dict[str, object]:
    found = item.fetched.bundle
    return {
        **{key: found.facts[key] for key in ("name", "version", "target", "release")},
        "manifest": item.fetched.described.digest,
        "bundle_sha256": found.digest,
        "folder": str(item.written.folder),
        "tarball": str(item.written.tarball),
        "measurements": str(item.written.measurements),
        "report": str(item.written.report),
        "signed": item.fetched.signature is not None,
        "signatures": [{"keyid": signer.keyid, "kind": signer.kind, "key": signer.name} for signer in item.signers],
    }
