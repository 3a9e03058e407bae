"""A checked bundle's own verification, run here: natively where this host is the target's kind, else emulated."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.artifacts.measured import Evidence
from edgec.artifacts.slices import within
from edgec.artifacts.target import Target
from edgec.diagnostics import Diagnostic, Failure, nearest
from edgec.store.bundles import OpenBundle
from edgec.targets.table import TARGETS

TIME_LIMIT_SECONDS = 3600
SECONDS_TO_END = 5
INTERRUPTED = 130
IMAGES = (".png", ".jpg", ".jpeg")
REFUSALS = {2: "verification-usage", 6: "tool-missing", 8: "not-writable"}
"""What verify.sh's other exit codes mean, where it leaves no result; the exit code stays the same."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """How a bundle's programs run here: under which command (none: natively), and for what evidence."""

    evidence: Evidence
    emulator: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What verify.sh said: its record (docs/bundle.md, ``--self-test``), its exit code, and its words."""

    record: dict[str, Json]
    exit_code: int
    words: str


def target_of(facts: Json) -> Target:
    """Return the target that a bundle.json names, from the table or, for one of the user's own, from its hardware."""
    if facts["target"] in TARGETS:
        return TARGETS[facts["target"]]
    hardware = facts["hardware"]
    return Target(
        name=facts["target"],
        summary="",
        architecture=hardware["architecture"],
        cpu=hardware["cpu"],
        cores=facts["threads"],
        threads=facts["threads"],
        memory=0,
        glibc=hardware["glibc"],
        features=tuple(hardware["features"]),
        delegates=(),
        kind=facts.get("kind", "linux-native"),
        qemu_cpu=hardware["qemu_cpu"],
        cpuinfo=tuple(hardware["cpuinfo"]) if hardware["cpuinfo"] else None,
        sources=(),
    )


def self_test(bundle: OpenBundle, place: Place, bench: bool, sustained: bool = False) -> Verification:
    """Run the bundle's verify.sh and return what it said; an emulated processor is never clocked.

    ``sustained`` measures budgets after any load, where the bundle's script knows how.

    Raises Failure where it said nothing that can be read, or did not end: with the code of REFUSALS for its exit code,
    else ``verification-failed``; KeyboardInterrupt where it was interrupted.
    """
    with tempfile.TemporaryDirectory(prefix="edgec-verify-") as scratch:
        out = Path(scratch) / "verify.json"
        command = ["/bin/sh", str(bundle.folder / "verify.sh"), "--out", str(out)]
        command += [] if bench and not place.emulator else ["--no-bench"]
        loads = [budget.get("after", 0.0) for budget in bundle.facts["budgets"]]
        sustained = sustained and any(loads) and not place.emulator  # the script of an older bundle knows no loads
        command += ["--sustained"] if sustained else []
        environment = {"EDGEC_EVIDENCE": place.evidence, **place.environment}
        if place.emulator:
            environment["EDGEC_EMULATOR"] = str(_wrapper(place, Path(scratch)))
        done = _run(command, environment, seconds=1.2 * max(loads, default=0.0) if sustained else 0.0)
        record = _record(out)
    words = done.stderr.decode(errors="replace").strip()
    if record is None:
        raise _refused(done.returncode, words)
    return Verification(record=record, exit_code=done.returncode, words=words)


def unrun(bundle: OpenBundle, parts: Sequence[str]) -> dict[str, Json]:
    """Return the record of a bundle that does not run on any build machine: its files are whole, and nothing was run.

    Verdicts that rest on the artifact or on the host stay as they were; every other budget is deferred to the device.
    """
    facts = bundle.facts
    _agree(bundle)
    known = {verdict["budget"]: verdict for verdict in facts["verdicts"]}
    return {
        "schema": "edgec/verification/v1",
        "name": facts["name"],
        "version": facts["version"],
        "target": facts["target"],
        "bundle_sha256": bundle.digest,
        "model_sha256": facts["model"]["sha256"],
        "evidence": "none",
        "status": "not-run",
        "checked": [f"{len(bundle.digests)} digests", "the files against bundle.json"],
        "not_run": list(parts),
        "bench": None,
        "verdicts": [known.get(budget["name"]) or _deferred(budget) for budget in facts["budgets"]],
    }


def _agree(bundle: OpenBundle) -> None:
    """Hold the artifact and the golden vectors against bundle.json. Raises Failure ``bundle-broken`` with what differs."""
    model, vectors = bundle.facts["model"], bundle.facts["golden"]["vectors"]
    wrong = [] if bundle.digests.get(model["file"]) == model["sha256"] else [model["file"]]
    wrong += [name for vector in vectors for name in (*vector["inputs"], *vector["outputs"]) if name not in bundle.digests]
    if wrong:
        raise Failure(*(Diagnostic(code="bundle-broken", message=f"{name} is not what bundle.json says") for name in wrong))


def _deferred(budget: Json) -> dict[str, Json]:
    return {"budget": budget["name"], "status": "deferred", "limit": budget["limit"], "value": None, "evidence": "none"}


def _refused(exit_code: int, words: str) -> BaseException:
    if exit_code == INTERRUPTED:
        return KeyboardInterrupt()
    message = f"verify.sh ended with exit code {exit_code} and left no result: {words or 'no message'}"
    return Failure(Diagnostic(code=REFUSALS.get(exit_code, "verification-failed"), message=message))


def classify(bundle: OpenBundle, place: Place, images: Sequence[Path]) -> list[Json]:
    """Run the bundle's runner on images and return its record of each, in order.

    Raises Failure ``verification-failed`` when the runner dies, and ``data-unreadable`` naming each bad image.
    """
    paths = "".join(f"{path.resolve()}\n" for path in images).encode()
    command = [*place.emulator, str(bundle.folder / "bin" / "edgec-run"), "--run", "-"]
    done = _run(command, dict(place.environment), paths)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    bad = [line for line in lines if "error" in line]
    if bad:
        messages = [f"{line['source']}: {line['error']}" for line in bad]
        raise Failure(*(Diagnostic(code="data-unreadable", message=message) for message in messages))
    if done.returncode or len(lines) != len(images):
        words = done.stderr.decode(errors="replace").strip()
        share = f"{len(lines)} of {len(images)} images"
        message = f"the runner ended with exit code {done.returncode} after {share}: {words}"
        raise Failure(Diagnostic(code="verification-failed", message=message))
    return lines


def labelled(labels: Sequence[str], folder: Path) -> list[tuple[Path, str]]:
    """Return every image below ``folder`` with the class that its subfolder names, sorted.

    Raises Failure ``data-labels`` where the folder's classes are not the labels, ``data-empty`` where there is no image.
    """
    unknown = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in labels)
    if unknown:
        raise Failure(*(_unknown(name, folder, labels) for name in unknown))
    found = [
        (path, label)
        for label in sorted(labels)
        for path in sorted((folder / label).rglob("*"))
        if path.is_file() and path.suffix.lower() in IMAGES
    ]
    if not found:
        message = f"{folder} has no PNG or JPEG image in a subfolder named like one of the labels"
        raise Failure(Diagnostic(code="data-empty", message=message))
    return found


def evenly(items: list[tuple[Path, str]], count: int | None) -> list[tuple[Path, str]]:
    """Return at most ``count`` of the items, evenly spaced; all of them for None."""
    if count is None or count >= len(items):
        return items
    return [items[position * len(items) // count] for position in range(count)]


def top1(
    bundle: OpenBundle, place: Place, chosen: Sequence[tuple[Path, str]], folder: Path, slices: Sequence[Json] = ()
) -> dict[str, Json]:
    """Return the share of the labelled images that the bundle's runner names rightly, as a record. Raises as classify.

    ``folder`` is the data set's; the record's ``slices`` tell the same of each of ``slices`` (bundle.json's, of budgets).
    """
    lines = classify(bundle, place, [path for path, _ in chosen])
    right = [line["label"] == label for line, (_, label) in zip(lines, chosen, strict=True)]
    parts = [{**part, **_share([hit for hit, image in zip(right, chosen, strict=True) if _holds(part, image, folder)])}
             for part in slices]  # fmt: skip
    record = {"metric": "top1", **_share(right), "evidence": place.evidence}
    return {**record, "slices": parts} if parts else record


def _share(right: Sequence[bool]) -> dict[str, Json]:
    """Accuracy is null where there is no image."""
    return {"accuracy": sum(right) / len(right) if right else None, "correct": sum(right), "samples": len(right)}


def _holds(part: Json, image: tuple[Path, str], folder: Path) -> bool:
    path, label = image
    return part["name"] == label if part["by"] == "class" else within(part["name"], path.relative_to(folder).as_posix())


def _unknown(name: str, folder: Path, labels: Sequence[str]) -> Diagnostic:
    close = nearest(name, labels)
    message = f"the subfolder {name!r} of {folder} is not one of the bundle's labels"
    return Diagnostic(code="data-labels", message=message, hint=f"did you mean {close!r}?" if close else None)


def _wrapper(place: Place, scratch: Path) -> Path:
    """Write the emulator's command as a script: verify.sh splits its variable at blanks, which a path may hold."""
    script = scratch / "emulator"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(place.emulator)} "$@"\n')
    script.chmod(0o700)
    return script


def _run(
    command: list[str], environment: dict[str, str], stdin: bytes = b"", seconds: float = 0.0
) -> subprocess.CompletedProcess[bytes]:
    """Run a command for TIME_LIMIT_SECONDS and ``seconds`` more at most.

    It shares this process's group, so that whoever ends that ends it. Left early it is asked to end, as verify.sh passes on to
    the runner, and ended if it does not.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, **environment}) as process:
        try:
            out, said = process.communicate(stdin, timeout=TIME_LIMIT_SECONDS + seconds)
        except BaseException as error:
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            message = f"{Path(command[0]).name} did not end within {TIME_LIMIT_SECONDS + seconds:g} s"
            raise Failure(Diagnostic(code="verification-failed", message=message)) from None
    return subprocess.CompletedProcess(command, process.returncode, out, said)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()


def _record(path: Path) -> dict[str, Json] | None:
    try:
        record = json.loads(path.read_bytes()) if path.is_file() else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
