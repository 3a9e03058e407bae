"""`edgec push`: bundles that were checked again, to a registry, as one release."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from edgec.commands.options import common, output, plain_http_options
from edgec.store.push import Pushed


@click.command("push", short_help="Push a release to a registry.")
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="BUNDLE...")
@click.argument("reference", metavar="oci://HOST/REPOSITORY[:TAG]")
@click.option("--allow-trial", is_flag=True, help="Push also what is not for release, marked as it is.")
@click.option("--force", is_flag=True, help="Move a tag that holds another release.")
@click.option(
    "--annotation", "annotations", multiple=True, metavar="KEY=VALUE", help="Note this on the release, such as its commit."
)
@plain_http_options
@common("human", "json")
def command(
    bundles: tuple[Path, ...],
    reference: str,
    allow_trial: bool,
    force: bool,
    annotations: tuple[str, ...],
    plain_http: bool,
    insecure_plain_http: bool,
) -> int:
    """Push each BUNDLE (a folder, a tarball, or out/NAME/VERSION with all its targets) as one release.

    What the registry holds already is not sent again; measurements, report and signature go with each bundle. The tag, by
    default the version, is set last; it is not moved from one release to another. Credentials are those of docker login.
    SSL_CERT_FILE names a certificate authority of your own.
    """
    from edgec.artifacts.reference import reference as parsed
    from edgec.artifacts.reference import version_tag
    from edgec.store.atomic import environment_errors
    from edgec.store.cache import Cache, default_folder
    from edgec.store.packing import packed
    from edgec.store.push import push
    from edgec.store.transport import connected, plain_http_allowed

    where = parsed(reference)
    if where.digest:
        raise click.UsageError("a release is pushed under a tag; its digest is what comes out")
    plain = plain_http_allowed(where, plain_http, insecure_plain_http)
    notes = dict(_annotation(text) for text in annotations)
    with (
        environment_errors(f"push {reference}"),
        tempfile.TemporaryDirectory(prefix="edgec-push-") as scratch,
        packed(bundles, Path(scratch), allow_trial, notes) as release,
        connected(where, plain) as session,
    ):
        tag = where.tag or version_tag(release.version)  # before anything is asked of the registry
        done = push(session, release, tag, force, Cache(folder=default_folder()), output().say)
    _tell(done)
    return 0


def _annotation(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"--annotation {text!r} is not KEY=VALUE")
    return key, value


def _tell(done: Pushed) -> None:
    out = output()
    if out.format == "json":
        from edgec.output import json

        out.data(json.render([], {}, release=_record(done)))
        return
    from edgec.output.human import printable

    did = "pushed" if done.fresh else "was there before"
    out.data(f"{printable(str(done.reference))} {did}")
    out.data(f"  index {done.digest}")
    out.data("".join(f"  {printable(target)} {digest}\n" for target, digest in done.manifests.items()))
    for target in done.signed:
        out.data(f"  {printable(target)} is signed")
    for target in done.unsent:
        out.data(f"  {printable(target)}: its signature was not sent; the registry holds other measurements of the same bundle")
    if done.fresh:
        out.data(f"  {len(done.sent)} layers sent ({done.sent_bytes:,} bytes), {len(done.kept)} were there")


def _record(done: Pushed) -> dict[str, object]:
    return {
        "reference": str(done.reference),
        "repository": f"{done.reference.host}/{done.reference.repository}",
        "tag": done.reference.tag,
        "digest": done.digest,
        "pinned": str(done.reference.at(done.digest)),
        "fresh": done.fresh,
        "manifests": dict(done.manifests),
        "sent": list(done.sent),
        "kept": list(done.kept),
        "sent_bytes": done.sent_bytes,
        "signed": list(done.signed),
        "unsent": list(done.unsent),
    }
