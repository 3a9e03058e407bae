"""Whether a bundle is one that a policy lets in: its signatures, its evidence, its version; `verify` and `pull` ask here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgec.artifacts.document import Json
from edgec.artifacts.evidence import RANKS, strength
from edgec.artifacts.policy import Policy
from edgec.artifacts.semver import precedence
from edgec.artifacts.signed import Papers, Signer
from edgec.diagnostics import Diagnostic, Failure
from edgec.store.bundles import OpenBundle
from edgec.store.figures import parse_figures
from edgec.store.keys import PublicKey, public_key
from edgec.store.policy import invalid
from edgec.store.signatures import mismatches, signers

Records = Sequence[Mapping[str, Json]]


def admitted(bundle: OpenBundle, given: Papers, policy: Policy, records: Records = ()) -> tuple[Signer, ...]:
    """Return who signed a checked bundle, once everything that ``policy`` asks of it holds; nothing is run.

    ``records`` are results of verifications of the same bundle, whose evidence counts too. Raises Failure as
    ``signatures_of`` and ``refuse_weak`` do.
    """
    found = signatures_of(bundle, given, policy) if policy.keys else ()
    refuse_weak(bundle, given, policy, records)
    return found


def signatures_of(bundle: OpenBundle, given: Papers, policy: Policy) -> tuple[Signer, ...]:
    """Return who signed the bundle and its measurements.

    Raises Failure ``policy-invalid``, ``key-invalid``, ``signature-missing``, ``signature-invalid``,
    ``signature-untrusted`` or ``signature-mismatch``.
    """
    found, payload = signers(given.signature, given.signature_name, trusted(policy), policy.needed)
    problems = mismatches(payload, bundle, given)
    if problems:
        raise Failure(*problems)
    return found


def trusted(policy: Policy) -> tuple[PublicKey, ...]:
    """Return the policy's keys, each once. Raises Failure ``key-invalid``, or ``policy-invalid`` for one that is not there."""
    found: dict[str, PublicKey] = {}
    for path in policy.keys:
        try:
            key = public_key(path.read_bytes(), path.name)
        except OSError as error:
            raise invalid(policy.file or path, f"the key {path} cannot be read: {error.strerror}") from None
        except ValueError as error:  # a NUL in its name
            raise invalid(policy.file or path, f"the key {str(path)!r} cannot be read: {error}") from None
        found.setdefault(key.keyid, key)
    if len(found) < policy.needed:
        why = f"'needed' of [signatures] asks for {policy.needed} keys, and there are {len(found)} different ones"
        raise invalid(policy.file or Path("edgec.toml"), why)
    return tuple(found.values())


def refuse_weak(bundle: OpenBundle, given: Papers, policy: Policy, records: Records = ()) -> None:
    """Raise Failure ``evidence-weak`` for each budget that is not met by evidence as strong as ``policy`` asks of its kind.

    Also raises ``digest-mismatch`` or ``bundle-broken`` for measurements that are of another bundle, or none.
    """
    if not policy.evidence:
        return
    best = {verdict["budget"]: verdict for verdict in bundle.facts["verdicts"]}
    for record in (*_measurements(bundle, given), *records):
        for verdict in record.get("verdicts", []):
            if strength(verdict) > strength(best.get(verdict["budget"])):
                best[verdict["budget"]] = verdict
    asked = [(budget, best.get(budget["name"]), policy.evidence.get(budget["kind"])) for budget in bundle.facts["budgets"]]
    problems = [_weak(budget, verdict, least) for budget, verdict, least in asked if least and not _enough(verdict, least)]
    if problems:
        raise Failure(*problems)


def _measurements(bundle: OpenBundle, given: Papers) -> Iterable[dict[str, Json]]:
    if given.measurements is None:
        return
    record = parse_figures(given.measurements, given.measurements_name)
    if record["bundle_sha256"] != bundle.digest:
        message = f"{given.measurements_name} was measured on the bundle {record['bundle_sha256']}, this one is {bundle.digest}"
        raise Failure(Diagnostic(code="digest-mismatch", message=message))
    yield record


def _enough(verdict: Mapping[str, Json] | None, asked: str) -> bool:
    return verdict is not None and verdict["status"] == "met" and RANKS.index(verdict["evidence"]) >= RANKS.index(asked)


def _weak(budget: Json, verdict: Mapping[str, Json] | None, asked: str) -> Diagnostic:
    evidence = verdict["evidence"] if verdict else "none"
    status = verdict["status"] if verdict else "not judged"
    message = f"the policy asks for evidence {asked!r} of {budget['kind']}, and {budget['name']} is {status} with {evidence!r}"
    hint = "verify the bundle where that evidence comes from, and sign or merge what it measures"
    return Diagnostic(code="evidence-weak", message=message, hint=hint if status != "missed" else None)


def downgrade(name: str, version: str, known: Iterable[str], policy: Policy) -> Diagnostic | None:
    """Return the ``version-downgrade`` of a policy that refuses a version below the newest of ``known`` ones, or None."""
    newest = max(known, key=precedence, default=version)
    if policy.downgrade or precedence(version) >= precedence(newest):
        return None
    message = f"{name} {version} is older than {newest}, and the policy lets versions only go up"
    return Diagnostic(code="version-downgrade", message=message, hint="pass --allow-downgrade to go back on purpose")
