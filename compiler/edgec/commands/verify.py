"""`edgec verify`: a bundle's own verification, run on this machine or under emulation."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from edgec.artifacts.document import Json
from edgec.commands.options import common, output
from edgec.diagnostics import Diagnostic
from edgec.stages.judge import FEWEST_SAMPLES


@click.command("verify", short_help="Run a bundle's own verification on this machine.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write the result here, as JSON.")
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also measure accuracy on this folder of images, one subfolder a class.",
)
@click.option("--samples", type=click.IntRange(1), help="Evaluate on at most this many of the images.")
@click.option("--no-bench", is_flag=True, help="Clock nothing.")
@common("human", "json")
def command(bundle: Path, out: Path | None, evaluation: Path | None, samples: int | None, no_bench: bool) -> int:
    """Check BUNDLE (a folder or a tarball): every digest, then its own verify.sh.

    Natively where this machine can run it (evidence: host), else under qemu with the target's CPU (evidence: emulated;
    no latency is judged then).
    """
    if samples and not evaluation:
        raise click.UsageError("--samples says how many images of --evaluation are used")
    from edgec.artifacts.records import json_bytes
    from edgec.runtime.emulate import place_for
    from edgec.runtime.verification import evenly, labelled, self_test, target_of, top1
    from edgec.store.atomic import environment_errors, write_file
    from edgec.store.bundles import opened

    with contextlib.ExitStack() as stack:
        found = stack.enter_context(opened(bundle))
        output().say(f"{bundle}: {len(found.digests)} files are as they were built")
        task = found.facts["task"]
        if evaluation and (task["name"] != "classification" or not task["labels"]):
            raise click.UsageError(f"--evaluation needs a bundle that classifies; this one's task is {task['name']}")
        images = evenly(labelled(task["labels"], evaluation), samples) if evaluation else []
        place = stack.enter_context(place_for(target_of(found.facts)))
        output().say(f"running its verify.sh, evidence {place.evidence}")
        result = self_test(found, place, bench=not no_bench)
        record, code = result.record, result.exit_code
        if evaluation and images and code in (0, 5):
            budgets = found.facts["budgets"]
            record = judged(record, budgets, top1(found, place, images, evaluation, slices(budgets)))
            if any(verdict["status"] == "missed" for verdict in record["verdicts"]):
                code = 5
    if out:
        with environment_errors(f"write {out}"):
            write_file(out, json_bytes(record))
    _tell(record, found.facts["budgets"], code, result.words)
    return code


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
