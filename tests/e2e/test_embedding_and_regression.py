"""Embedding and regression from real data to a bundle that prints vectors and named numbers, and is judged by the truth."""

import hashlib
import json
import shutil
import subprocess

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.datasets import load_diabetes, load_digits

NETS = """
import torch

def net(*sizes):
    layers = [layer for a, b in zip(sizes, sizes[1:]) for layer in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1])

def regressor():
    return net(10, 32, 2)

def embedder():
    return net(64, 64, 16)
"""

MANIFEST = """
apiVersion: edgec/v1
name: {name}
version: 1.0.0
model: {{source: python, entry: "nets:{entry}", weights: {{file: {name}.safetensors, sha256: "{sha256}"}}}}
inputs: [{{name: x, shape: [1, {width}]}}]
task: {task}
data:
  calibration: {{format: {format}, path: {name}-train.{format}, samples: 128}}
  evaluation: {{format: {format}, path: {name}-test.{format}}}
quantization: int8
targets: [linux-x86_64]
budgets: {{accuracy: {accuracy}}}
"""


def trained(model, inputs, loss, steps=400):
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(model(inputs)).backward()
        optimiser.step()
    return model.eval()


def project(folder, name, model, **fields):
    (folder / "nets.py").write_text(NETS)
    content = safetensors.torch.save(model.state_dict())
    (folder / f"{name}.safetensors").write_bytes(content)
    text = MANIFEST.format(name=name, sha256=hashlib.sha256(content).hexdigest(), **fields)
    (folder / f"{name}.yaml").write_text(text)


def built(edgec, folder, name, code=0):
    done = edgec("build", folder / f"{name}.yaml", "--allow-code", "--output", "json")
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout)["outcomes"][0]


def figures(outcome):
    return {figure["name"]: figure["value"] for figure in outcome["figures"]}


def ran(outcome, path):
    done = subprocess.run([f"{outcome['folder']}/run.sh", path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def changed(outcome, folder, options):
    """A copy of the bundle whose task has other options."""
    copy = folder / "changed"
    shutil.copytree(outcome["folder"], copy, dirs_exist_ok=True)
    record = json.loads((copy / "bundle.json").read_text())
    record["task"]["options"] = options
    (copy / "bundle.json").write_text(json.dumps(record))
    return copy


def namespace():
    found = {}
    exec(NETS, found)
    return found


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory):
    """Progression, and blood pressure once more, from ten measurements of 442 patients; written as CSV."""
    folder = tmp_path_factory.mktemp("diabetes")
    data = load_diabetes()
    x = data.data.astype(np.float32) * 20
    truth = np.stack([data.target, 80 + 100 * data.data[:, 3]], axis=1)
    torch.manual_seed(0)
    mean, spread = truth[:300].mean(0), truth[:300].std(0)
    wanted = torch.from_numpy(((truth[:300] - mean) / spread).astype(np.float32))
    model = trained(namespace()["regressor"](), torch.from_numpy(x[:300]), lambda out: (out - wanted).square().mean(), 150)
    with torch.no_grad():
        model[2].weight.mul_(torch.tensor(spread, dtype=torch.float32)[:, None])
        model[2].bias.mul_(torch.tensor(spread)).add_(torch.tensor(mean))
    header = ",".join([*data.feature_names, "label.progression", "label.pressure"])
    for role, part in (("train", slice(0, 300)), ("test", slice(300, None))):
        np.savetxt(folder / f"diabetes-{role}.csv", np.hstack([x[part], truth[part]]), "%.9g", ",", header=header, comments="")
    return folder, model, x[300:], truth[300:]


REGRESSION = "{name: regression, options: {names: [progression, pressure], units: [points, mmHg]}}"
LIMITS = "[{metric: mae, max: 40, max_drop: 2}, {metric: rmse, max: 60}, {metric: r2, min: 0.5}]"


def test_regression_is_judged_by_the_truth_and_prints_named_numbers(edgec, diabetes, tmp_path):
    folder, model, x, truth = diabetes
    project(folder, "diabetes", model, entry="regressor", width=10, task=REGRESSION, format="csv", accuracy=LIMITS)
    outcome = built(edgec, folder, "diabetes")
    found = figures(outcome)
    with torch.no_grad():
        eager = model(torch.from_numpy(x)).numpy()
    assert found["accuracy.mae.fp32"] == pytest.approx(abs(eager - truth).mean(), rel=1e-4)
    assert found["accuracy.mae"] == pytest.approx(found["accuracy.mae.fp32"], abs=2)
    drop = found["accuracy.mae"] - found["accuracy.mae.fp32"]
    assert found["accuracy.mae.drop"] == pytest.approx(drop, abs=1e-6), "a larger error is a drop"
    assert "accuracy.agreement" not in found, "numbers are no decisions"
    (tmp_path / "x.bin").write_bytes(x[0].tobytes())
    line = ran(outcome, tmp_path / "x.bin")
    assert [(value["name"], value["unit"]) for value in line["values"]] == [("progression", "points"), ("pressure", "mmHg")]
    assert [value["value"] for value in line["values"]] == pytest.approx(eager[0], abs=15)
    (bare,) = [ran({"folder": changed(outcome, tmp_path, {})}, tmp_path / "x.bin")["values"]]
    assert [(value["name"], "unit" in value) for value in bare] == [("0", False), ("1", False)]
    broken = changed(outcome, tmp_path, {"names": ["one"]})
    done = subprocess.run([f"{broken}/run.sh", tmp_path / "x.bin"], capture_output=True, text=True, check=False)
    assert done.returncode == 7 and "1 names for output" in done.stdout + done.stderr


def test_a_regression_that_is_too_far_from_the_truth_is_refused(edgec, diabetes):
    folder, model, _, _ = diabetes
    project(folder, "diabetes", model, entry="regressor", width=10, task=REGRESSION, format="csv",
            accuracy="{metric: mae, max: 5}")  # fmt: skip
    outcome = built(edgec, folder, "diabetes", code=5)
    assert [verdict["status"] for verdict in outcome["verdicts"]] == ["missed"]


def test_names_that_are_not_as_many_as_the_outputs_are_refused(edgec, diabetes):
    folder, model, _, _ = diabetes
    task = "{name: regression, options: {names: [a, b, c]}}"
    project(folder, "three", model, entry="regressor", width=10, task=task, format="csv", accuracy="{metric: mae, max: 40}")
    for role in ("train", "test"):
        header, *rows = (folder / f"diabetes-{role}.csv").read_text().split()
        header = header.replace("label.progression", "label.a").replace("label.pressure", "label.b")
        (folder / f"three-{role}.csv").write_text("\n".join([f"{header},label.c", *(f"{row},0" for row in rows)]) + "\n")
    done = edgec("build", folder / "three.yaml", "--allow-code")
    assert done.returncode == 3 and "gives 3 names; the first output is [1, 2], 2 numbers" in done.stderr, done.stderr


def test_a_truth_in_words_is_refused(edgec, tmp_path):
    project(tmp_path, "words", namespace()["regressor"](), entry="regressor", width=10, task="regression", format="npz",
            accuracy="{metric: mae, max: 40}")  # fmt: skip
    for role in ("train", "test"):
        np.savez(tmp_path / f"words-{role}.npz", x=np.ones((40, 10), np.float32), label=np.array(["high"] * 40))
    done = edgec("build", tmp_path / "words.yaml", "--allow-code")
    assert done.returncode == 3 and "data-labels" in done.stderr and "'high'" in done.stderr


def test_an_embedding_keeps_its_neighbours_and_prints_a_unit_vector(edgec, tmp_path):
    digits = load_digits()
    x, labels = digits.data.astype(np.float32) / 16, digits.target
    torch.manual_seed(0)
    body, head = namespace()["embedder"](), torch.nn.Linear(16, 10)
    truth = torch.from_numpy(labels[:1200])
    trained(
        torch.nn.Sequential(body, head), torch.from_numpy(x[:1200]), lambda out: torch.nn.functional.cross_entropy(out, truth)
    )
    for role, part in (("train", slice(0, 1200)), ("test", slice(1200, None))):
        np.savez(tmp_path / f"digits-{role}.npz", x=x[part], label=labels[part])
    project(tmp_path, "digits", body, entry="embedder", width=64, task="embedding", format="npz",
            accuracy="[{metric: cosine, min: 0.99}, {metric: recall1, min: 85%, max_drop: 3%}]")  # fmt: skip
    outcome = built(edgec, tmp_path, "digits")
    found = figures(outcome)
    assert found["accuracy.cosine"] > 0.99 and found["accuracy.recall1"] > 0.9
    (tmp_path / "x.bin").write_bytes(x[1200].tobytes())
    line = ran(outcome, tmp_path / "x.bin")
    with torch.no_grad():
        eager = body(torch.from_numpy(x[1200:1201])).numpy()[0]
    vector = np.array(line["embedding"])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert float(vector @ eager / np.linalg.norm(eager)) > 0.99
    assert line["norm"] == pytest.approx(np.linalg.norm(eager), rel=0.05)
    own = {**outcome, "folder": changed(outcome, tmp_path, {"normalize": False})}
    assert np.linalg.norm(ran(own, tmp_path / "x.bin")["embedding"]) == pytest.approx(line["norm"], rel=1e-5)
    broken = changed(outcome, tmp_path, {"normalize": "yes"})
    done = subprocess.run([f"{broken}/run.sh", tmp_path / "x.bin"], capture_output=True, text=True, check=False)
    assert done.returncode == 7 and "normalize must be true or false" in done.stdout + done.stderr
