"""All that a stage reads, part by part and by name: what its key digests, and what is told when the key is another."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import edgec
from edgec.artifacts.benched import SHORT_LOAD
from edgec.artifacts.codec import to_json
from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Budget, Choice
from edgec.artifacts.plan import Plan
from edgec.registry import plugin
from edgec.runtime.extras import distribution
from edgec.runtime.host import cpu_name
from edgec.versions import installed, runner_digest, source_digest, templates_digest

LOWERING_PACKAGES = ("torch", "torchvision", "torchao", "executorch", "numpy", "pillow", "safetensors")
RENDERING_PACKAGES = ("jinja2", "cyclonedx-python-lib", "ziglang")
Parts = Mapping[str, Json]

_json = json.JSONEncoder(sort_keys=True, allow_nan=False).encode
"""Made once: ``json.dumps`` makes one for each of a data set's thousand files, in fifteen times their own time."""


def lowering_parts(plan: Plan) -> dict[str, Json]:
    """Return, by name, everything that the lowering job reads: plan fields, input files, edgec's code, package versions."""
    return {
        **reference_parts(plan),
        **_choice("quantization", plan.recipe),
        "delegate": [to_json(item) for item in plan.delegates],
        **{f"package {name}": version for name, version in _delegate_packages(plan).items()},
        # What the recipe auto looks at beside the model.
        "target's hardware": [plan.target.architecture, *plan.target.features] if plan.recipe.name == "auto" else [],
        "budgets.accuracy": _limits(plan) if plan.budgets_decide else [],
    }


def reference_parts(plan: Plan) -> dict[str, Json]:
    """Return all that eager's answers to the data depend on: what a lowering reads, less recipe and delegates."""
    around = conditions(plan)
    return {
        "folder": plan.folder,
        **_choice("model", plan.model, "source"),
        **{f"inputs.{item.name}": to_json(item) for item in plan.inputs},
        "inputs": [item.name for item in plan.inputs],
        **_choice("task", plan.task),
        "labels": list(plan.labels),
        "data": [data.role for data in plan.data],
        **{key: part for data in plan.data for key, part in _data(data.role, data.format, data.options).items()},
        **{f"file {name}": digest for name, digest in plan.files.items()},
        "edgec's code": around["edgec"],
        **{f"package {name}": version for name, version in around["packages"].items()},
        "processor": around["platform"][:2],
        "python": around["platform"][2],
    }


def conditions(plan: Plan) -> dict[str, Json]:
    """Return what a lowering depends on beside its plan and files, and where it may run: edgec's code, packages, platform."""
    return {
        "edgec": source_digest(),
        "packages": _packages(plugin("sources", plan.model.name)),
        "platform": [platform.system(), cpu_name(), platform.python_version()],
    }


def bundle_parts(plans: Sequence[Plan], strict: bool, baseline: bool, sustained: bool = False) -> dict[str, Json]:
    """Return, by name, everything that a bundle is made from beside its runner; ``plans`` are one target's candidates."""
    plan = plans[0]
    search = replace(plan.search, route=()) if plan.search else None
    return {
        "candidates": [[item.label, item.lowering_key] for item in plans],
        "name": plan.name,
        "version": plan.version,
        "description": plan.description,
        "manifest": PurePath(plan.manifest).name,
        "manifest's text": plan.manifest_sha256,
        "target": plan.target.name,
        **{f"target's {name}": part for name, part in to_json(plan.target).items()},
        **{f"file {name}": found for name, found in plan.target_files.items()},
        "threads": plan.threads,
        **{f"budgets.{budget.name}": _limit(budget) for budget in plan.budgets},
        "search": to_json(search),
        "release": plan.release,
        "--strict": strict,
        "--baseline": baseline,
        "--sustained": sustained and any(budget.after > SHORT_LOAD for budget in plan.budgets),
        "edgec": edgec.__version__,
        "edgec's templates": templates_digest(),
        "runner's sources": runner_digest() if plan.target.kind in ("linux-source", "microcontroller") else "",
        **{f"package {name}": installed().get(name, "absent") for name in RENDERING_PACKAGES},
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "processor's cores": os.cpu_count(),
    }


def digest(parts: Parts) -> str:
    """Return the sha256 of all parts: a key."""
    return hashlib.sha256(_json(parts).encode()).hexdigest()


def fingerprints(parts: Parts) -> dict[str, str]:
    """Return a short digest of each part: enough to tell later which of them is another."""
    return {name: hashlib.sha256(_json(part).encode()).hexdigest()[:16] for name, part in parts.items()}


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the parts that differ between two results of ``fingerprints``, new and gone ones said to be so."""
    names = dict.fromkeys((*after, *before))
    return tuple(
        name if name in before and name in after else f"{name} (new)" if name in after else f"{name} (gone)"
        for name in names
        if before.get(name) != after.get(name)
    )


def _choice(key: str, choice: Choice, kind: str = "name") -> dict[str, Json]:
    return {f"{key}.{kind}": choice.name, **{f"{key}.{name}": value for name, value in choice.options.items()}}


def _data(role: str, format: str, options: Mapping[str, Json]) -> dict[str, Json]:
    return {f"data.{role}.format": format, **{f"data.{role}.{name}": value for name, value in options.items()}}


def _limits(plan: Plan) -> list[Json]:
    return [_limit(replace(budget, text="")) for budget in plan.budgets if budget.kind == "accuracy"]


def _limit(budget: Budget) -> Json:
    """A budget without its place in the manifest, which changes nothing, and as it was written, which the report shows."""
    return to_json(replace(budget, route=()))


def _packages(source: Any) -> dict[str, str]:
    """Return the versions of what takes part in a lowering: every package installed, where the project's code may import it."""
    found = installed()
    if source.RUNS_CODE:
        return found
    return {name: found.get(name, "absent") for name in (*LOWERING_PACKAGES, *source.NEEDS)}


def _delegate_packages(plan: Plan) -> dict[str, str]:
    needs = {name for choice in plan.delegates for name in plugin("delegates", choice.name).NEEDS}
    return {name: installed().get(name, "absent") for name in sorted(map(distribution, needs))}
