"""timm, huggingface and torch-hub by the command line: what is absent, what is not trusted, and what comes out."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile

import numpy as np

COMMIT = "c" * 40
MANIFEST = """
apiVersion: edgec/v1
name: other
version: 1.0.0
model: {model}
inputs: {inputs}
task: tensor
quantization: fp32
targets: [linux-x86_64]
"""
BERT = {
    "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
    "vocab_size": 50, "max_position_embeddings": 16,
}  # fmt: skip
WITHOUT_TIMM = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "timm" else found(name, *rest)
from edgec.cli import main
try:
    main(sys.argv[1:])
finally:
    print("torch" in sys.modules)
"""


def write(folder, model, inputs="[{name: x, shape: [1, 3]}]"):
    (folder / "other.yaml").write_text(MANIFEST.format(model=json.dumps(model), inputs=inputs))
    return folder / "other.yaml"


def test_an_absent_package_is_told_at_once(tmp_path):
    path = write(tmp_path, {"source": "timm", "name": "resnet18", "weights": {"random": 0}},
                 "[{name: image, image: {width: 32, height: 32}}]")  # fmt: skip
    environment = {**os.environ, "EDGEC_CACHE": str(tmp_path / "cache")}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TIMM, "build", str(path)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 6, done.stderr
    assert "tool-missing" in done.stderr and "pip install 'edgec[timm]'" in done.stderr
    assert done.stdout.strip().endswith("False"), "torch was imported"
    assert time.monotonic() - start < 10  # a second on a machine that does nothing else


def repository():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"net-{COMMIT}/hubconf.py", "from edgec_net import build\n\ndef tiny():\n    return build()\n")
        layers = "torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)"
        net = f"import torch\n\ndef build():\n    return torch.nn.Sequential({layers})\n"
        archive.writestr(f"net-{COMMIT}/edgec_net.py", net)
    return buffer.getvalue()


def test_a_repositorys_code_runs_only_when_entry_and_digest_are_trusted(edgec, tmp_path):
    content = repository()
    (tmp_path / "net.zip").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    archive = {"file": "net.zip", "sha256": sha256}
    path = write(tmp_path, {"source": "torch-hub", "repo": f"me/net:{COMMIT}", "entry": "tiny", "archive": archive})
    done = edgec("build", path)
    assert done.returncode == 3 and "code-not-trusted" in done.stderr, done.stderr
    rule = re.search(r"\[\[allow\]\]\n.*\n.*", done.stderr)
    assert rule and f'entry = "me/net:{COMMIT}:tiny"' in rule.group() and sha256 in rule.group()
    (tmp_path / "edgec.toml").write_text(rule.group().replace(sha256, "0" * 64))
    assert edgec("build", path).returncode == 3
    (tmp_path / "edgec.toml").write_text("\n".join(line.strip() for line in rule.group().splitlines()))
    done = edgec("build", path)
    assert done.returncode == 0, done.stderr


def test_a_text_model_from_a_configuration_runs_on_its_tokens(edgec, tmp_path):
    model = {"source": "huggingface", "class": "AutoModelForSequenceClassification", "config": BERT, "weights": {"random": 1},
             "feeds": ["input_ids", "attention_mask"]}  # fmt: skip
    inputs = "[{name: ids, shape: [1, 8], dtype: int64}, {name: mask, shape: [1, 8], dtype: int64}]"
    done = edgec("build", write(tmp_path, model, inputs), "--output", "json")
    assert done.returncode == 0, done.stderr
    folder = json.loads(done.stdout)["outcomes"][0]["folder"]
    (tmp_path / "ids.bin").write_bytes(np.arange(8, dtype=np.int64).tobytes())
    (tmp_path / "mask.bin").write_bytes(np.ones(8, np.int64).tobytes())
    ran = subprocess.run(
        [f"{folder}/run.sh", tmp_path / "ids.bin", tmp_path / "mask.bin"], capture_output=True, text=True, check=True
    )
    (output,) = json.loads(ran.stdout)["outputs"]
    assert (output["name"], output["shape"]) == ("logits", [1, 2])
