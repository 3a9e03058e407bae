"""The part of ``bundle.json`` that the runner reads: identity, hardware, signature, task and golden vectors."""

from __future__ import annotations

from edgec.artifacts.bundle import Layout
from edgec.artifacts.document import Json
from edgec.artifacts.lowered import Lowered
from edgec.artifacts.manifest import Input
from edgec.artifacts.needs import required_features
from edgec.artifacts.plan import Plan

SCHEMA = "edgec/bundle/v1"


def describe(plan: Plan, lowered: Lowered, layout: Layout) -> dict[str, Json]:
    """Return the fields of ``bundle.json`` that plan and artifact determine (docs/bundle.md); no clock, no host."""
    target = plan.target
    return {
        "schema": SCHEMA,
        "name": plan.name,
        "version": plan.version,
        "target": target.name,
        "kind": target.kind,
        "description": plan.description,
        "release": plan.release,
        "blockers": [] if plan.release else ["weights are random"],
        "model": {
            "file": layout.model,
            "sha256": lowered.pte_sha256,
            "bytes": lowered.pte_bytes,
            "recipe": lowered.recipe,
            "delegates": [delegate.name for delegate in plan.delegates],
        },
        "hardware": {
            "architecture": target.architecture,
            "cpu": target.cpu,
            "glibc": target.glibc,
            "features": list(target.features),
            "required": list(required_features(target.architecture, target.needs)),
            "qemu_cpu": target.qemu_cpu,
            "cpuinfo": list(target.cpuinfo) if target.cpuinfo else None,
        },
        "threads": plan.threads,
        "inputs": [_input(given, tensor.shape) for given, tensor in zip(plan.inputs, lowered.inputs, strict=True)],
        "outputs": [{"name": item.name, "dtype": item.dtype, "shape": list(item.shape)} for item in lowered.outputs],
        "task": {"name": plan.task.name, "labels": list(plan.labels), "options": dict(plan.task.options)},
        "golden": {
            "absolute": lowered.tolerance_on(target)[0],
            "relative": lowered.tolerance_on(target)[1],
            "vectors": [
                {
                    "sample": vector.sample,
                    "inputs": [f"{layout.golden}/{name}" for name in vector.inputs],
                    "outputs": [f"{layout.golden}/{name}" for name in vector.outputs],
                    "input_shapes": [list(shape) for shape in vector.input_shapes],
                    "output_shapes": [list(shape) for shape in vector.output_shapes],
                    **({"picture": f"{layout.golden}/{vector.picture}"} if layout.pictures and vector.picture else {}),
                }
                for vector in lowered.golden
            ],
        },
    }


def _input(given: Input, shape: tuple[int, ...]) -> dict[str, Json]:
    record: dict[str, Json] = {
        "name": given.name,
        "dtype": given.dtype,
        "shape": list(shape),
        "minimum": [axis.minimum for axis in given.shape],
    }
    if given.image:
        record["image"] = {"width": given.image.width, "height": given.image.height, "fit": given.image.fit}
    if given.stream:
        record["stream"] = {"rate": given.stream.rate, "hop": given.stream.hop}
    if given.audio:
        record["audio"] = {"sample_rate": given.audio.rate}
    return record
