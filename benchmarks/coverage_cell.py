"""One cell of the coverage sweep, through edgec's own front end and job: JSON row and recipe in, one JSON line out."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

CALIBRATION, EVALUATION = 32, 24
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


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


def lowered(row: dict[str, Any], recipe: str, folder: Path, limit: float) -> dict[str, Any]:
    """Build the cell and return its figures. Raises Failure; CancelledError when ``limit`` seconds are over."""
    import yaml

    from edgec import job
    from edgec.artifacts.settings import Settings
    from edgec.pipeline import front, planned

    write_data(folder, row["size"])
    path = folder / "coverage.yaml"
    path.write_text(yaml.safe_dump(manifest(row, recipe), sort_keys=False), encoding="utf-8")
    work, failed = planned([front(path, folder)], Settings())
    assert not failed, failed
    plan, project = work[0]
    stop = threading.Event()
    timer = threading.Timer(limit, stop.set)
    timer.start()
    try:
        found = job.run(plan, project, folder / "job", lambda line: print(line, file=sys.stderr), stop)
    finally:
        timer.cancel()
    whole = found.boundaries[-1]  # eager fp32 against the artifact over the evaluation data
    return {
        "status": "built",
        "pte_bytes": found.pte_bytes,
        "delegation": round(found.delegation, 4),
        "left": {item.name: [item.left, item.reason] for item in found.operators if item.left},
        "sqnr": round(whole.sqnr, 1),
        "max_relative_error": float(f"{whole.max_relative_error:.3g}"),
        "steps": {f"{item.before} to {item.after}": round(item.sqnr, 1) for item in found.boundaries},
        "recipe_used": found.recipe,
        "resolved": dict(found.resolved),
    }


def cell(row: dict[str, Any], recipe: str, limit: float) -> dict[str, Any]:
    """Return the record of one cell: what was built, or the diagnostic that says why not."""
    from edgec.diagnostics import Failure
    from edgec.stages.plan import source_digest

    record = {"source": row["source"], "name": row["name"], "recipe": recipe, "size": row["size"], "edgec": source_digest()}
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgec-coverage-") as name:
        try:
            record |= lowered(row, recipe, Path(name).resolve(), limit)
        except CancelledError:
            record |= {"status": "time", "message": f"not done after {limit:g} s"}
        except Failure as failure:
            errors = [item for item in failure.diagnostics if item.severity == "error"]
            record |= {"status": "failed", "code": errors[0].code, "message": errors[0].message, "hint": errors[0].hint}
        # What is no Failure is edgec's bug, and the sweep is there to find those.
        except Exception as error:
            told = str(error).strip().splitlines() or [type(error).__name__]
            record |= {"status": "bug", "message": told[-1], "traceback": f"{traceback.format_exc()}"[-6000:]}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {**record, "seconds": round(time.monotonic() - start, 1), "peak_bytes": peak}


if __name__ == "__main__":
    request = json.load(sys.stdin)
    print(json.dumps(cell(request["row"], request["recipe"], request["limit"])))
