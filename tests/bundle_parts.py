"""A bundle's ingredients made by hand, torch-free: plan, artifact, figures, verdicts, and a stand-in for the runner."""

from __future__ import annotations

import hashlib
import platform
import struct
from dataclasses import replace
from pathlib import Path

from edgec.artifacts.bundle import Bundle, Runner
from edgec.artifacts.lowered import Boundary, Golden, Lowered, Memory, Operator, Tensor
from edgec.artifacts.manifest import Budget, Choice, Dimension, Image, Input
from edgec.artifacts.measured import Figure, Measured, Verdict
from edgec.artifacts.plan import Plan
from edgec.stages.render import render
from edgec.targets.table import TARGETS

STAND_IN = r'''#!/usr/bin/env python3
"""NOT the runner: a stand-in that hashes model.pte, compares golden files with themselves and echoes its arguments."""
import hashlib, json, os, sys, time
from pathlib import Path
home = Path(sys.argv[0]).resolve().parent.parent
facts = json.loads((home / "bundle.json").read_text())
arguments = sys.argv[1:]
if hashlib.sha256((home / "model.pte").read_bytes()).hexdigest() != facts["model"]["sha256"]:
    sys.exit(7)
code = int(os.environ.get("STAND_IN_CODE", "0"))
time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
if arguments[0] == "--self-test":
    status = {0: "passed", 5: "budget-missed"}.get(code, "failed")
    digest = arguments[arguments.index("--bundle-digest") + 1]
    print(json.dumps({"schema": "edgec/verification/v1", "status": status, "arguments": arguments, "bundle_sha256": digest,
                      "golden": {"passed": code != 7, "vectors": len(facts["golden"]["vectors"])},
                      "model_sha256": facts["model"]["sha256"]}))
elif arguments[0] == "--stream":
    print(json.dumps({"arguments": arguments, "bytes": len(sys.stdin.buffer.read())}))
else:
    print(json.dumps({"arguments": arguments}))
sys.exit(code)
'''

BUDGETS = (
    Budget(kind="accuracy", statistic="top1", sense="min", limit=0.85, text="85%", route=("budgets",)),
    Budget(kind="latency", statistic="p90", sense="max", limit=0.1, text="100ms", route=("budgets", "latency", "p90")),
    Budget(kind="size", statistic="", sense="max", limit=2e6, text="2MB", route=("budgets", "size")),
)  # fmt: skip

TARGET = replace(TARGETS["linux-x86_64"], architecture=platform.machine(), features=())
"""Whatever machine the tests run on: the scripts must accept it."""


def plan(**changes: object) -> Plan:
    """A camera's plan for this machine."""
    shape = tuple(Dimension(minimum=size, maximum=size) for size in (1, 2, 2, 3))
    made = Plan(
        name="camera", version="1.0.0", description="Reads digits.",
        manifest="/somewhere/manifests/camera.yaml", manifest_sha256="1" * 64, folder="manifests",
        target=TARGET,
        model=Choice(name="torchvision", options={"name": "mobilenet_v2"}),
        inputs=(Input(name="image", dtype="float32", shape=shape, image=Image(width=2, height=2)),),
        task=Choice(name="classification", options={"labels": "labels.txt"}), labels=("0", "1"), data=(),
        recipe=Choice(name="int8"), delegates=(Choice(name="xnnpack"),), threads=2, budgets=BUDGETS,
        files={"manifests/weights/camera.safetensors": "2" * 64},
        allow_code=False, release=True,
        notes=(), lowering_key="3" * 64,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def lowered(folder: Path) -> Lowered:
    """The record of an artifact, whose files are written into the job's ``folder``."""
    (folder / "golden").mkdir(parents=True)
    (folder / "model.pte").write_bytes(b"not a program" * 100)
    (folder / "golden" / "0.image.bin").write_bytes(struct.pack("<12f", *range(12)))
    (folder / "golden" / "0.output.bin").write_bytes(struct.pack("<2f", 0.25, 0.75))
    vector = Golden(
        sample="1/0001.png", inputs=("golden/0.image.bin",), outputs=("golden/0.output.bin",),
        input_shapes=((1, 2, 2, 3),), output_shapes=((1, 2),),
    )  # fmt: skip
    steps = (("eager", "exported", 140.0), ("exported", "quantized", 31.5), ("quantized", "pte", float("inf")))
    return Lowered(
        recipe="int8", pte_sha256=hashlib.sha256(b"not a program" * 100).hexdigest(), pte_bytes=1300,
        inputs=(Tensor(name="image", dtype="float32", shape=(1, 2, 2, 3)),),
        outputs=(Tensor(name="output", dtype="float32", shape=(1, 2)),),
        kernels=("aten::mean.out",), backends=("XnnpackBackend",),
        operators=(
            Operator(name="aten.convolution", delegated=52, left=0, reason=""),
            Operator(name="aten.mean", delegated=0, left=1, reason="only over the two last axes <b>"),
        ),
        memory=Memory(arenas=(9408,), delegate_blobs=700_000, weights=600_000, constants=12),
        boundaries=tuple(
            Boundary(before=before, after=after, samples=64, max_abs_error=1e-3, max_relative_error=1e-4, sqnr=sqnr,
                     agreement=1.0, worst="1/0001.png")
            for before, after, sqnr in steps
        ),
        golden=(vector,), tolerance=(0.05, 0.01), output_range=0.75, evaluation=None, resolved={"recipe": "int8"},
        parameters=706_218, versions={"executorch": "1.5.1", "torch": "2.13.0"}, weights_sha256="3" * 64,
    )  # fmt: skip


def measured() -> Measured:
    """Figures of both kinds: what the inputs determine, and what a clock measured."""
    detail = {"threads": 2, "cpu": "A Certain CPU"}
    times = {"min": 0.001, "p50": 0.0012, "p90": 0.0015, "p95": 0.0016, "p99": 0.002, "max": 0.003, "mean": 0.0013}
    return Measured(
        figures=(
            Figure(name="size", value=1300, unit="bytes", evidence="artifact"),
            Figure(name="delegation", value=52 / 53, unit="share", evidence="artifact"),
            Figure(
                name="accuracy.top1", value=0.978, unit="share", evidence="host", samples=360, interval=(0.96, 0.99)
            ),
            *(
                Figure(
                    name=f"latency.{name}",
                    value=value,
                    unit="s",
                    evidence="host",
                    samples=256,
                    clocked=True,
                    detail=detail,
                )
                for name, value in times.items()
            ),
            Figure(name="throughput", value=712.5, unit="Hz", evidence="host", samples=256, clocked=True),
            Figure(name="memory.rss", value=21e6, unit="bytes", evidence="host", samples=256, clocked=True),
        )
    )


def verdicts(figures: Measured, **statuses: str) -> tuple[Verdict, ...]:
    """A verdict a budget, ``met`` unless ``statuses`` (by budget kind) says otherwise."""
    names = {"accuracy": "accuracy.top1", "latency": "latency.p90", "size": "size"}
    return tuple(
        Verdict(
            budget=budget,
            status=statuses.get(budget.kind, "met"),  # type: ignore[arg-type]
            reason="as it was asked",
            figure=figures.get(names[budget.kind]),
        )
        for budget in BUDGETS
    )


def runner(folder: Path) -> Runner:
    """The stand-in for the native runner, and a library of its own."""
    folder.mkdir()
    executable, library = folder / "edgec-run", folder / "libexecutorch.so"
    executable.write_text(STAND_IN)
    executable.chmod(0o755)
    library.write_bytes(b"no library")
    return Runner(executable=executable, libraries=(library,), toolchain={"compiler": "none, a stand-in"})


def bundle(folder: Path, *, rejected: bool = False, **changes: object) -> Bundle:
    """A rendered bundle whose ingredients lie in ``folder``, which must not exist yet."""
    figures = measured()
    job = folder / "job"
    artifact, made = lowered(job), runner(folder / "runner")
    return render(plan(**changes), artifact, job, made, figures, verdicts(figures), rejected)
