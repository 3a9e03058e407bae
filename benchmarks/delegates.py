"""edgec's pick between delegates beside onnxruntime and openvino on the same weights: medians, one and two threads.

    python -m pip install onnxruntime onnx     # beside edgec[openvino]; not dependencies of edgec
    python benchmarks/delegates.py [MODEL …]   # prints Markdown; figures of a busy machine say nothing

Weights are random (seeded): time does not depend on them, and nothing is downloaded. edgec builds a bundle from a search over
int8 and fp32 on xnnpack and openvino and clocks each candidate with the bundle's own runner; the others run the ONNX export of
the same network, float32 and quantized by onnxruntime's static quantization.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODELS = ("mobilenet_v2", "mobilenet_v3_small", "resnet18", "resnet50", "efficientnet_b0", "vit_b_16")
SHAPE = (1, 3, 224, 224)
SAMPLES = 64
MANIFEST = """apiVersion: edgec/v1
name: trial
version: 1.0.0
model: {{source: torchvision, name: {name}, weights: {{random: 0}}}}
inputs: [{{name: x, shape: [1, 3, 224, 224]}}]
task: tensor
data: {{calibration: {{format: npz, path: rows.npz}}}}
search: {{recipes: [int8, fp32], delegates: [xnnpack, openvino]}}
targets: [{{name: here, base: linux-x86_64, threads: {threads}}}]
"""


def edgec(name: str, threads: int, folder: Path) -> dict[str, float]:
    """Return the median of each candidate that was clocked, and of the pick, in ms."""
    import numpy as np

    (folder / "rows.npz").unlink(missing_ok=True)
    np.savez(folder / "rows.npz", x=np.random.default_rng(0).standard_normal((16, *SHAPE[1:])).astype("float32"))
    (folder / "m.yaml").write_text(MANIFEST.format(name=name, threads=threads))
    command = [sys.executable, "-m", "edgec", "build", "m.yaml", "--root", ".", "--out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    records = [*folder.glob("out/**/*.measurements.json")]
    if not records:
        raise SystemExit(done.stdout + done.stderr)
    record = json.loads(records[0].read_text())
    found = {}
    for candidate in record["search"]["candidates"]:
        figures = {figure["name"]: figure["value"] for figure in candidate.get("figures", ())}
        if "latency.p50" in figures:
            found[f"edgec {candidate['candidate']}"] = 1000 * figures["latency.p50"]
    chosen = {figure["name"]: figure["value"] for figure in record["figures"]}
    return {**found, "edgec's pick": 1000 * chosen["latency.p50"]}


def exported(name: str, folder: Path) -> dict[str, Path]:
    """Write the network as ONNX, float32 and int8 (static, per channel)."""
    import numpy as np
    import torch
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    from edgec.upstream.torchvision_ops import import_torchvision

    torch.manual_seed(0)
    model = import_torchvision().models.get_model(name, weights=None).eval()
    paths = {"fp32": folder / f"{name}.onnx", "int8": folder / f"{name}.int8.onnx"}
    torch.onnx.export(model, (torch.randn(SHAPE),), str(paths["fp32"]), input_names=["x"], dynamo=False)

    class Rows(CalibrationDataReader):
        def __init__(self):
            self.rows = iter([{"x": np.random.default_rng(i).standard_normal(SHAPE).astype("float32")} for i in range(8)])

        def get_next(self):
            return next(self.rows, None)

    quantize_static(str(paths["fp32"]), str(paths["int8"]), Rows(), quant_format=QuantFormat.QDQ, per_channel=True)
    return paths


def onnxruntime(path: Path, threads: int) -> float:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal(SHAPE).astype("float32")
    return median(lambda: session.run(None, {"x": x}))


def openvino(path: Path, threads: int) -> float:
    import numpy as np
    import openvino as ov

    model = ov.Core().compile_model(str(path), "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"})
    request, x = model.create_infer_request(), np.random.default_rng(0).standard_normal(SHAPE).astype("float32")
    return median(lambda: request.infer({0: x}))


def median(run) -> float:
    for _ in range(8):
        run()
    times = []
    for _ in range(SAMPLES):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def measure(name: str, threads: int, folder: Path) -> dict[str, float]:
    paths = exported(name, folder)
    found = edgec(name, threads, folder)
    for kind, path in paths.items():
        found[f"onnxruntime {kind}"] = onnxruntime(path, threads)
        found[f"openvino {kind}"] = openvino(path, threads)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--threads", type=int, nargs="*", default=(1, 2))
    arguments = parser.parse_args()
    print("| model | threads | edgec's pick (ms) | best of the others (ms) | ratio | all |")
    print("|---|---|---|---|---|---|")
    for name in arguments.models:
        for threads in arguments.threads:
            with tempfile.TemporaryDirectory() as folder:
                found = measure(name, threads, Path(folder))
            others = {key: value for key, value in found.items() if not key.startswith("edgec")}
            best = min(others, key=others.__getitem__)
            pick = found["edgec's pick"]
            row = ", ".join(f"{key} {value:.2f}" for key, value in found.items() if key != "edgec's pick")
            ratio = pick / others[best]
            print(f"| {name} | {threads} | {pick:.2f} | {others[best]:.2f} ({best}) | {ratio:.2f} | {row} |", flush=True)


if __name__ == "__main__":
    main()
