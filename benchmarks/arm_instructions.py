"""Arm instructions per inference of six networks, emulated, beside what three engines took for the same networks.

edgec's own runner and artifact, one thread, seeded random weights with batch-norm statistics estimated on seeded data,
a 224 x 224 input: instructions depend on shapes and types, not on what the weights are. OTHERS are an earlier
measurement with the same kind of count (millions; ExecuTorch 1.5.1's plain flow, onnxruntime 1.32, LiteRT 2.3).
"""

import argparse
import json
import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgec import job, pipeline
from edgec.artifacts.plan import Plan
from edgec.diagnostics import Failure
from edgec.runtime.instructions import instructions
from edgec.runtime.runner import runner_for
from edgec.stages.plan import plan as expand
from edgec.store.cache import Cache, default_folder

CPUS = {
    "cortex-a57": {"features": ("asimd",), "cpuinfo": ("0x41", "0x1", "0xd07")},
    "cortex-a76": {"features": ("asimd", "asimdhp", "asimddp"), "cpuinfo": ("0x41", "0x3", "0xd0b")},
}
ENGINES = ("executorch", "onnxruntime", "litert")
OTHERS = {
    ("mobilenet_v3_small", "fp32"): ((29.0, 78.8, 28.2), (28.9, 78.8, 28.2)),
    ("mobilenet_v3_small", "int8"): ((28.9, 42.1, 29.5), (15.4, 31.4, 15.9)),
    ("mobilenet_v2", "fp32"): ((121.5, 179.0, 121.2), (121.3, 178.6, 121.1)),
    ("mobilenet_v2", "int8"): ((112.8, 118.1, 111.4), (51.3, 62.6, 50.1)),
    ("efficientnet_b0", "fp32"): ((229.6, 380.7, 220.9), (229.5, 380.3, 220.8)),
    ("efficientnet_b0", "int8"): ((229.3, 213.6, 147.0), (156.2, 146.3, 74.0)),
    ("resnet18", "fp32"): None,
    ("resnet18", "int8"): ((556.7, 576.4, 563.5), (172.7, 199.2, 179.8)),
    ("resnet50", "fp32"): None,
    ("resnet50", "int8"): ((1150.7, 1193.8, 1156.9), (380.5, 446.0, 387.3)),
    ("vit_b_16", "fp32"): None,
    ("vit_b_16", "int8"): ((5155.0, 4924.0, 5888.0), (2320.0, 2146.0, 3015.0)),
    ("vit_b_16", "int8-dynamic"): ((5155.0, 4924.0, 5888.0), (2320.0, 2146.0, 3015.0)),
}
MANIFEST = """
apiVersion: edgec/v1
name: counted
version: 0.0.0
model: {{source: torchvision, name: {model}, weights: {{random: 0}}}}
inputs: [{{name: x, shape: [1, 3, 224, 224], dtype: float32}}]
task: tensor
data: {{calibration: {{format: npz, path: x.npz, samples: 16}}}}
quantization: {{recipe: {recipe}}}
targets: [jetson-nano]
"""


def plan_of(model: str, recipe: str, folder: Path):
    """Return the plan and project of one network; the manifest and its data are written into ``folder``."""
    if not (folder / "x.npz").exists():
        random = np.random.default_rng(0)
        coarse = random.standard_normal((16, 3, 14, 14)).astype(np.float32)
        np.savez(folder / "x.npz", x=coarse.repeat(16, axis=2).repeat(16, axis=3))
    path = folder / f"{model}-{recipe}.yaml"
    path.write_text(MANIFEST.format(model=model, recipe=recipe))
    checked = pipeline.front(path, folder)
    (plan,) = expand(checked)
    return replace(plan, release=False), checked.project


def on(plan: Plan, cpu: str) -> Plan:
    target = replace(plan.target, name=cpu, cpu=cpu, qemu_cpu=cpu, **CPUS[cpu])
    return replace(plan, target=target, threads=1)


def count(model: str, recipe: str, folder: Path) -> list[dict]:
    """Lower one network and count it on every CPU; return a record for each."""
    cache = Cache(folder=default_folder())
    plan, project = plan_of(model, recipe, folder)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        lowered = job.run(plan, project, place)
        records = []
        for cpu in CPUS:
            here = on(plan, cpu)
            runner = runner_for(here.target, lowered.backends, lowered.kernels, cache, offline=False)
            figure = instructions(here, lowered, place, runner, cache)
            left = {item.name: item.left for item in lowered.operators if item.left}
            records.append(
                {"model": model, "recipe": recipe, "cpu": cpu, "millions": figure and figure.value / 1e6}
                | {"spread": figure and figure.detail["spread"], "bytes": lowered.pte_bytes, "left": left}
            )
    return records


def others(record: dict) -> tuple[float, ...] | None:
    known = OTHERS[record["model"], record["recipe"]]
    return known and known[list(CPUS).index(record["cpu"])]


def table(records: list[dict]) -> str:
    """Return the records as Markdown, each beside the three engines; ``ratio`` is to the best of them."""
    lines = ["| model | CPU | edgec (M) | executorch / onnxruntime / LiteRT (M) | ratio to the best |", "|---|---|---|---|---|"]
    for record in records:
        beside = others(record)
        ours = record["millions"]
        words = " / ".join(f"{value:g}" for value in beside) if beside else "not measured"
        ratio = f"{ours / min(beside):.2f}" if beside and ours else "-"
        told = f"{ours:.1f}" if ours else record.get("why", "not counted")
        lines.append(f"| {record['model']} {record['recipe']} | {record['cpu']} | {told} | {words} | {ratio} |")
    return "\n".join(lines)


def measure(only: tuple[str, ...] = (), out: Path | None = None) -> list[dict]:
    """Return the records of every network (of ``only`` those: ``model`` or ``model:recipe``); one that fails says why."""
    records: list[dict] = []
    with tempfile.TemporaryDirectory() as name:
        for model, recipe in OTHERS:
            if only and model not in only and f"{model}:{recipe}" not in only:
                continue
            try:
                found = count(model, recipe, Path(name))
            except Failure as failure:
                why = failure.diagnostics[0].message
                found = [{"model": model, "recipe": recipe, "cpu": cpu, "millions": None, "why": why} for cpu in CPUS]
            records += found
            for record in found:
                print(json.dumps(record), file=sys.stderr, flush=True)
            if out:
                out.write_text("".join(json.dumps(record) + "\n" for record in records))
    return records


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[], help="model or model:recipe, several")
    parser.add_argument("--out", type=Path, help="also write the records as JSON lines")
    arguments = parser.parse_args()
    logging.basicConfig()
    print(table(measure(tuple(arguments.only), arguments.out)))
