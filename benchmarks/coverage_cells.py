"""The cells of one model of the coverage sweep, through edgec's own front end and jobs: JSON in, one JSON line a recipe out."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from pathlib import Path
from typing import Any

CALIBRATION, EVALUATION = 32, 24
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

Record = dict[str, Any]


def manifest(row: dict[str, Any], recipe: str) -> dict[str, Any]:
    """Return the manifest that a user would write for this cell."""
    size, model = row["size"], {key: row[key] for key in ("source", "name", "arguments")}
    return {
        "apiVersion": "edgec/v1",
        "name": "coverage",
        "version": "1.0.0",
        "model": {**model, "weights": {"random": 0}},
        "inputs": [{"name": "image", "image": {"width": size, "height": size, "mean": MEAN, "std": STD}}],
        "task": "tensor",
        "data": {role: {"format": "npz", "path": f"{role}.npz"} for role in ("calibration", "evaluation")},
        "quantization": recipe,
        "targets": ["linux-x86_64"],
    }


def write_data(folder: Path, size: int) -> None:
    """Write crops of scikit-learn's two photographs, of many places and scales, as calibration and evaluation data."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_sample_images

    generator = np.random.Generator(np.random.PCG64(0))
    photographs = [Image.fromarray(image) for image in load_sample_images().images]

    def crop() -> Any:
        photograph = photographs[generator.integers(len(photographs))]
        side = int(generator.integers(64, min(photograph.size) + 1))
        left, top = (int(generator.integers(0, extent - side + 1)) for extent in photograph.size)
        box = (left, top, left + side, top + side)
        return np.asarray(photograph.resize((size, size), Image.Resampling.BILINEAR, box=box))

    for role, count in (("calibration", CALIBRATION), ("evaluation", EVALUATION)):
        np.savez(folder / f"{role}.npz", image=np.stack([crop() for _ in range(count)]).astype("float32"))


def cells(row: dict[str, Any], recipes: Sequence[str], limit: float) -> Iterator[Record]:
    """Yield the record of each recipe: what was built within ``limit`` seconds, or the diagnostic that says why not.

    The model is opened once for all of them; what that takes is part of the first one's seconds.
    """
    import yaml

    from edgec.artifacts.settings import Settings
    from edgec.pipeline import front, planned
    from edgec.shared_job import SharedJob
    from edgec.versions import source_digest

    with tempfile.TemporaryDirectory(prefix="edgec-coverage-") as name:
        folder = Path(name).resolve()
        write_data(folder, row["size"])
        for recipe in recipes:
            text = yaml.safe_dump(manifest(row, recipe), sort_keys=False)
            (folder / f"{recipe}.yaml").write_text(text, encoding="utf-8")
        work, failed = planned([front(folder / f"{recipe}.yaml", folder) for recipe in recipes], Settings())
        assert not failed, failed
        plans, project = [plan for plan, _ in work], work[0][1]
        known = {"source": row["source"], "name": row["name"], "size": row["size"], "edgec": source_digest()[:12]}
        start = time.monotonic()
        opened: list[Any] = []

        def say(line: str) -> None:
            print(line, file=sys.stderr)

        def opening() -> Record:
            with_limit(limit, lambda stop: opened.append(SharedJob(plans, project, say, stop)))
            return {}

        refused = told(opening, limit)
        if refused:
            seconds = round(time.monotonic() - start, 1)
            yield from ({**known, "recipe": recipe, **refused, "seconds": seconds} for recipe in recipes)
            return
        with closing(opened[0]) as shared:
            for recipe, plan in zip(recipes, plans, strict=True):
                place = folder / f"job-{recipe}"

                def lowering(plan: Any = plan, place: Path = place) -> Record:
                    return figures(with_limit(limit, lambda stop: shared.lower(plan, project, place, say, stop)))

                record = {**known, "recipe": recipe, **told(lowering, limit)}
                yield {**record, "seconds": round(time.monotonic() - start, 1)}
                start = time.monotonic()


def with_limit(limit: float, work: Callable[[threading.Event], Any]) -> Any:
    """Return what ``work`` does, given an event that is set when ``limit`` seconds are over."""
    stop = threading.Event()
    timer = threading.Timer(limit, stop.set)
    timer.start()
    try:
        return work(stop)
    finally:
        timer.cancel()


def told(work: Callable[[], Record], limit: float) -> Record:
    """Return the record of ``work``, or of what it raised."""
    from edgec.diagnostics import Failure

    try:
        return work()
    except CancelledError:
        return {"status": "time", "message": f"not done after {limit:g} s"}
    except Failure as failure:
        errors = [item for item in failure.diagnostics if item.severity == "error"]
        return {"status": "failed", "code": errors[0].code, "message": errors[0].message, "hint": errors[0].hint}
    # What is no Failure is edgec's bug, and the sweep is there to find those.
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return {"status": "bug", "message": lines[-1], "traceback": f"{traceback.format_exc()}"[-3000:]}


def figures(found: Any) -> Record:
    """Return what the table shows of a Lowered, and what explains it."""
    from edgec.sources.untrained import QUIET

    whole = found.boundaries[-1]  # eager fp32 against the artifact over the evaluation data
    return {
        "status": "built",
        "quiet": QUIET,
        "pte_bytes": found.pte_bytes,
        "delegation": round(found.delegation, 4),
        "left": {item.name: item.left for item in found.operators if item.left},
        "sqnr": round(whole.sqnr, 1),
        "max_relative_error": float(f"{whole.max_relative_error:.3g}"),
        "resolved": {key: text for key, text in found.resolved.items() if key != "compared on"},
    }


if __name__ == "__main__":
    request = json.load(sys.stdin)
    for record in cells(request["row"], request["recipes"], request["limit"]):
        print(json.dumps(record), flush=True)
