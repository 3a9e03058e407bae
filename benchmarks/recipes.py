"""Build three models with every recipe and write the table of docs/recipes.md between its markers.

    python benchmarks/recipes.py [--models camera,perceptron,transformer] [--recipes fp32,int8,…]

The camera is that of manifests/; the other two learn scikit-learn's digits here, in seconds, from a fixed seed. Only the
markers of the models asked for are rewritten, and rows of recipes not asked for stay as they are.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgec.artifacts.manifest import Choice
from edgec.artifacts.settings import Settings
from edgec.pipeline import build, front, planned
from edgec.registry import names
from edgec.runtime.emulate import emulator
from edgec.stages.plan import lowering_key
from edgec.targets.table import TARGETS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "recipes.md"
HEAD = "| recipe | file | delegated | SQNR | top-1 | p50 | A57 | A76 | CPU time |\n|---|---|---|---|---|---|---|---|---|"
CPUS = {"A57": ("cortex-a57", "0xd07", ()), "A76": ("cortex-a76", "0xd0b", ("fphp", "asimdhp", "asimddp"))}

NETS = '''
import torch
from torch import nn


class Perceptron(nn.Module):
    """[1, 64] grey levels to 10 scores: 256-1024-512."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.GELU(), nn.Linear(512, 10)
        )

    def forward(self, x):
        return self.layers(x / 8 - 1)


class Transformer(nn.Module):
    """[1, 64] grey levels as 16 patches of 4, width 128, 4 layers, to 10 scores."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 128)
        self.place = nn.Parameter(torch.zeros(1, 16, 128))
        layer = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        patches = (x / 8 - 1).reshape(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, 16, 4)
        return self.head(self.encoder(self.embed(patches) + self.place).mean(1))
'''
MANIFEST = """
apiVersion: edgec/v1
name: {name}
version: 1.0.0
model: {{source: python, entry: "nets:{entry}", weights: {{file: {name}.safetensors, sha256: {sha256}}}}}
inputs: [{{name: x, shape: [1, 64]}}]
task: {{name: classification, options: {{labels: labels.txt}}}}
data:
  training: {{format: npz, path: train.npz}}
  calibration: {{format: npz, path: train.npz, samples: 256}}
  evaluation: {{format: npz, path: test.npz}}
quantization: fp32
delegate: xnnpack
targets: [jetson-nano, linux-x86_64]
"""


def digits(folder: Path, name: str) -> Path:
    """Write a project whose network has learned the digits; return its manifest."""
    import torch
    from safetensors.torch import save_file
    from sklearn.datasets import load_digits

    data = load_digits()
    x, y = data.data.astype(np.float32), data.target
    (folder / "nets.py").write_text(NETS)
    (folder / "labels.txt").write_text("\n".join(map(str, range(10))) + "\n")
    np.savez(folder / "train.npz", x=x[:1000], label=y[:1000])
    np.savez(folder / "test.npz", x=x[1000:], label=y[1000:])
    space: dict = {}
    exec(NETS, space)
    torch.set_num_threads(1)  # the same weights wherever this runs
    torch.manual_seed(0)
    model = space[name.capitalize()]()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    images, labels = torch.from_numpy(x[:1000]), torch.from_numpy(y[:1000])
    for _ in range(20):
        for rows in torch.randperm(1000).split(50):
            loss = torch.nn.functional.cross_entropy(model(images[rows]), labels[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    weights = folder / f"{name}.safetensors"
    save_file(model.state_dict(), weights)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    path = folder / "manifest.yaml"
    path.write_text(MANIFEST.format(name=name, entry=name.capitalize(), sha256=sha256))
    return path


def camera(folder: Path, name: str) -> Path:
    """Copy the camera's project, without its budgets; training data are those that calibrate."""
    shutil.copytree(ROOT / "manifests", folder, dirs_exist_ok=True)
    text = (folder / "camera.yaml").read_text(encoding="utf-8").partition("\n# A build that misses")[0]
    text = text.replace("data:\n", "data:\n  training: {format: image-folder, path: data/digits/train}\n")
    (folder / "camera.yaml").write_text(text, encoding="utf-8")
    return folder / "camera.yaml"


KEPT = {"camera": ["features.0", "classifier"], "perceptron": ["layers.0", "layers.6"], "transformer": ["embed", "head"]}
"""What ``mixed`` keeps in float32: the layers that read the input and those that give the scores."""
MODELS = {"camera": camera, "perceptron": digits, "transformer": digits}


def row(path: Path, model: str, recipe: str) -> str:
    """Build one manifest with one recipe for both targets; return a line of the table."""
    options = {"keep": {"modules": KEPT[model]}} if recipe == "mixed" else {}
    work, failed = planned([front(path)], Settings(allow_code=True))
    assert not failed, failed
    chosen = []
    for plan, project in work:
        made = replace(plan, recipe=Choice(name=recipe, options=options))
        chosen.append((replace(made, lowering_key=lowering_key(made)), project))
    with tempfile.TemporaryDirectory() as out:
        start = _seconds()
        nano, host = build(chosen, Settings(out=Path(out), allow_code=True), lambda line: None)
        seconds = _seconds() - start
        for outcome in (nano, host):
            if outcome.written is None:
                return f"| `{recipe}` | {outcome.diagnostics[0].code}: {outcome.diagnostics[0].message} | | | | | | | |"
        cells = [f"`{recipe}`", *_figures(host), *(_apart(nano, *CPUS[cpu]) for cpu in CPUS), f"{seconds:.0f} s"]
    return f"| {' | '.join(cells)} |"


def _seconds() -> float:
    """Processor time of this process and of those that it waited for: what a build costs whatever else is running."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _figures(outcome) -> list[str]:
    measured = outcome.measured
    sqnr = json.loads((outcome.written.folder / "bundle.json").read_text())["parity"][-1]["sqnr"]
    return [
        f"{measured.get('size').value / 1e3:,.0f} kB",
        f"{100 * measured.get('delegation').value:.0f} %",
        f"{sqnr:.0f} dB" if sqnr is not None else "∞",
        f"{100 * measured.get('accuracy.top1').value:.1f} %",
        f"{1e3 * measured.get('latency.p50').value:.2f} ms",
    ]


def _largest(folder: Path) -> float:
    """The largest absolute value among the golden answers, which are float32."""
    vectors = json.loads((folder / "bundle.json").read_text())["golden"]["vectors"]
    return max(float(abs(np.fromfile(folder / name, "<f4")).max()) for vector in vectors for name in vector["outputs"])


def _apart(outcome, cpu: str, part: str, features: tuple[str, ...]) -> str:
    """The largest difference from this machine's golden answers on an emulated CPU, as a share of the largest output."""
    target = TARGETS["jetson-nano"]
    target = replace(target, name=cpu, cpu=cpu, qemu_cpu=cpu, cpuinfo=("0x41", "0x1", part), features=("asimd", *features))
    with tempfile.TemporaryDirectory() as scratch:
        found = emulator(target, Path(scratch))
        runner = outcome.written.folder / "bin" / "edgec-run"
        done = subprocess.run([*found.command, str(runner), "--self-test", "--no-bench"], capture_output=True, text=True)
    worst = json.loads(done.stdout.splitlines()[-1])["golden"]["worst"]
    # The runner allows absolute + relative * largest; what it found is in the outputs' own unit.
    return f"{100 * worst['error'] / _largest(outcome.written.folder):.2g} %"


def written(model: str, rows: dict[str, str]) -> None:
    """Replace the rows of one model's table; rows of other recipes stay, in the registry's order."""
    text = PAGE.read_text(encoding="utf-8")
    start, end = f"<!-- recipes: {model} -->", f"<!-- end of recipes: {model} -->"
    before, _, rest = text.partition(start)
    old, _, after = rest.partition(end)
    kept = {line.split("`")[1]: line for line in old.splitlines() if line.startswith("| `")} | rows
    lines = [kept[name] for name in names("recipes") if name in kept]
    PAGE.write_text(f"{before}{start}\n\n{HEAD}\n" + "\n".join(lines) + f"\n\n{end}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--recipes", default=",".join(name for name in names("recipes") if name != "auto"))
    asked = parser.parse_args()
    for model in asked.models.split(","):
        with tempfile.TemporaryDirectory() as name:
            path = MODELS[model](Path(name), model)
            for recipe in asked.recipes.split(","):
                line = row(path, model, recipe)
                print(line, file=sys.stderr, flush=True)
                written(model, {recipe: line})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
