"""One device of a manifest: a row of the table with what the manifest and its target files say is different."""

from __future__ import annotations

from dataclasses import replace

from edgec.artifacts.manifest import TargetChoice
from edgec.artifacts.target import Target
from edgec.targets.cpus import CPUS, with_cpu
from edgec.targets.table import TARGETS


def device(choice: TargetChoice) -> Target | None:
    """Return the hardware that ``choice`` means; None where its base or its CPU is not known.

    With another number of cores, all of them run inferences, unless the choice says how many threads. What a cache holds,
    and at what clock it runs where the choice does not say, is not known of another CPU than the base's.
    """
    row = TARGETS.get(choice.base)
    if row is None or (choice.cpu and choice.cpu not in CPUS):
        return None
    if choice.cpu:
        if choice.cpu != row.cpu:
            row = replace(row, cache=0, clock=0.0)
        row = with_cpu(row, CPUS[choice.cpu])
    return replace(
        row,
        name=choice.name,
        memory=choice.memory or row.memory,
        flash=choice.flash or row.flash,
        cores=choice.cores or row.cores,
        threads=choice.cores or row.threads,
        clock=choice.clock or row.clock,
        bandwidth=choice.bandwidth or row.bandwidth,
        glibc=choice.glibc or row.glibc,
    )
