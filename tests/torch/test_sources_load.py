"""Sources load what they were given, and say what does not fit."""

import hashlib
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from edgec.artifacts.project import Project
from edgec.diagnostics import Failure
from edgec.registry import plugin
from edgec.sources import exported, python, torchvision
from edgec.sources.torchvision_table import TABLE, architectures, installed
from edgec.sources.untrained import QUIET, draw_zeros, quieten_residuals, reestimate_batch_norm, seeded
from edgec.store import fetch
from edgec.upstream.torchvision_ops import import_torchvision

ROOT = Path(__file__).parents[2]
NAME, ARGUMENTS = "shufflenet_v2_x0_5", {"num_classes": 4}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(root=tmp_path.resolve(), folder=tmp_path.resolve())


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = import_torchvision().models.get_model(NAME, **ARGUMENTS)
    return {key: value.clone() for key, value in model.state_dict().items()}


def options(path: Path, **more: Any) -> dict[str, Any]:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": NAME, "arguments": ARGUMENTS, "weights": {"file": path.name, "sha256": sha256}, **more}


def planned(project: Project) -> Project:
    """What a job gets: with the digests of the project's code."""
    files = {project.relative(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in project.root.rglob("*.py")}
    return replace(project, files=files)


def refused(module: Any, given: dict[str, Any], project: Project, code: str = "model-not-loaded") -> str:
    with pytest.raises(Failure) as caught:
        module.load(given, planned(project))
    assert caught.value.diagnostics[0].code == code
    return caught.value.diagnostics[0].message


def test_the_table_is_what_the_installed_torchvision_has() -> None:
    assert json.loads(TABLE.read_text()) == installed(), "run `python -m edgec.sources.torchvision_table`"


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_weights_load_from_every_file_format(project: Project, state: dict[str, torch.Tensor], form: str) -> None:
    path = project.folder / "w.bin"
    if form == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    model = torchvision.load(options(path), project)
    assert not model.training
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torchvision.weights_digest(options(path), project) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_first_keys_that_do_not_fit_are_named(project: Project, state: dict[str, torch.Tensor]) -> None:
    wrong = {**state, "head.extra": torch.zeros(1), "fc.weight": torch.zeros(7, 1024)}
    del wrong["conv1.0.weight"]
    safetensors.torch.save_file(wrong, project.folder / "w.bin")
    message = refused(torchvision, options(project.folder / "w.bin"), project)
    assert "1 missing from the file, first conv1.0.weight" in message
    assert "1 not in the model, first head.extra" in message
    assert "1 of another shape, first fc.weight (7x1024 in the file, 4x1024 in the model)" in message


def test_of_tied_weights_one_name_is_enough(project: Project) -> None:
    body = (
        "class Net(torch.nn.Module):\n    def __init__(self, tied):\n        super().__init__()\n"
        "        self.a, self.b = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)\n"
        "        if tied:\n            self.b.weight = self.a.weight\n"
    )
    module(project, "edgec_net_t", body)
    given: dict[str, Any] = {"entry": "edgec_net_t:Net", "arguments": {"tied": True}}
    saved = python.load(given, planned(project))
    saved.a.weight.data.fill_(7.0)
    safetensors.torch.save_model(saved, str(project.folder / "w.bin"))
    given["weights"] = options(project.folder / "w.bin")["weights"]
    found = python.load(given, planned(project))
    assert (found.b.weight == 7.0).all() and found.a.weight is found.b.weight
    assert "1 missing from the file" in refused(python, {**given, "arguments": {"tied": False}}, project)


def test_a_lazy_layer_takes_its_shape_from_the_file(project: Project) -> None:
    module(project, "edgec_net_z", "def build():\n    return torch.nn.LazyLinear(2)\n")
    safetensors.torch.save_file({"weight": torch.ones(2, 3), "bias": torch.ones(2)}, project.folder / "w.bin")
    given = {"entry": "edgec_net_z:build", "weights": options(project.folder / "w.bin")["weights"]}
    assert python.load(given, planned(project))(torch.ones(1, 3)).tolist() == [[4.0, 4.0]]


def test_what_is_no_state_dict_is_refused(project: Project, state: dict[str, torch.Tensor]) -> None:
    path = project.folder / "w.bin"
    torch.save({"epoch": 3, "state_dict": state}, path)
    assert "no state dict" in refused(torchvision, options(path), project)
    for content in (b"", b"text", b"\0" * 64, b"PK\3\4" + b"\0" * 64, b"\x10\0\0\0\0\0\0\0{broken json...}"):
        path.write_bytes(content)
        assert "neither a safetensors" in refused(torchvision, options(path), project)


@pytest.mark.parametrize(
    ("save", "words"),
    [
        (lambda path: torch.save(torch.nn.Linear(1, 1), path), "is a pickled module or object (it holds torch.nn.modules"),
        (lambda path: torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), path), "is a TorchScript archive"),
        (lambda path: path.write_bytes(pickle.dumps(torch.nn.Linear(1, 1))), "neither a safetensors file nor a plain"),
    ],
)
def test_a_whole_model_is_refused_without_torchs_advice_to_trust_it(project: Project, save: Any, words: str) -> None:
    save(project.folder / "w.bin")
    with pytest.raises(Failure) as caught:
        torchvision.load(options(project.folder / "w.bin"), project)
    (finding,) = caught.value.diagnostics
    assert finding.code == "model-not-loaded" and words in finding.message and "state_dict()" in str(finding.hint)
    assert "weights_only" not in finding.message and "\x1b" not in finding.message


def test_a_checkpoint_cannot_run_code(project: Project) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (project.folder / "ran",)

    (project.folder / "w.bin").write_bytes(pickle.dumps({"weight": Evil()}))
    refused(torchvision, options(project.folder / "w.bin"), project)
    torch.save({"weight": Evil()}, project.folder / "w.bin")
    refused(torchvision, options(project.folder / "w.bin"), project)
    assert not (project.folder / "ran").exists()


def test_a_changed_file_is_not_loaded(project: Project, state: dict[str, torch.Tensor]) -> None:
    path = project.folder / "w.bin"
    safetensors.torch.save_file(state, path)
    given = options(path)
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    refused(torchvision, given, project, "digest-mismatch")


def test_arguments_that_the_architecture_refuses_are_shown(project: Project) -> None:
    message = refused(torchvision, {"name": NAME, "arguments": {"widht": 2}, "weights": {"random": 0}}, project)
    assert "widht=2" in message and "unexpected keyword" in message


def test_a_seed_gives_the_same_weights_and_leaves_the_generator_alone(project: Project) -> None:
    given = {"name": NAME, "weights": {"random": 7}}
    before = torch.random.get_rng_state()
    first, second = torchvision.load(given, project), torchvision.load(given, project)
    assert torch.equal(before, torch.random.get_rng_state())
    other = torchvision.load({"name": NAME, "weights": {"random": 8}}, project)
    assert torch.equal(first.fc.weight, second.fc.weight)
    assert not torch.equal(first.fc.weight, other.fc.weight)
    assert torchvision.weights_digest(given, project) == ""


def test_segmentation_without_weights_fetches_no_backbone(project: Project) -> None:
    model = torchvision.load({"name": "lraspp_mobilenet_v3_large", "weights": {"random": 0}}, project)
    assert not model.training


def test_torchvisions_own_weights_come_through_our_fetch(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    state = import_torchvision().models.get_model(NAME).state_dict()
    path = project.folder / "w.pth"
    torch.save(state, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    asked = []

    def fetched(url: str, digest: str, folder: Path, *, limit: int = 0, offline: bool = False) -> Path:
        asked.append((url, digest))
        return path

    monkeypatch.setattr(fetch, "fetch", fetched)
    given = {"name": NAME, "weights": "DEFAULT"}
    url = architectures()[NAME].weights["IMAGENET1K_V1"]
    refused(torchvision, given, project, "digest-mismatch")  # the real digest's prefix does not match these bytes
    assert asked == [(url, url.rpartition("-")[2].removesuffix(".pth"))]
    monkeypatch.setattr(torchvision, "_prefix", lambda url: sha256[:8])
    model = torchvision.load(given, project)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torchvision.weights_digest(given, project) == sha256
    message = refused(torchvision, {**given, "arguments": {"num_classes": 4}}, project)
    assert "num_classes" in message and "1000" in message


def test_weights_come_from_a_url(
    project: Project, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.folder / "w.bin"
    safetensors.torch.save_file(state, path)
    url, sha256 = "https://example.org/w.bin", hashlib.sha256(path.read_bytes()).hexdigest()
    answers = {(url, sha256): path}
    monkeypatch.setattr(fetch, "fetch", lambda url, sha256, folder, *, offline: answers[url, sha256])
    given = {"name": NAME, "arguments": ARGUMENTS, "weights": {"url": url, "sha256": sha256}}
    assert torch.equal(torchvision.load(given, project).fc.weight, state["fc.weight"])
    assert torchvision.weights_digest(given, project) == sha256


def test_offline_enum_weights_are_refused(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    offline = Project(root=project.root, folder=project.folder, offline=True)
    refused(torchvision, {"name": NAME, "weights": "DEFAULT"}, offline, "offline")


# --- untrained networks


def test_batch_norm_takes_the_statistics_of_the_data() -> None:
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(2), torch.nn.Dropout(0.5), torch.nn.ReLU()).eval()
    data = (
        torch.randn(32, 2, 5, 5, generator=torch.Generator().manual_seed(0)) * 3
        + torch.tensor([4.0, -9.0])[:, None, None]
    )
    reestimate_batch_norm(model, [(data[:16],), (data[16:],)])
    assert torch.allclose(model[0].running_mean, data.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(model[0].running_var, data.var((0, 2, 3)), rtol=0.02)
    assert not any(module.training for module in model.modules()) and model[0].momentum == 0.1


def test_a_head_that_starts_at_zero_is_drawn(project: Project) -> None:
    """torchvision's vision transformers would answer the same to everything; the rest of the weights stays as drawn."""
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    kept = model[0].weight.clone()
    torch.nn.init.zeros_(model[1].weight)
    torch.nn.init.zeros_(model[1].bias)
    draw_zeros(model, 7)
    drawn = model[1].weight.clone()
    assert torch.equal(model[0].weight, kept) and not model[1].bias.any() and 0 < drawn.std() < 0.1
    torch.nn.init.zeros_(model[1].weight)
    assert torch.equal(draw_zeros(model, 7)[1].weight, drawn)
    arguments = {"image_size": 32, "num_classes": 10}
    given = {"name": "vit_b_32", "arguments": arguments, "weights": {"random": 0}}
    answers = torchvision.load(given, project)(torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert len({tuple(answer) for answer in answers.tolist()}) == 4


class Block(torch.nn.Module):
    """A residual block: its sum made as ``form`` says, its shortcut projected where ``projected``."""

    def __init__(self, form: str = "plus", projected: bool = False) -> None:
        super().__init__()
        first, last = (torch.nn.Conv2d(8, 8, 3, padding=1) for _ in range(2))
        self.first = torch.nn.Sequential(first, torch.nn.BatchNorm2d(8), torch.nn.ReLU(inplace=True))
        self.last = torch.nn.Sequential(last, torch.nn.BatchNorm2d(8), torch.nn.Dropout(0.5))
        self.shortcut = torch.nn.BatchNorm2d(8) if projected else torch.nn.Identity()
        self.form = form

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch, shortcut = self.last(self.first(x)), self.shortcut(x)
        if self.form == "in place":
            branch += shortcut
            return branch
        return torch.add(shortcut, branch) if self.form == "add" else branch + shortcut


def scales(model: torch.nn.Module) -> dict[str, float]:
    return {name: module.weight[0].item() for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}


PICTURES = torch.randn(16, 8, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("form", ["plus", "add", "in place"])
def test_the_last_norm_of_a_residual_branch_becomes_quiet_and_no_other(form: str) -> None:
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(8), Block(form), Block(form), torch.nn.BatchNorm2d(8)).eval()
    quieten_residuals(model, (PICTURES[:1],))
    quiet = {name for name, scale in scales(model).items() if scale == QUIET}
    assert quiet == {"1.last.1", "2.last.1"}
    assert {scale for name, scale in scales(model).items() if name not in quiet} == {1.0}
    assert not any(module._forward_hooks for module in model.modules())


def test_of_a_branch_and_a_projected_shortcut_neither_becomes_quiet() -> None:
    model = Block(projected=True).eval()
    quieten_residuals(model, (PICTURES[:1],))
    assert set(scales(model).values()) == {1.0}


def test_a_deep_random_network_no_longer_drowns_in_its_roundings() -> None:
    def noise_gain(quiet: bool) -> float:
        blocks = seeded(0, lambda: [layer for _ in range(36) for layer in (Block(), torch.nn.BatchNorm2d(8))])
        model = torch.nn.Sequential(*blocks).eval()
        if quiet:
            quieten_residuals(model, (PICTURES[:1],))
        reestimate_batch_norm(model, [(PICTURES,)])
        noise = 1e-4 * torch.randn(PICTURES.shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            answer, other = model(PICTURES), model(PICTURES + noise)
        assert answer.std(0).mean() > 0.1 * answer.std(), "different pictures have different answers"
        return float((other - answer).std() / answer.std() / 1e-4)

    loud, quiet = noise_gain(quiet=False), noise_gain(quiet=True)
    assert quiet < 2 and loud > 10 * quiet


def test_a_model_that_does_not_run_on_the_data_is_refused() -> None:
    with pytest.raises(Failure, match="statistics cannot be estimated"):
        quieten_residuals(torch.nn.Linear(3, 3), (torch.zeros(1, 2),))


def test_batch_norm_of_one_value_a_channel_is_refused() -> None:
    with pytest.raises(Failure, match="more than 1 value"):
        reestimate_batch_norm(torch.nn.Sequential(torch.nn.BatchNorm1d(2)).eval(), [(torch.zeros(1, 2),)])


# --- python


def module(project: Project, name: str, text: str) -> None:
    sys.modules.pop(name, None)
    (project.root / f"{name}.py").write_text("import torch\n" + text)


def test_a_callable_builds_the_model_with_arguments_and_weights(project: Project) -> None:
    module(
        project, "edgec_net_a", "from edgec_net_b import width\ndef build(n):\n    return torch.nn.Linear(n, width())\n"
    )
    module(project, "edgec_net_b", "def width():\n    return 3\n")
    given: dict[str, Any] = {"entry": "edgec_net_a:build", "arguments": {"n": 2}}
    first, second = python.load(given, planned(project)), python.load(given, planned(project))
    assert torch.equal(first.weight, second.weight) and not first.training
    safetensors.torch.save_file({"weight": torch.ones(3, 2), "bias": torch.ones(3)}, project.folder / "w.bin")
    given["weights"] = options(project.folder / "w.bin")["weights"]
    assert torch.equal(python.load(given, planned(project)).weight, torch.ones(3, 2))
    assert str(project.root) not in sys.path and not (project.root / "__pycache__").exists()


def test_numpys_and_pythons_generators_are_seeded_too(project: Project) -> None:
    module(
        project, "edgec_net_s", "import random\nimport numpy\nFIRST = random.random()\ndef build():\n"
        "    net = torch.nn.Linear(2, 1)\n    net.weight.data = torch.tensor([[FIRST, numpy.random.rand()]])\n    return net\n",
    )  # fmt: skip
    found = []
    for _ in range(2):
        sys.modules.pop("edgec_net_s", None)
        found.append(python.load({"entry": "edgec_net_s:build"}, planned(project)).weight)
    assert torch.equal(*found)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def build(): return 3", "returned int"),
        ("def build(): raise RuntimeError('no luck')", "RuntimeError: no luck (edgec_net_c.py:2)"),
        ("def build(): raise SystemExit(0)", "SystemExit"),
        ("build = 3", "TypeError"),
        (
            "class Net(torch.nn.Linear):\n    def train(self, _): raise ValueError('no')\ndef build(): return Net(2, 2)",
            "eval() failed: ValueError: no (edgec_net_c.py:3)",
        ),
        (
            "def build():\n    net = torch.nn.Sequential(torch.nn.ReLU())\n    net[0].above = net\n    return net",
            "eval() failed: RecursionError",
        ),
        ("import no_such_package\ndef build(): ...", "No module named 'no_such_package'"),
    ],
)
def test_what_the_code_raises_is_told_with_its_line(project: Project, body: str, words: str) -> None:
    module(project, "edgec_net_c", body)
    assert words in refused(python, {"entry": "edgec_net_c:build"}, project)


def test_code_may_import_torchvision_beside_a_torch_it_was_not_built_for(project: Project) -> None:
    module(project, "edgec_net_h", "import torchvision\ndef build():\n    return torchvision.models.squeezenet1_1()\n")
    script = f"""
import pathlib
from edgec.artifacts.project import Project
from edgec.sources import python
root = pathlib.Path({str(project.root)!r})
made = Project(root=root, folder=root, files={dict(planned(project).files)!r})
print(type(python.load({{"entry": "edgec_net_h:build"}}, made)).__name__)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "SqueezeNet\n", done.stderr[-2000:]


READS = {
    "loader": "import pathlib\nfrom importlib.machinery import SourceFileLoader\ndef build():\n"
    "    path = str(pathlib.Path(__file__).with_name('size'))\n"
    "    return torch.nn.Linear(1, int(SourceFileLoader('x', path).get_data(path)))\n",

    "open": "import pathlib\ndef build():\n    size = open(pathlib.Path(__file__).with_name('size')).read()\n"
    "    return torch.nn.Linear(1, int(size))\n",
    "caught": "import pathlib\ntry:\n    size = (pathlib.Path(__file__).parent / 'size').read_text()\n"
    "except Exception:\n    size = '2'\ndef build():\n    return torch.nn.Linear(1, int(size))\n",
    "native": "import pathlib\nfrom safetensors.torch import load_file\ndef build():\n"
    "    return torch.nn.Linear(1, load_file(pathlib.Path(__file__).with_name('size'))['size'].numel())\n",
}


@pytest.mark.parametrize("way", READS)
def test_a_file_that_the_code_reads_is_an_input_or_refused(project: Project, way: str) -> None:
    name = f"edgec_net_reads_{way}"
    module(project, name, READS[way])
    size = project.root / "size"
    if way == "native":
        safetensors.torch.save_file({"size": torch.zeros(3)}, size)
    else:
        size.write_text("3")
    words = refused(python, {"entry": f"{name}:build"}, project)
    assert words.startswith("the model's code reads size, which is no input of the build")
    del sys.modules[name]
    known = planned(project)
    files = {**known.files, "size": hashlib.sha256(size.read_bytes()).hexdigest()}
    model = python.load({"entry": f"{name}:build", "files": ["size"]}, replace(known, files=files))
    assert model.out_features == 3


def test_what_the_code_wrote_itself_and_what_is_not_there_may_be_opened(project: Project) -> None:
    text = "import pathlib\nhere = pathlib.Path(__file__).parent\ndef build():\n    try:\n        open(here / 'none')\n"
    text += "    except FileNotFoundError:\n        (here / 'begun').write_text('3')\n"
    text += "        (here / 'begun').replace(here / 'made')\n        torch.save(3, here / 'saved')\n"
    text += "        assert torch.load(here / 'saved') == 3\n        open('/proc/self/status').close()\n"
    text += "    return torch.nn.Linear(1, int((here / 'made').read_text()))\n"
    module(project, "edgec_net_writes", text)
    assert python.load({"entry": "edgec_net_writes:build"}, planned(project)).out_features == 3
    (project.root / "later").write_text("read outside of the model's code")
    assert (project.root / "later").read_text()


def test_code_that_nobody_vouched_for_cannot_be_imported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(project.root))
    module(project, "edgec_net_e", "raise AssertionError('ran')")
    module(
        project, "edgec_net_d", "import importlib\ndef build():\n    return importlib.import_module('edgec_net_' + 'e')"
    )
    assert "nobody has vouched" in refused(python, {"entry": "edgec_net_d:build"}, project)


def test_a_forged_bytecode_cache_is_not_run(project: Project) -> None:
    import importlib.util
    import py_compile

    source = project.root / "edgec_net_f.py"
    module(project, "edgec_net_f", "def build(): return torch.nn.Identity()\n")
    honest = source.read_text()
    source.write_text("def build(): raise AssertionError('ran')\n")
    cached = py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert cached == importlib.util.cache_from_source(str(source))
    source.write_text(honest)
    assert isinstance(python.load({"entry": "edgec_net_f:build"}, planned(project)), torch.nn.Identity)


def test_code_that_changed_after_planning_is_not_run(project: Project) -> None:
    module(project, "edgec_net_g", "def build(): return torch.nn.Identity()\n")
    made = planned(project)
    module(project, "edgec_net_g", "raise AssertionError('ran')\ndef build(): ...\n")
    with pytest.raises(Failure, match=r"edgec_net_g\.py has sha256") as caught:
        python.load({"entry": "edgec_net_g:build"}, made)
    assert caught.value.diagnostics[0].code == "digest-mismatch"


def test_code_that_was_not_planned_is_not_run(project: Project) -> None:
    module(project, "edgec_net_g", "import edgec_net_h\ndef build(): ...\n")
    made = planned(project)
    module(project, "edgec_net_h", "raise AssertionError('ran')\n")
    with pytest.raises(Failure, match=r"edgec_net_h\.py is not among") as caught:
        python.load({"entry": "edgec_net_g:build"}, made)
    assert caught.value.diagnostics[0].code == "digest-mismatch"


@pytest.mark.parametrize("statement", ["from edgec_pack import fast", "import edgec_pack.fast", "from . import fast"])
def test_bytecode_in_a_trusted_package_is_not_run(project: Project, statement: str) -> None:
    import py_compile

    package = project.root / "edgec_pack"
    package.mkdir()
    (package / "__init__.py").write_text(f"{statement}\ndef build(): return fast\n")
    (package / "fast.py").write_text("raise AssertionError('ran')\n")
    py_compile.compile(str(package / "fast.py"), str(package / "fast.pyc"))
    (package / "fast.py").unlink()
    for name in ("edgec_pack", "edgec_pack.fast"):
        sys.modules.pop(name, None)
    assert "nobody has vouched" in refused(python, {"entry": "edgec_pack:build"}, project)


# --- exported


def test_an_exported_program_loads_and_keeps_its_mode(project: Project) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.5)).eval()
    x = torch.ones(1, 3)
    path = project.folder / "net.pt2"
    torch.export.save(torch.export.export(net, (x,)), path)
    given = {"file": "net.pt2", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    loaded = exported.load(given, project)
    assert torch.equal(loaded.eval()(x), net(x)) and torch.equal(loaded.train()(x), net(x))
    again = torch.export.export(loaded, (x,)).module()
    assert torch.equal(again(x), net(x))
    path.write_bytes(path.read_bytes()[:500])
    given["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    assert "not a program" in refused(exported, given, project)


@pytest.mark.parametrize(
    ("raised", "told"),
    [("MemoryError()", MemoryError), ("RuntimeError('DefaultCPUAllocator: cannot allocate memory')", RuntimeError),
     ("OSError(28, 'No space left on device')", OSError), ("ValueError()", Failure)],
)  # fmt: skip
def test_a_machine_that_is_full_is_not_the_models_fault(project, raised, told):
    (project.root / "full.py").write_text(f"def build():\n    raise {raised}\n")
    with pytest.raises(told):
        python.load({"entry": "full:build"}, planned(project))
    sys.modules.pop("full", None)


@pytest.mark.parametrize(("raised", "told"), [(MemoryError(), MemoryError), (ValueError(), Failure)])
def test_a_constructor_that_says_nothing_is_told_by_its_type(monkeypatch, raised, told):
    import_torchvision()
    import timm

    def create_model(*arguments, **options):
        raise raised

    monkeypatch.setattr(timm, "create_model", create_model)
    with pytest.raises(told, match=None if told is MemoryError else "ValueError"):
        plugin("sources", "timm")._built("resnet18", {})
