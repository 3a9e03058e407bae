"""edgec's candidates beside onnxruntime and openvino on the same weights: one and two threads, in turns, each one's best round.

    python -m pip install onnxruntime onnx     # beside edgec[openvino]; not dependencies of edgec
    python benchmarks/delegates.py --build     # builds what is missing in out/delegates, on a busy machine too
    python benchmarks/delegates.py [MODEL …]   # clocks it and prints Markdown; figures of a busy machine say nothing

Weights are random (seeded): time does not depend on them, and nothing is downloaded. edgec builds a bundle for each candidate
of a search over int8 and fp32 on xnnpack and openvino, this with symmetric and with asymmetric activations; its pick is the
candidate with the least median, which is what the search takes. The others run the ONNX export of the same network, float32
and quantized by onnxruntime's static quantization.
In each round every engine runs once, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

MODELS = ("mobilenet_v2", "mobilenet_v3_small", "resnet18", "resnet50", "efficientnet_b0", "vit_b_16")
CANDIDATES = ("int8-xnnpack", "int8-openvino", "int8-openvino-mixed", "fp32-xnnpack", "fp32-openvino")
TRANSFORMERS = ("int8-dynamic-xnnpack", "int8-openvino-transformer")
"""Candidates for models with attention, beside the others."""
MODES = {"openvino-mixed": "int8_mixed", "openvino-transformer": "int8_transformer"}
OTHERS = tuple(f"{engine} {kind}" for engine in ("onnxruntime", "openvino") for kind in ("fp32", "int8"))
SHAPE = (1, 3, 224, 224)
WARMUP, SECONDS, MOST = 8, 2.0, 200
"""Untimed inferences, then how long an engine is clocked in a round, and for how many inferences at most."""

MANIFEST = """apiVersion: edgec/v1
name: {name}
version: 1.0.0
model: {{source: torchvision, name: {model}, weights: {{random: 0}}}}
inputs: [{{name: x, shape: [1, 3, 224, 224]}}]
task: tensor
data: {{calibration: {{format: npz, path: rows.npz}}}}
quantization: {recipe}
targets: [{{name: here, base: linux-x86_64, delegate: {delegate}}}]
"""


def build(model: str, folder: Path) -> None:
    """Build every candidate of ``model`` and its two ONNX files, those that ``folder`` has not."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "rows.npz", x=np.random.default_rng(0).standard_normal((16, *SHAPE[1:])).astype("float32"))
    for candidate in candidates(model):
        name = named(model, candidate)
        if bundle(model, candidate, folder) is not None or (folder / f"{name}.failed").exists():
            continue
        recipe = "int8-dynamic" if candidate.startswith("int8-dynamic-") else candidate.partition("-")[0]
        delegate = candidate.removeprefix(f"{recipe}-")
        if delegate in MODES:
            delegate = f"{{name: openvino, options: {{mode: {MODES[delegate]}}}}}"
        text = MANIFEST.format(name=name, model=model, recipe=recipe, delegate=delegate)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "edgec", "build", f"{name}.yaml", "--root", ".", "--out", "out"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:  # the table names it, and clocks the others
            print(f"{model} {candidate}: {done.stdout}{done.stderr}", file=sys.stderr)
            (folder / f"{name}.failed").write_text(done.stdout + done.stderr, encoding="utf-8")
    if not onnx(model, "int8", folder).exists():
        export(model, folder)


def candidates(model: str) -> tuple[str, ...]:
    return (*CANDIDATES, *(TRANSFORMERS if model.startswith("vit") else ()))


def named(model: str, candidate: str) -> str:
    return f"{model}-{candidate}".replace("_", "-")


def bundle(model: str, candidate: str, folder: Path) -> Path | None:
    """Return the bundle of a candidate, None if it is not built."""
    return next((folder / "out" / named(model, candidate)).glob("*/here"), None)


def onnx(model: str, kind: str, folder: Path) -> Path:
    return folder / f"{model}.{kind}.onnx"


def export(model: str, folder: Path) -> None:
    """Write the network as ONNX, float32 and int8 (static, per channel)."""
    import numpy as np
    import torch
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    from edgec.upstream.torchvision_ops import import_torchvision

    torch.manual_seed(0)
    network = import_torchvision().models.get_model(model, weights=None).eval()
    paths = [str(onnx(model, kind, folder)) for kind in ("fp32", "int8")]
    torch.onnx.export(network, (torch.randn(SHAPE),), paths[0], input_names=["x"], dynamo=False)

    class Rows(CalibrationDataReader):
        def __init__(self):
            self.rows = iter([{"x": np.random.default_rng(i).standard_normal(SHAPE).astype("float32")} for i in range(8)])

        def get_next(self):
            return next(self.rows, None)

    quantize_static(*paths, Rows(), quant_format=QuantFormat.QDQ, per_channel=True)


def measure(model: str, threads: int, rounds: int, folder: Path) -> dict[str, float]:
    """Return the least of each engine's medians, one a round, in ms: what others on the machine add is left out."""
    built = [name for name in candidates(model) if not (folder / f"{named(model, name)}.failed").exists()]
    found: dict[str, list[float]] = {name: [] for name in (*built, *OTHERS)}
    samples = dict.fromkeys(found, WARMUP)
    for turn in range(rounds + 1):
        for name, values in found.items():
            value = clocked(name, model, threads, samples[name], folder)
            # The first turn only finds how many inferences fit.
            if turn:
                values.append(value)
            else:
                samples[name] = max(WARMUP, min(MOST, int(SECONDS * 1000 / value)))
    return {name: min(values) for name, values in found.items()}


def clocked(name: str, model: str, threads: int, samples: int, folder: Path) -> float:
    """Return the median of ``samples`` inferences by one engine in a process of its own, in ms."""
    if name not in OTHERS:
        built = bundle(model, name, folder)
        if built is None:
            raise SystemExit(f"{model} {name} is not built: --build")
        counts = ["--samples", str(samples), "--warmup", str(WARMUP), "--threads", str(threads), "--passes", "0"]
        command = [str(built / "bin" / "edgec-run"), "--bench", *counts]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return 1000 * json.loads(done.stdout)["latency_s"]["p50"]
    engine, kind = name.split()
    command = [sys.executable, __file__, "--clock", engine, str(onnx(model, kind, folder)), str(threads), str(samples)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def clock(engine: str, path: str, threads: int, samples: int) -> float:
    """Return the median of ``samples`` inferences in this process, in ms."""
    import numpy as np

    x = np.random.default_rng(0).standard_normal(SHAPE).astype("float32")
    run = {"onnxruntime": onnxruntime, "openvino": openvino}[engine](path, threads, x)
    times = []
    for _ in range(WARMUP + samples):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[WARMUP:])


def onnxruntime(path, threads, x):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})


def openvino(path, threads, x):
    import openvino

    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"})
    request = model.create_infer_request()
    return lambda: request.infer({0: x})


def row(model: str, threads: int, found: dict[str, float]) -> str:
    """Return the model's line of the table: the pick, the best of the others, their ratio, then every median."""
    ours = [name for name in candidates(model) if name in found]
    pick, best = (min(names, key=found.__getitem__) for names in (ours, OTHERS))
    shown = {name: f"{found[name]:.2f}" if name in found else "not built" for name in (*candidates(model), *OTHERS)}
    every = ", ".join(f"{name} {value}" for name, value in shown.items())
    compared = f"{found[pick]:.2f} ({pick}) | {found[best]:.2f} ({best}) | {found[pick] / found[best]:.2f}"
    return f"| {model} | {threads} | {compared} | {every} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--build", action="store_true", help="build what is missing, and clock nothing")
    parser.add_argument("--folder", type=Path, default=Path("out/delegates"), help="where bundles and ONNX files are kept")
    parser.add_argument("--threads", type=int, nargs="*", default=(1, 2))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", nargs=4, metavar=("ENGINE", "PATH", "THREADS", "SAMPLES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.clock:
        engine, path, threads, samples = given.clock
        print(clock(engine, path, int(threads), int(samples)))
        return
    if not given.build:
        print("| model | threads | edgec's pick (ms) | best of the others (ms) | ratio | all (ms) |")
        print("|---|---|---|---|---|---|")
    for model in given.models:
        if given.build:
            build(model, given.folder.resolve())
            continue
        for threads in given.threads:
            print(row(model, threads, measure(model, threads, given.rounds, given.folder.resolve())), flush=True)


if __name__ == "__main__":
    main()
