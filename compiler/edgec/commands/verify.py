"""`edgec verify`: a bundle's signatures, and its own verification, run on this machine or under emulation."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgec.artifacts.document import Json
from edgec.artifacts.policy import Policy
from edgec.artifacts.signed import Papers
from edgec.commands.options import common, output
from edgec.commands.trusting import policy_of, trust_options, with_papers
from edgec.diagnostics import Diagnostic, Failure
from edgec.stages.judge import FEWEST_SAMPLES
from edgec.store.bundles import OpenBundle

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("verify", short_help="Check a bundle's signatures, and run its own verification on this machine.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write the result here, as JSON.")
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also measure accuracy on this folder of images, one subfolder a class.",
)
@click.option("--samples", type=click.IntRange(1), help="Evaluate on at most this many of the images.")
@click.option("--emulate", is_flag=True, help="Under qemu with the target's CPU, also where this machine is of its kind.")
@click.option("--no-bench", is_flag=True, help="Clock nothing.")
@click.option("--sustained", is_flag=True, help="Also measure budgets after more than 10 s of load, which takes that long.")
@trust_options
@click.option("--signature", type=FILE, help="The signature file, where it does not lie beside the tarball.")
@click.option("--measurements", type=FILE, help="The measurements file, where it does not lie beside the tarball.")
@click.option("--signature-only", is_flag=True, help="Check digests, signatures and evidence; run nothing.")
@click.option("--behaviour-only", is_flag=True, help="Ask for no signature, whatever the policy asks.")
@common("human", "json")
def command(
    bundle: Path,
    out: Path | None,
    evaluation: Path | None,
    samples: int | None,
    emulate: bool,
    no_bench: bool,
    sustained: bool,
    keys: tuple[Path, ...],
    policy: Path | None,
    signature: Path | None,
    measurements: Path | None,
    signature_only: bool,
    behaviour_only: bool,
) -> int:
    """Check BUNDLE (a folder or a tarball): every digest, its signatures, then its own verify.sh.

    Signatures are asked for by --key, or by the keys of the policy (edgec.toml); nothing of a bundle runs before they are
    good. It runs natively where this machine can run it (evidence: host), else under qemu with the target's CPU
    (evidence: emulated; no latency is judged then). A bundle that no build machine can run is checked against its own
    records only (evidence: none), and what was not run is named.
    """
    if samples and not evaluation:
        raise click.UsageError("--samples says how many images of --evaluation are used")
    if signature_only and (behaviour_only or evaluation or emulate or no_bench):
        raise click.UsageError("--signature-only runs nothing: it goes with no option about what is run")
    if sustained and (no_bench or emulate or signature_only):
        raise click.UsageError("--sustained clocks: it goes with neither --no-bench, --emulate nor --signature-only")
    if behaviour_only and (keys or signature):
        raise click.UsageError("--behaviour-only checks no signature: it goes with neither --key nor --signature")
    asked = policy_of(keys, policy)
    if signature_only and not asked.keys:
        raise click.UsageError("--signature-only needs a key: name one with --key, or in the policy")
    from edgec.artifacts.records import json_bytes
    from edgec.store.admission import refuse_weak
    from edgec.store.atomic import environment_errors, write_file
    from edgec.store.bundles import opened

    with opened(bundle) as found:
        output().say(f"{bundle}: {len(found.digests)} files are as they were built")
        given = with_papers(bundle, found, signature, measurements)
        record, code, words = _signatures(found, given, replace(asked, keys=()) if behaviour_only else asked), 0, ""
        if not signature_only:
            ran, code, words = _behaviour(found, evaluation, samples, emulate, not no_bench, sustained)
            record = {**ran, **record}
        if not behaviour_only and code == 0:
            refuse_weak(found, given, asked, [record])
    if out:
        with environment_errors(f"write {out}"):
            write_file(out, json_bytes(record))
    _tell(record, found.facts["budgets"], code, words)
    return code


def _signatures(found: OpenBundle, given: Papers, policy: Policy) -> dict[str, Json]:
    """Return the record of who signed the bundle, as far as the policy asks. Raises Failure as ``admission.signatures_of``."""
    from edgec.store.admission import signatures_of

    if not policy.keys:
        if given.signature is not None:
            output().say(f"{given.signature_name} is there and not checked: no key is named")
        return {}
    signed = signatures_of(found, given, policy)
    for signer in signed:
        output().say(f"signed by {signer.name} ({signer.kind}, {signer.keyid[:12]})")
    if given.measurements is None:
        output().say(f"{given.measurements_name} is not there; the signature covers it too")
    identity = {key: found.facts[key] for key in ("name", "version", "target")}
    signatures = [{"keyid": signer.keyid, "kind": signer.kind, "key": signer.name} for signer in signed]
    return {**identity, "bundle_sha256": found.digest, "signatures": signatures}


def _behaviour(
    found: OpenBundle, evaluation: Path | None, samples: int | None, emulate: bool, bench: bool, sustained: bool
) -> tuple[dict[str, Json], int, str]:
    """Return the record, the exit code and the words of the bundle's own verification, run here."""
    from edgec.runtime.emulate import place_for
    from edgec.runtime.verification import evenly, labelled, self_test, target_of, top1

    kind = kind_of(found.facts)
    if not kind.RUNNER:
        if evaluation:
            raise click.UsageError(f"--evaluation needs a bundle that runs here; this one is for {found.facts['target']}")
        return _unrun(found, kind), 0, ""
    task = found.facts["task"]
    if evaluation and (task["name"] != "classification" or not task["labels"]):
        raise click.UsageError(f"--evaluation needs a bundle that classifies; this one's task is {task['name']}")
    images = evenly(labelled(task["labels"], evaluation), samples) if evaluation else []
    with place_for(target_of(found.facts), emulate) as place:
        output().say(f"running its verify.sh, evidence {place.evidence}")
        result = self_test(found, place, bench=bench, sustained=sustained)
        record, code = result.record, result.exit_code
        if evaluation and images and code in (0, 5):
            budgets = found.facts["budgets"]
            record = judged(record, budgets, top1(found, place, images, evaluation, slices(budgets)))
            if any(verdict["status"] == "missed" for verdict in record["verdicts"]):
                code = 5
    return record, code, result.words


def kind_of(facts: Json) -> Any:
    """Return the kind of a bundle; those built before there were several do not name theirs.

    Raises Failure ``bundle-broken`` for a kind that this edgec does not know.
    """
    from edgec.registry import KINDS, bundle_kind

    name = facts.get("kind", "linux-native")
    if name not in KINDS:
        message = f"bundle.json names the kind {name!r}; known are {', '.join(KINDS)}"
        raise Failure(Diagnostic(code="bundle-broken", message=message, hint="verify it with the edgec that built it"))
    return bundle_kind(name)


def _unrun(found: OpenBundle, kind: Any) -> dict[str, Json]:
    """Check a bundle that does not run here against its own records, and return what was checked and what was not run."""
    from edgec.runtime.verification import unrun

    record = unrun(found, kind.UNRUN)  # first: it holds the names in bundle.json, which a kind opens, against the digests
    if problems := kind.check(found.folder, found.facts):
        raise Failure(*problems)
    return record


def slices(budgets: Json) -> list[Json]:
    """Return the slices of the evaluation data that a least top-1 is asked on."""
    return [budget["slice"] for budget in budgets if "slice" in budget and _is_ours(budget)]


def judged(record: dict[str, Json], budgets: Json, found: dict[str, Json]) -> dict[str, Json]:
    """Return ``record`` with ``evaluation`` and, where there are budgets for it, their verdicts: on the whole and on slices."""
    mine = [budget for budget in budgets if _is_ours(budget)]
    names = {budget["name"] for budget in mine}
    others = [verdict for verdict in record.get("verdicts", []) if verdict["budget"] not in names]
    parts = {(part["by"], part["name"]): part for part in found.get("slices", [])}

    def of(budget: Json) -> Json:
        return parts[budget["slice"]["by"], budget["slice"]["name"]] if "slice" in budget else found

    verdicts = [_verdict(budget, of(budget), found["evidence"]) for budget in mine]
    return {**record, "evaluation": found, "verdicts": [*verdicts, *others]}


def _is_ours(budget: Json) -> bool:
    return bool(budget["name"].partition("[")[0] == "accuracy.top1.min")


def _verdict(budget: Json, found: Json, evidence: str) -> dict[str, Json]:
    enough = found["samples"] >= FEWEST_SAMPLES
    status = ("met" if found["accuracy"] >= budget["limit"] else "missed") if enough else "inconclusive"
    figure = {"value": found["accuracy"], "unit": "share", "evidence": evidence, "samples": found["samples"]}
    return {"budget": budget["name"], "status": status, "limit": budget["limit"], **figure}


def _tell(record: dict[str, Json], budgets: Json, code: int, words: str) -> None:
    diagnostics = _diagnostics(record, code, words)
    out = output()
    if out.format == "json":
        from edgec.output import json

        out.data(json.render(diagnostics, {}, code, **record))
        return
    from edgec.output.verification import human

    out.data(human(record, budgets, out.colour(sys.stdout)))
    out.findings(diagnostics, {})


def _diagnostics(record: dict[str, Json], code: int, words: str) -> list[Diagnostic]:
    if code == 0:
        return []
    if code == 5:
        missed = [verdict["budget"] for verdict in record.get("verdicts", []) if verdict["status"] == "missed"]
        return [Diagnostic(code="budget-missed", message=f"missed here: {', '.join(missed)}")]
    return [Diagnostic(code="verification-failed", message=words or f"verify.sh ended with exit code {code}")]
