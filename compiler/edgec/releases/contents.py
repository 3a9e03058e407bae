"""What two bundles say of themselves goes in; the facts, inputs, parts, operators and verdicts that differ come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from edgec.artifacts.difference import Fact, Inputs, OperatorChange, PartChange, VerdictChange
from edgec.artifacts.measured import Status
from edgec.artifacts.release import OperatorCount, Release

Value = TypeVar("Value")
ORDER = {"met": 0, "deferred": 1, "inconclusive": 2, "missed": 3}
"""How bad a verdict is. A deferred one is no worse than it was where no clock ran at all."""


def both(old: Mapping[str, Value], new: Mapping[str, Value]) -> list[tuple[str, Value | None, Value | None]]:
    """Return name and value on each side of all that differs, the old side's names first."""
    names = dict.fromkeys((*old, *new))
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def identity(old: Release, new: Release) -> tuple[Fact, ...]:
    """Return what differs of who the two are and what they take and give."""
    return tuple(Fact(name=name, old=before, new=after) for name, before, after in both(_facts(old), _facts(new)))


def _facts(release: Release) -> dict[str, str]:
    labels = ", ".join(release.labels)
    return {
        "name": release.name,
        "version": release.version,
        "target": release.target,
        "task": release.task,
        "recipe": release.recipe,
        "delegates": ", ".join(release.delegates),
        "threads": str(release.threads),
        "for release": "yes" if release.release else f"no: {'; '.join(release.blockers)}",
        **release.signature,
        **({"labels": labels} if labels else {}),
        "bundle": release.digest,
        "model.pte": release.model_sha256,
    }


def tools(old: Release, new: Release) -> tuple[Fact, ...]:
    """Return packages, runtime libraries and parts of the toolchain of other versions."""
    return tuple(Fact(name=name, old=before, new=after) for name, before, after in both(old.tools, new.tools))


def inputs(old: Release, new: Release) -> Inputs:
    """Return the input files that differ, by name relative to the manifest."""
    changed = both(old.materials, new.materials)
    return Inputs(
        changed=tuple(name for name, before, after in changed if before is not None and after is not None),
        added=tuple(name for name, before, _ in changed if before is None),
        removed=tuple(name for name, _, after in changed if after is None),
    )


def parts(old: Release, new: Release) -> tuple[PartChange, ...]:
    """Return the parts whose bytes differ, in the order of the bundle's parts."""
    found = both(old.parts, new.parts)
    return tuple(PartChange(name=name, old=before, new=after) for name, before, after in found)


def operators(old: Release, new: Release) -> tuple[OperatorChange, ...]:
    """Return the operators of which there are more or fewer, or that run elsewhere; those outside a delegate first."""
    changes = [OperatorChange(name=name, old=before, new=after) for name, before, after in both(old.operators, new.operators)]
    return tuple(sorted(changes, key=lambda item: (-abs(left(item.new) - left(item.old)), item.name)))


def left(count: OperatorCount | None) -> int:
    """Return how many calls run outside the delegates; 0 where there is no such operator."""
    return count.left if count else 0


def verdicts(old: Release, new: Release) -> tuple[VerdictChange, ...]:
    """Return the budgets whose limit or verdict changed, those that came and those that went."""
    names = dict.fromkeys((*old.budgets, *new.budgets))
    found = [_verdict(name, old, new) for name in names]
    return tuple(item for item in found if (item.old_text, item.old_status) != (item.new_text, item.new_status))


def _verdict(name: str, old: Release, new: Release) -> VerdictChange:
    before, after = _status(name, old), _status(name, new)
    return VerdictChange(
        budget=name,
        old_text=old.budgets.get(name),
        old_status=before,
        new_text=new.budgets.get(name),
        new_status=after,
        worse=before is not None and (after is None or ORDER[after] > ORDER[before]),
    )


def _status(name: str, release: Release) -> Status | None:
    return release.verdicts.get(name, "deferred") if name in release.budgets else None
