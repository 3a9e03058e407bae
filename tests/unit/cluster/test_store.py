"""The shared folder of a cluster: what a machine that was killed left in it."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from edgec.cluster.store import SharedStore


def test_what_killed_machines_left_goes_after_a_day(tmp_path: Path) -> None:
    blobs = tmp_path / "store" / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    ages = {f".{'a' * 12}-killed": 90000, f".{'b' * 12}-written_to": 80000, ".nfs0000-of-others": 90000, "c" * 64: 90000}
    for name, age in ages.items():
        (blobs / name).write_text("")
        os.utime(blobs / name, (time.time() - age,) * 2)
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        digests.append(hashlib.sha256(name.encode()).hexdigest())
        SharedStore(folder=tmp_path / "store").put(tmp_path / name, digests[-1])
    assert {path.name for path in blobs.iterdir()} == {*list(ages)[1:], *digests}
