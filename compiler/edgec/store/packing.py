"""Bundles as `edgec build` wrote them to what a registry keeps: checked again, in layers of the same bytes each time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.attestation import stem
from edgec.artifacts.document import Json
from edgec.artifacts.envelope import read_envelope
from edgec.artifacts.image import EVIDENCE, MEASUREMENTS, PARTS, REPORT, TOP, Image, Part, image, index, layer, part_of
from edgec.artifacts.signed import REPORT_ENDING
from edgec.diagnostics import Diagnostic, Failure
from edgec.store import archive
from edgec.store.bundles import SUMS, OpenBundle, opened
from edgec.store.figures import read_figures
from edgec.store.files import sha256_of
from edgec.store.signatures import beside, mismatches, papers


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A bundle ready to be sent: its image, the file of each layer by digest, and its signature file where it is signed."""

    image: Image
    files: Mapping[str, Path]
    facts: Json
    signature: bytes | None


@dataclass(frozen=True, kw_only=True)
class Release:
    """Bundles of one name and version, and the index that names them."""

    name: str
    version: str
    bundles: tuple[Packed, ...]
    index: bytes


@contextlib.contextmanager
def packed(paths: Sequence[Path], folder: Path, trial: bool, annotations: Mapping[str, str]) -> Iterator[Release]:
    """Give the Release of the bundles at ``paths``, its layers packed into the empty ``folder``.

    A path is a bundle's folder, its tarball, or a folder of bundles, such as out/<name>/<version>. ``trial`` takes what is not
    for release. Raises Failure: those of ``opened``, ``no-evidence``, ``trial-bundle``, ``mixed-release``; OSError.
    """
    found: list[Packed] = []
    problems: list[Diagnostic] = []
    for number, path in enumerate(_bundles(paths)):
        try:
            with opened(path) as bundle:
                found.append(_packed(path, bundle, folder / str(number), trial))
        except Failure as failure:
            problems += failure.diagnostics
    problems += _mixed(found)
    if problems:
        raise Failure(*problems)
    facts = found[0].facts
    content = index([item.image for item in found], facts, annotations)
    yield Release(name=facts["name"], version=facts["version"], bundles=tuple(found), index=content)


def _bundles(paths: Sequence[Path]) -> list[Path]:
    """Return each bundle that ``paths`` name, once."""
    found: dict[Path, Path] = {}
    for path in paths:
        within = sorted(sums.parent for sums in path.glob(f"*/{SUMS}")) if path.is_dir() and not (path / SUMS).exists() else []
        for bundle in within or [path]:
            found.setdefault(bundle.resolve(), bundle)
    return list(found.values())


def _packed(path: Path, bundle: OpenBundle, folder: Path, trial: bool) -> Packed:
    folder.mkdir()
    evidence = _beside(path, bundle)
    record = measured_on(evidence[MEASUREMENTS], bundle)
    if not trial:
        _refuse_trial(bundle, record)
    names = sorted([*bundle.digests, SUMS])
    groups: dict[str, dict[str, Path]] = {part: {} for part in PARTS} | {EVIDENCE: evidence}
    for name in names:
        groups[part_of(name, bundle.facts)][f"{TOP}/{name}"] = bundle.folder / name
    expected = {f"{TOP}/{name}": digest for name, digest in {**bundle.digests, SUMS: bundle.digest}.items()}
    parts: list[Part] = []
    contents: list[str] = []
    files: dict[str, Path] = {}
    for name, group in groups.items():
        if group:
            tarball = folder / name
            archive.pack_files(group, tarball)
            _compare(archive.digests(tarball), expected, name)
            parts.append(layer(name, sha256_of(tarball), tarball.stat().st_size))
            contents.append(archive.content_digest(tarball))
            files[parts[-1].layer.digest] = tarball
    described = image(bundle.facts, bundle.digest, parts, contents)
    return Packed(image=described, files=files, facts=bundle.facts, signature=_signature(path, bundle))


def _compare(found: Mapping[str, str], expected: Mapping[str, str], part: str) -> None:
    """What was packed must be what was checked: a file may have changed in between."""
    changed = [name for name, digest in found.items() if part != EVIDENCE and expected[name] != digest]
    if changed:
        message = f"{', '.join(changed)} changed while it was packed"
        raise Failure(Diagnostic(code="digest-mismatch", message=message))


def _beside(path: Path, bundle: OpenBundle) -> dict[str, Path]:
    """Return the bundle's measurements and report. Raises Failure ``no-evidence``."""
    figures = beside(path, bundle.facts).measurements
    places = {MEASUREMENTS: figures, REPORT: figures.with_name(f"{stem(bundle.facts)}{REPORT_ENDING}")}
    missed = [place.name for place in places.values() if not place.is_file()]
    if missed:
        message = f"{' and '.join(missed)} {'do' if len(missed) > 1 else 'does'} not lie beside the tarball of {path}"
        hint = "a release travels with its figures; push from where edgec build wrote it"
        raise Failure(Diagnostic(code="no-evidence", message=message, hint=hint))
    return places


def measured_on(measurements: Path, bundle: OpenBundle) -> Json:
    """Return what ``measurements`` hold. Raises Failure ``bundle-broken``, ``digest-mismatch`` for those of another bundle."""
    record = read_figures(measurements)
    if record["bundle_sha256"] != bundle.digest:
        message = f"{measurements.name} was measured on the bundle {record['bundle_sha256']}, this one is {bundle.digest}"
        raise Failure(Diagnostic(code="digest-mismatch", message=message, hint="build it again"))
    return record


def _signature(path: Path, bundle: OpenBundle) -> bytes | None:
    """Return the signature file beside the bundle, which must be of it and of its measurements; None where there is none.

    Raises Failure ``signature-invalid`` or ``signature-mismatch``. Whose it is says a policy, where it is pulled.
    """
    given = papers(beside(path, bundle.facts))
    if given.signature is None:
        return None
    if problems := mismatches(read_envelope(given.signature, given.signature_name).payload, bundle, given):
        raise Failure(*problems)
    return given.signature


def _refuse_trial(bundle: OpenBundle, measurements: Json) -> None:
    blockers = list(bundle.facts["blockers"] if not bundle.facts["release"] else [])
    missed = [verdict["budget"] for verdict in measurements.get("verdicts", []) if verdict["status"] == "missed"]
    blockers += [text for text in (f"the budget {name} is missed" for name in missed) if text not in blockers]
    if blockers:
        facts = bundle.facts
        message = f"{facts['name']} {facts['version']} for {facts['target']} is not for release: {'; '.join(blockers)}"
        hint = "--allow-trial pushes it all the same, marked as it is"
        raise Failure(Diagnostic(code="trial-bundle", message=message, hint=hint))


def _mixed(found: Sequence[Packed]) -> list[Diagnostic]:
    """A release has one name, one version, and each target once."""
    problems = []
    releases = sorted({f"{item.facts['name']} {item.facts['version']}" for item in found})
    if len(releases) > 1:
        problems.append(f"these bundles are of several releases: {', '.join(releases)}")
    targets = [item.facts["target"] for item in found]
    problems += [f"two of these bundles are for {name}" for name in sorted({n for n in targets if targets.count(n) > 1})]
    hint = "push each name and version by itself"
    return [Diagnostic(code="mixed-release", message=message, hint=hint) for message in problems]
