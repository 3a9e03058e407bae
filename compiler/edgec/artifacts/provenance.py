"""The in-toto statement of a bundle: which files it holds, and what made them (SLSA provenance v1)."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import PurePath

import edgec
from edgec.artifacts.bundle import Runner
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.plan import Plan

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:edgec:build:v1"


def statement(plan: Plan, lowered: Lowered, runner: Runner | None, digests: Mapping[str, str]) -> dict[str, Json]:
    """Return the statement over ``digests`` (path in the bundle to sha256); it holds no time and no invocation id.

    Input files are named relative to the manifest, so that the project's place and its root leave no trace.
    """
    inputs = _relative({**plan.files, **plan.target_files}, plan.folder)
    inputs[PurePath(plan.manifest).name] = plan.manifest_sha256
    files = [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(inputs.items())]
    if lowered.weights_file_sha256 and lowered.weights_file_sha256 not in inputs.values():
        files.append({"name": "weights", "digest": {"sha256": lowered.weights_file_sha256}})
    files.append({"name": "weights as lowered, all tensors", "digest": {"tensorsSha256": lowered.weights_sha256}})
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(digests.items())],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "manifest": PurePath(plan.manifest).name,
                    "name": plan.name,
                    "version": plan.version,
                    "target": plan.target.name,
                },
                "internalParameters": {
                    "recipe": lowered.recipe,
                    "options": dict(sorted(plan.recipe.options.items())),
                    "delegates": [choice.name for choice in plan.delegates],
                    "resolved": dict(sorted(lowered.resolved.items())),
                    "threads": plan.threads,
                    "toolchain": dict(sorted(runner.toolchain.items())) if runner else {},
                },
                "resolvedDependencies": files + _packages(lowered),
            },
            "runDetails": {"builder": {"id": "urn:edgec:builder", "version": {"edgec": edgec.__version__}}},
        },
    }


def _relative(files: Mapping[str, str], start: str) -> dict[str, str]:
    """Return the digests by their files' paths from ``start``, each folder's looked for once: data are a thousand files."""
    folders = {folder: posixpath.relpath(folder or ".", start) + "/" for folder in {name.rpartition("/")[0] for name in files}}
    found = {}
    for name, digest in files.items():
        folder, _, base = name.rpartition("/")
        found[(folders[folder] + base).removeprefix("./")] = digest
    return found


def _packages(lowered: Lowered) -> list[Json]:
    """Return the Python packages that lowered the model, by package URL."""
    return [
        {"name": name, "uri": f"pkg:pypi/{name}@{version.replace('+', '%2B')}"}
        for name, version in sorted(lowered.versions.items())
        if name not in ("edgec", "python")
    ]
