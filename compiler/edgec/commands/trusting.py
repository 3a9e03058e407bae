"""What `verify` and `pull` share about trust: their options, and the policy that these make of the repo's file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from edgec.artifacts.policy import Policy
from edgec.artifacts.signed import Papers
from edgec.store.bundles import OpenBundle
from edgec.store.policy import read_policy
from edgec.store.trust import default_policy

Function = TypeVar("Function", bound=Callable[..., Any])


def trust_options(function: Function) -> Function:
    """Add ``--key`` (``keys``) and ``--policy`` to a command."""
    file = click.Path(path_type=Path, exists=True, dir_okay=False)
    for option in (
        click.option("--policy", type=file, help="Use this edgec.toml instead of the repo's."),
        click.option("--key", "keys", type=file, multiple=True, help="Trust this public key (PEM) instead of the policy's."),
    ):
        function = option(function)
    return function


def policy_of(keys: Sequence[Path], file: Path | None) -> Policy:
    """Return the policy in ``file``, else the repo's around the current folder, else none; ``keys`` replace its keys.

    Raises Failure ``policy-invalid``.
    """
    from edgec.stages.discover import project_of

    file = file or default_policy(project_of(Path("edgec.toml")))
    policy = read_policy(file) if file else Policy()
    return replace(policy, keys=tuple(keys), needed=1) if keys else policy


def with_papers(path: Path, bundle: OpenBundle, signature: Path | None, measurements: Path | None) -> Papers:
    """Return what lies beside the bundle at ``path``, or where the user says. Raises Failure ``not-readable``."""
    from edgec.store.atomic import read_errors
    from edgec.store.signatures import beside, papers

    places = beside(path, bundle.facts)
    places = replace(places, signature=signature or places.signature, measurements=measurements or places.measurements)
    with read_errors(f"what lies beside {path}"):
        return papers(places)
