"""Profiles of models in the cache: kept by every build, counted on demand, and what plans come to with them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgec.artifacts.codec import to_json
from edgec.artifacts.plan import Plan
from edgec.artifacts.profile import Profile
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure
from edgec.stages.plan import reference_key, untrusted
from edgec.stages.predict import Prediction, impossible, predict
from edgec.store.cache import Cache

KIND, FILE = "profile", "profile.json"


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What is known of each plan before it is built, None where nothing is; ``refused`` is what cannot be.

    ``hopeless`` are the goals (Plan.goal) that no candidate can come to.
    """

    profiles: tuple[Profile | None, ...]
    predictions: tuple[Prediction | None, ...]
    refused: tuple[Diagnostic, ...]
    hopeless: frozenset[tuple[str, str]]


def keep(plan: Plan, profile: Profile, cache: Cache) -> None:
    """Put a model's profile into the cache, where it is not there yet."""
    key = reference_key(plan)
    if cache.peek(KIND, key, FILE) is None:
        with tempfile.TemporaryDirectory(prefix="edgec-profile-") as name:
            (Path(name) / FILE).write_text(json.dumps(to_json(profile), sort_keys=True), encoding="utf-8")
            cache.write(KIND, key, Path(name))


def known(plan: Plan, cache: Cache) -> Profile | None:
    """Return the profile of the plan's model from an earlier build of the same inputs, or from ``count``."""
    found = cache.peek(KIND, reference_key(plan), FILE)
    return Profile(**json.loads(found)) if found else None


def count(
    work: Sequence[tuple[Plan, Project]], policy: Path | None, cache: Cache, say: Callable[[str], None]
) -> Mapping[str, tuple[Diagnostic, ...]]:
    """Have a child process count what is not known yet, each model once; return what went wrong, by ``reference_key``."""
    wrong: dict[str, tuple[Diagnostic, ...]] = {}
    tried: set[str] = set()
    for plan, project in work:
        key = reference_key(plan)
        if key in tried or known(plan, cache):
            continue
        tried.add(key)
        say(f"{plan.name}: counting what the model computes")
        try:
            if refusal := untrusted(plan, project, policy):
                raise Failure(refusal)
            with tempfile.TemporaryDirectory(prefix="edgec-profile-") as name:
                from edgec import job

                keep(plan, job.profile(plan, project, Path(name)), cache)
        except Failure as failure:
            wrong[key] = failure.diagnostics
    return wrong


def foreseen(plans: Sequence[Plan], cache: Cache | None) -> Foreseen:
    """Return what is known of the plans, and errors for what cannot be.

    Of a search's candidates those that can be remain: it is refused when every one of them is impossible.
    """
    profiles = tuple(known(plan, cache) if cache else None for plan in plans)
    pairs = list(zip(plans, profiles, strict=True))
    predictions = tuple(predict(plan, profile) if profile else None for plan, profile in pairs)
    found = [
        impossible(plan, profile, prediction) if profile and prediction else ()
        for (plan, profile), prediction in zip(pairs, predictions, strict=True)
    ]
    hopeful = {plan.goal for plan, wrong in zip(plans, found, strict=True) if not wrong}
    hopeless = frozenset(plan.goal for plan in plans if plan.goal not in hopeful)
    refused = [item for plan, wrong in zip(plans, found, strict=True) if plan.goal in hopeless for item in wrong]
    return Foreseen(
        profiles=profiles, predictions=predictions, refused=tuple(dict.fromkeys(refused)), hopeless=hopeless
    )
