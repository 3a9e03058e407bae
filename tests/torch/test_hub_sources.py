"""timm, huggingface and torch-hub: seeded models, and downloads from a real https server on loopback."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from edgec.artifacts.project import Project
from edgec.diagnostics import Failure
from edgec.sources import huggingface, timm, torch_hub
from edgec.sources.timm_table import TABLE, address, table_text
from loopback import serving

COMMIT = "a" * 40
NAME, TAG = "test_resnet", "r160_in1k"
BERT = {
    "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
    "vocab_size": 50, "max_position_embeddings": 16,
}  # fmt: skip
TOKENS = {"class": "AutoModelForSequenceClassification", "feeds": ["input_ids", "attention_mask"]}


@pytest.fixture
def project(tmp_path):
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


def refused(module, given, project, code="model-not-loaded"):
    with pytest.raises(Failure) as caught:
        module.load(given, project)
    assert caught.value.diagnostics[0].code == code
    return caught.value.diagnostics[0].message


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def equal(first, second):
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


# --- timm


def test_the_table_is_what_the_installed_timm_has():
    assert TABLE.read_text(encoding="utf-8") == table_text(), "run `python -m edgec.sources.timm_table`"


def test_a_seed_gives_the_same_weights(project):
    given = {"name": NAME, "arguments": {"num_classes": 3}, "weights": {"random": 5}}
    before = torch.random.get_rng_state()
    first, second = timm.load(given, project), timm.load(given, project)
    assert torch.equal(before, torch.random.get_rng_state()) and not first.training
    assert equal(first, second) and not equal(first, timm.load({**given, "weights": {"random": 6}}, project))
    assert first(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


def test_weights_come_from_a_file(project):
    model = timm.load({"name": NAME, "weights": {"random": 1}}, project)
    content = safetensors.torch.save(model.state_dict())
    (project.folder / "w.safetensors").write_bytes(content)
    given = {"name": NAME, "weights": {"file": "w.safetensors", "sha256": sha256(content)}}
    assert equal(timm.load(given, project), model)
    assert "do not fit" in refused(timm, {**given, "arguments": {"num_classes": 3}}, project)


def test_arguments_that_the_architecture_refuses_are_shown(project):
    message = refused(timm, {"name": NAME, "arguments": {"widht": 2}, "weights": {"random": 0}}, project)
    assert "widht=2" in message and "unexpected keyword" in message


def test_timms_own_weights_are_fetched_by_digest(project, tmp_path, monkeypatch):
    model = timm.load({"name": NAME, "weights": {"random": 1}}, project)
    content = safetensors.torch.save(model.state_dict())
    path = f"/timm/{NAME}.{TAG}/resolve/main/model.safetensors"
    with serving({path: content}, tmp_path, monkeypatch) as (url, seen):
        monkeypatch.setenv("HF_ENDPOINT", url)
        assert address(NAME, TAG) == url + path
        given = {"name": NAME, "weights": {"pretrained": TAG, "sha256": sha256(content)}}
        assert equal(timm.load(given, project), model) and seen == [path]
        headless = timm.load({**given, "arguments": {"num_classes": 0}}, replace(project, offline=True))
        assert headless(torch.zeros(1, 3, 32, 32)).ndim == 2 and seen == [path]
        message = refused(timm, {**given, "arguments": {"num_classes": 3}}, project)
        assert "are for 1000 classes: with 3 the classifier is untrained" in message
        refused(timm, {"name": NAME, "weights": {"pretrained": TAG, "sha256": "0" * 64}}, project, "digest-mismatch")


# --- huggingface


def test_a_configuration_with_a_seed_takes_named_tensors_and_gives_some(project):
    given = {**TOKENS, "config": BERT, "weights": {"random": 3}}
    model, again = huggingface.load(given, project), huggingface.load(given, project)
    feed = torch.zeros(1, 8, dtype=torch.long), torch.ones(1, 8, dtype=torch.long)
    assert equal(model, again) and list(model(*feed)) == ["logits"]
    assert not equal(model, huggingface.load({**given, "weights": {"random": 4}}, project))
    with pytest.raises(ValueError, match=r"1 inputs for 2 arguments \(input_ids, attention_mask\)"):
        model(feed[0])


def test_outputs_are_kept_by_name(project):
    model = huggingface.load({"config": BERT, "weights": {"random": 3}, "outputs": ["pooler_output"]}, project)
    assert {name: value.shape for name, value in model(torch.zeros(1, 8, dtype=torch.long)).items()} == {
        "pooler_output": (1, 32)
    }
    model = huggingface.load({"config": BERT, "weights": {"random": 3}, "outputs": ["logits"]}, project)
    with pytest.raises(ValueError, match="gives no 'logits', only last_hidden_state, pooler_output"):
        model(torch.zeros(1, 8, dtype=torch.long))


def test_a_repository_is_fetched_file_by_file_at_its_commit(project, tmp_path, monkeypatch):
    model = huggingface.load({**TOKENS, "config": BERT, "weights": {"random": 3}}, project)
    # Older checkpoints call a layer norm's weights gamma and beta; transformers knows that.
    state = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): value for name, value in model.model.state_dict().items()}
    config = json.dumps({**BERT, "auto_map": {"AutoModel": "modeling.Evil"}}).encode()
    content = {"config.json": config, "model.safetensors": safetensors.torch.save(state)}
    paths = {f"/me/tiny/resolve/{COMMIT}/{name}": data for name, data in content.items()}
    with serving(paths, tmp_path, monkeypatch) as (url, seen):
        monkeypatch.setenv("HF_ENDPOINT", url)
        files = {name: sha256(data) for name, data in content.items()}
        given = {**TOKENS, "repo": "me/tiny", "revision": COMMIT, "files": files}
        assert equal(huggingface.load(given, project), model) and sorted(seen) == sorted(paths)
        assert equal(huggingface.load(given, replace(project, offline=True)), model) and len(seen) == 2
        refused(huggingface, {**given, "revision": "b" * 40}, replace(project, offline=True), "offline")
        refused(huggingface, {**given, "revision": "b" * 40}, project, "download-failed")
        changed = {**files, "model.safetensors": "0" * 64}
        refused(huggingface, {**given, "files": changed}, project, "digest-mismatch")


def test_weights_of_another_task_leave_no_layer_untrained(project):
    body = huggingface.load({"config": BERT, "weights": {"random": 3}}, project)
    content = safetensors.torch.save(body.model.state_dict())
    (project.folder / "w.safetensors").write_bytes(content)
    given = {**TOKENS, "config": BERT, "weights": {"file": "w.safetensors", "sha256": sha256(content)}}
    message = refused(huggingface, given, project)
    assert "2 missing from the file, first classifier.bias" in message
    wider = {**given, "class": "AutoModel", "config": {**BERT, "vocab_size": 60}}
    assert "do not fit the model" in refused(huggingface, wider, project)
    assert equal(huggingface.load({**given, "class": "AutoModel"}, project), body)


def test_a_repositorys_own_code_is_never_run(project):
    own = {"model_type": "evil", "auto_map": {"AutoConfig": "configuration.Evil", "AutoModel": "modeling.Evil"}}
    message = refused(huggingface, {"config": own, "weights": {"random": 0}}, project)
    assert "'evil' is code of its repository, and edgec never runs that" in message
    assert "no model type 'berd'" in refused(huggingface, {"config": {"model_type": "berd"}, "weights": {"random": 0}}, project)
    wrong = {**BERT, "num_attention_heads": 5}
    assert "cannot build AutoModel of bert" in refused(huggingface, {"config": wrong, "weights": {"random": 0}}, project)


# --- torch-hub

HUBCONF = """dependencies = ["torch"]
from edgec_hub_net.model import build

def tiny(n=4):
    return build(n)

def late(n=4):
    import no_such_package_here

def text():
    return "no model"
"""


def repository(hubconf=HUBCONF):
    model = "import torch\n\ndef build(n):\n    return torch.nn.Linear(3, n)\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"net-{COMMIT}/hubconf.py", hubconf)
        archive.writestr(f"net-{COMMIT}/edgec_hub_net/__init__.py", "")
        archive.writestr(f"net-{COMMIT}/edgec_hub_net/model.py", model)
    return buffer.getvalue()


def test_a_repository_is_fetched_by_digest_and_its_entry_called(project, tmp_path, monkeypatch):
    content = repository()
    given = {"repo": f"me/net:{COMMIT}", "archive": {"sha256": sha256(content)}, "entry": "tiny", "arguments": {"n": 5}}
    with serving({f"/me/net/archive/{COMMIT}.zip": content}, tmp_path, monkeypatch) as (url, seen):
        monkeypatch.setattr(torch_hub, "SERVER", url)
        first, second = torch_hub.load(given, project), torch_hub.load(given, replace(project, offline=True))
        assert equal(first, second) and first.out_features == 5 and len(seen) == 1
        seeded = torch_hub.load({**given, "weights": {"random": 9}}, project)
        assert not equal(first, seeded)
        refused(torch_hub, {**given, "archive": {"sha256": "0" * 64}}, project, "digest-mismatch")


def test_what_an_entry_does_wrong_is_told(project):
    content = repository()
    (project.folder / "net.zip").write_bytes(content)
    given = {"repo": f"me/net:{COMMIT}", "archive": {"file": "net.zip", "sha256": sha256(content)}}
    assert "returned str, not a torch.nn.Module" in refused(torch_hub, {**given, "entry": "text"}, project)
    assert "Cannot find callable none" in refused(torch_hub, {**given, "entry": "none"}, project)
    assert "unexpected keyword" in refused(torch_hub, {**given, "entry": "tiny", "arguments": {"m": 1}}, project)
    assert "no_such_package_here" in refused(torch_hub, {**given, "entry": "late"}, project, "tool-missing")
    needing = repository('dependencies = ["no_such_package_here"]\n')
    (project.folder / "net.zip").write_bytes(needing)
    given["archive"]["sha256"] = sha256(needing)
    assert "no_such_package_here" in refused(torch_hub, {**given, "entry": "tiny"}, project, "tool-missing")
