"""A bundle's folder or tarball and the measurements beside it go in; a Release comes out, each record checked first."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.evaluated import Evaluated, evaluated_of
from edgec.artifacts.release import GoldenAnswer, OperatorCount, Release
from edgec.artifacts.signed import MEASUREMENTS_ENDING, bundle_name
from edgec.diagnostics import Diagnostic, Failure
from edgec.releases.records import readings, verdicts
from edgec.store.atomic import read_errors
from edgec.store.bundles import OpenBundle, opened
from edgec.store.figures import read_figures

SIDES = {"min": "≥", "max": "≤", "max_drop": "drop ≤", "max_flips": "flips ≤"}
"""How people are shown a limit, by its sense."""

NO_MEASUREMENTS = "there is no measurements.json beside it, which holds the decisions"
NO_EVALUATION = "its measurements.json keeps no decisions: there was no evaluation data, or its outputs vary in shape"


def read_release(path: Path, measured: tuple[Path, ...] = ()) -> Release:
    """Return the release at ``path``; every file of the bundle is hashed.

    ``measured`` are its measurements.json and devices' verify.json; without any, the measurements.json that a build left
    beside the bundle is taken, where there is one. Raises Failure ``no-bundle``, ``bundle-broken``, ``digest-mismatch``.
    """
    with opened(path) as bundle:
        with read_errors("what was measured"):
            records = [read_figures(item) for item in measured or _beside(path, bundle.facts)]
        for item, record in zip(measured or _beside(path, bundle.facts), records, strict=True):
            if record["bundle_sha256"] != bundle.digest:
                raise _of_another(item, path)
        with _expected(f"{path}: bundle.json"):
            return _release(path, bundle, records)


def _beside(path: Path, facts: Json) -> tuple[Path, ...]:
    """Where a build puts measurements.json: beside the tarball, which lies beside NAME/VERSION/TARGET."""
    name = f"{bundle_name(facts.get('name'), facts.get('version'), facts.get('target'))}{MEASUREMENTS_ENDING}"
    places = [path.parent / name]
    if path.is_dir():
        places.append(path.resolve().parent.parent.parent / name)
    return tuple(place for place in places if place.is_file())[:1]


def _of_another(record: Path, path: Path) -> Failure:
    message = f"{record} was not measured on the bundle {path}: it names another bundle's digest"
    hint = "build or fetch the two together, or name the right file with --old-measured or --new-measured"
    return Failure(Diagnostic(code="digest-mismatch", message=message, hint=hint))


@contextlib.contextmanager
def _expected(what: str) -> Iterator[None]:
    """Turn what a record of another shape leads to into a Failure: it comes from outside."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        told = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise Failure(Diagnostic(code="bundle-broken", message=f"{what} is not as docs/bundle.md has it: {told}")) from error


def _release(path: Path, bundle: OpenBundle, records: list[Json]) -> Release:
    facts = bundle.facts
    made = _json(bundle, "provenance.json")["predicate"]["buildDefinition"]
    evaluated, reason = _evaluated(records)
    clocked = [reading for record in records for reading in readings(record)]
    known = {(reading.name, reading.evidence) for reading in clocked}
    own = [reading for reading in readings(facts) if (reading.name, reading.evidence) not in known]
    options = made["internalParameters"].get("options", {})
    model = facts["model"]
    return Release(
        path=str(path),
        name=str(facts["name"]),
        version=str(facts["version"]),
        target=str(facts["target"]),
        digest=bundle.digest,
        model_sha256=model["sha256"],
        release=facts["release"],
        blockers=tuple(map(str, facts["blockers"])),
        task=str(facts["task"]["name"]),
        labels=tuple(map(str, facts["task"]["labels"])),
        signature=_signature(facts),
        recipe=f"{model['recipe']} ({_written(options)})" if options else model["recipe"],
        delegates=tuple(map(str, model["delegates"])),
        threads=int(facts["threads"]),
        tools=_tools(bundle, made),
        materials=_materials(made),
        budgets={budget["name"]: f"{SIDES[budget['sense']]} {budget['text']}" for budget in facts["budgets"]},
        verdicts=verdicts([facts, *records]),
        readings=(*own, *clocked),
        operators={
            str(item["name"]): OperatorCount(
                delegated=int(item["delegated"]), left=int(item["left"]), reason=str(item["reason"])
            )
            for item in facts["program"]["operators"]
        },
        parts=_parts(bundle),
        golden=_golden(bundle),
        evaluated=evaluated,
        unevaluated=reason,
    )


def _json(bundle: OpenBundle, name: str) -> Json:
    with read_errors(name):
        return json.loads((bundle.folder / name).read_bytes())


def _evaluated(records: list[Json]) -> tuple[Evaluated | None, str]:
    """What was kept of the evaluation; else why there is nothing."""
    built = [record for record in records if record["schema"].startswith("edgec/measurements/")]
    if not built:
        return None, NO_MEASUREMENTS
    kept = next((record["evaluation"] for record in built if record.get("evaluation")), None)
    return (evaluated_of(kept), "") if kept is not None else (None, NO_EVALUATION)


def _signature(facts: Json) -> dict[str, str]:
    """Inputs and outputs as text, by name: ``float32 1 × 96 × 96 × 3, picture 96 x 96, cover``."""
    found = {}
    for side in ("input", "output"):
        for item in facts[f"{side}s"]:
            low = item.get("minimum", item["shape"])
            axes = (str(b) if a == b else f"{a}..{b}" for a, b in zip(low, item["shape"], strict=True))
            text = f"{item['dtype']} {' × '.join(axes)}"
            if image := item.get("image"):
                text += f", picture {image['width']} × {image['height']}, {image['fit']}"
            found[f"{side} {item['name']}"] = text
    return found


def _written(options: Mapping[str, Json]) -> str:
    return ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in sorted(options.items()))


def _tools(bundle: OpenBundle, made: Json) -> dict[str, str]:
    """Versions of the SBOM's components, the model aside, and of the toolchain, its files' digests shortened."""
    components = _json(bundle, "sbom.cdx.json").get("components", ())
    model = bundle.facts["model"]["file"]
    found = {item["name"]: str(item.get("version", "")) for item in components if item["name"] != model}
    found["edgec"] = str(bundle.facts["tools"]["edgec"])
    toolchain = made["internalParameters"].get("toolchain", {})
    return found | {name: text[:12] if len(text) == 64 else text for name, text in toolchain.items()}


def _materials(made: Json) -> dict[str, str]:
    """Input files by name; packages, which have a URL and no digest, are among the tools."""
    return {item["name"]: next(iter(item["digest"].values())) for item in made["resolvedDependencies"] if item.get("digest")}


def _parts(bundle: OpenBundle) -> dict[str, int]:
    """Bytes of model.pte by what they hold, and of the bundle by file."""
    memory, total = bundle.facts["program"]["memory"], int(bundle.facts["model"]["bytes"])
    inside = {
        "model.pte: weights": int(memory["weights"]),
        "model.pte: delegate blobs": int(memory["delegate_blobs"]),
        "model.pte: constants": int(memory["constants"]),
    }
    with read_errors("the bundle's files"):
        sizes = {name: (bundle.folder / name).stat().st_size for name in bundle.digests}
    binaries = {name: size for name, size in sizes.items() if name.startswith(("bin/", "lib/"))}
    rest = sum(sizes.values()) - sizes[bundle.facts["model"]["file"]] - sum(binaries.values())
    program = {"model.pte: program and the rest": max(0, total - sum(inside.values()))}
    return {"model.pte": total, **inside, **program, **dict(sorted(binaries.items())), "other files": rest}


def _golden(bundle: OpenBundle) -> dict[str, GoldenAnswer]:
    dtypes = tuple(item["dtype"] for item in bundle.facts["outputs"])
    return {
        vector["sample"]: GoldenAnswer(
            inputs=tuple(hashlib.sha256(_bytes(bundle, name)).hexdigest() for name in vector["inputs"]),
            outputs=tuple(_bytes(bundle, name) for name in vector["outputs"]),
            dtypes=dtypes,
        )
        for vector in bundle.facts["golden"]["vectors"]
    }


def _bytes(bundle: OpenBundle, name: Any) -> bytes:
    if name not in bundle.digests:
        raise ValueError(f"golden vectors name {name!r}, which is no file of the bundle")
    with read_errors(name):
        content: bytes = (bundle.folder / name).read_bytes()
        return content
