"""What a search that found nothing leaves behind: the artifact and the figures of every candidate of the Pareto front."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from edgec.artifacts.bundle import File
from edgec.artifacts.records import json_bytes
from edgec.artifacts.search import Searched, search_record
from edgec.artifacts.signed import bundle_name
from edgec.store.atomic import environment_errors, exchange, sync_tree, write_tree

SCHEMA = "edgec/front/v1"


def write_front(searched: Searched, out: Path) -> Path:
    """Write ``out``/rejected/NAME-VERSION-TARGET.front/, replacing an older one whole, and return it.

    It holds ``search.json`` and, for each candidate of the front, a folder with its model.pte.
    Raises Failure ``disk-full`` or ``not-writable``.
    """
    plan = searched.trials[0].plan
    final = out / "rejected" / f"{bundle_name(plan.name, plan.version, plan.target.name)}.front"
    record = search_record(searched)
    folders = {searched.trials[index].label: folder_name(searched, index) for index in searched.front}
    files = {"search.json": File(content=json_bytes({"schema": SCHEMA, **record, "artifacts": folders}))}
    for index in searched.front:
        folder = searched.trials[index].folder
        assert folder is not None, "what is on the front was lowered"
        files[f"{folder_name(searched, index)}/model.pte"] = File(content=folder / "model.pte")
    with environment_errors(f"write what is feasible into {final}"):
        final.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".edgec-front-", dir=final.parent))
        try:
            write_tree(staging / "front", files)
            sync_tree(staging / "front")
            exchange(staging / "front", final)
        finally:
            shutil.rmtree(staging)
    return final


def folder_name(searched: Searched, index: int) -> str:
    """Return the folder of one candidate: its number and its label, in characters that every file system takes."""
    words = re.sub(r"[^a-z0-9.]+", "-", searched.trials[index].label.lower()).strip("-")
    return f"{index + 1}-{words}"[:100]
