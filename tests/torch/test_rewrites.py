"""Each rewrite computes the same, lowers better, and leaves everything else alone."""

import dataclasses
import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
from plans import plan, project, tensor

from edgec.artifacts.manifest import Choice, Data
from edgec.diagnostics import Diagnostic, Failure
from edgec.registry import REWRITES, rewrite_module
from edgec.rewrites.graph import duplicate, held, weight_bytes

NETS = '''
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations


class Seeded(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.build()


class Swish(Seeded):
    def build(self):
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(200, 4)
        )

    def forward(self, x):
        return self.body(x)


class Computed(Seeded):
    """Four ways to have a weight that the graph computes, and a mask that it paints."""

    def build(self):
        self.one = parametrizations.weight_norm(nn.Conv2d(3, 8, 3))
        self.two = nn.utils.weight_norm(nn.Conv2d(8, 8, 1))
        self.three = parametrizations.spectral_norm(nn.Linear(8, 4))
        self.four = nn.Parameter(torch.randn(8, 8, 1, 1))

    def forward(self, x):
        x = self.two(F.relu(self.one(x)))
        mean = self.four.mean(dim=(1, 2, 3), keepdim=True)
        spread = (self.four - mean).pow(2).mean(dim=(1, 2, 3), keepdim=True)
        x = F.conv2d(x, (self.four - mean) / (spread + 1e-5).sqrt())
        mask = x.new_zeros((9, 9))
        mask[2:5, 1:] = -1.0
        mask[6:] += 0.5
        return self.three((x + mask).mean((2, 3)))


class Weighted(Seeded):
    def build(self):
        self.layer = parametrizations.weight_norm(nn.Conv2d(3, 8, 3, padding=1))
        self.head = nn.Linear(8 * 121, 4)

    def forward(self, x):
        return self.head(F.relu(self.layer(x)).flatten(1))


class Enlarged(Seeded):
    """Twice as large, three times as high, and one and a half times, which no window of ones gives."""

    def build(self):
        self.first, self.last = nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 4, 3)

    def forward(self, x):
        x = F.interpolate(self.first(x), scale_factor=2, mode="nearest")
        x = F.interpolate(x, size=(30, 10), mode="nearest")
        return F.interpolate(self.last(x), size=(42, 12), mode="nearest")


class Remembers(Seeded):
    """A buffer that every call changes; what is read from it is no constant."""

    def build(self):
        self.register_buffer("seen", torch.zeros(4))

    def forward(self, x):
        self.seen.add_(1.0)
        return x + self.seen * 2.0


class Painted(Seeded):
    """A canvas that the input is painted on, read before and after."""

    def build(self):
        pass

    def forward(self, x):
        canvas = torch.ones(4)
        before = x * (canvas + 1.0)
        canvas[:2] = x[0, :2]
        return before + canvas * 3.0


class Gate(Seeded):
    def build(self):
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        x = self.conv(x)
        return (x * F.hardsigmoid(x)).mean((2, 3))


class Means(Seeded):
    """Over tokens, features, channels last, everything; the last one XNNPACK takes as it is."""

    def build(self):
        self.layer = nn.Linear(5, 5)

    def forward(self, x):
        y = self.layer(x)
        first = y[:, 0].mean(1) + y[0].mean(dim=-1, keepdim=True).sum() + y.mean(dim=(1, 2), keepdim=True).flatten()
        return first + y.mean(dim=[]) + y.mean((2, 3), keepdim=True).sum()


class Shuffled(Seeded):
    def build(self):
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        c, d = torch.split(self.conv(torch.cat([b, a], 1)), [1, 3], dim=1)
        e, f = (x * 2).unbind(0)[0].unbind(1)[:2]
        rows = F.pad(x[:, -1].unsqueeze(1).squeeze(1).expand(1, 5, 5), (0, 0, 0, 0))
        return torch.cat([c, d], 1).flatten(1)[:, :25] + rows.flatten(1) + (e + f).sum()


class Windows(Seeded):
    """What shifted windows do: a roll over two axes, every second row, a pooled picture that is not contiguous."""

    def build(self):
        self.conv = nn.Conv2d(3, 6, 3)

    def forward(self, x):
        rows = self.conv(x)[:, :, :8, :8].permute(0, 2, 3, 1)
        rolled = torch.roll(rows, shifts=(-3, 9), dims=(1, 2))
        merged = torch.cat([rolled[:, 0::2, 1::2], rolled[:, 1::2, ::2, :]], -1)
        return F.adaptive_avg_pool2d(merged.permute(0, 3, 1, 2), 1).flatten(1)


class Pixels(Seeded):
    """Pictures as cameras give them: a whole one and, upside down, one that a number scales; the last is no picture."""

    def build(self):
        self.register_buffer("mean", torch.tensor([120.0, 110.0, 100.0]).reshape(1, 3, 1, 1))
        self.register_buffer("gain", torch.tensor([0.02, 0.03, 0.01]).reshape(3, 1, 1))
        self.register_buffer("rows", torch.ones(1, 3, 11, 1))
        self.one, self.two, self.three = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3, padding="same"), nn.Conv2d(3, 4, 1)

    def forward(self, x):
        first = self.one(self.gain * (x.permute(0, 3, 1, 2).contiguous() - self.mean))
        second = self.two((2 + x.flip(1)).permute(0, -1, 1, 2).clone() / 255)
        third = self.three(x.permute(0, 3, 1, 2) * self.rows)
        fourth = (x.permute(0, 3, 1, 2).contiguous() * self.gain).flatten(1)
        return first.mean() + second + third + fourth.sum()


class Tinted(Seeded):
    """Pixels scaled in ways that are best left alone: each is a reason."""

    reason = ""

    def build(self):
        self.register_buffer("tint", torch.tensor([0.5, 2.0, 3.0]).reshape(3, 1, 1))
        self.register_buffer("mirror", self.tint.view(3))
        self.learnt = nn.Parameter(self.tint * 2)
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        planes = x.permute(0, 3, 1, 2)
        if self.reason == "weighted twice":
            return self.conv(torch.add(self.tint, planes, alpha=2))
        if self.reason == "trained":
            return self.conv(planes * self.learnt)
        if self.reason == "divided otherwise":
            return self.conv(torch.div(planes, self.tint, rounding_mode="floor"))
        if self.reason == "a constant changes":
            y = planes * self.tint
            self.tint.mul_(0.9)
            return self.conv(y)
        if self.reason == "a constant's memory changes":
            y = planes * self.tint
            self.mirror.mul_(0.9)
            return self.conv(y)
        if self.reason == "a view of a constant changes":
            y, seen = planes * self.tint, self.tint.view(3)
            seen.add_(1.0)
            return self.conv(y)
        copy = x.clone()
        y = copy.permute(0, 3, 1, 2) * 0.5
        (copy if self.reason == "pixels change" else copy.unbind(0)[0]).add_(1.0)
        return self.conv(y + self.tint)


class Attends(Seeded):
    def build(self):
        self.causal = False
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Masked(Seeded):
    def build(self):
        self.register_buffer("kept", torch.ones(6, 6, dtype=torch.bool).tril())
        self.register_buffer("added", torch.zeros(6, 6).masked_fill(~self.kept, -torch.inf))
        self.register_buffer("nothing", torch.zeros(6, 6, dtype=torch.bool))

    def forward(self, x):
        heads = x.reshape(1, 6, 2, 8).transpose(1, 2)
        attend = F.scaled_dot_product_attention
        return sum(
            (attend(heads, heads * 2, heads + 1, mask, is_causal=causal, scale=scale)
             for mask, causal, scale in ((self.kept, False, None), (self.added, False, 0.3), (None, True, None))),
            torch.zeros(1),
        ) + torch.matmul(heads, heads.transpose(-2, -1))[..., :1]


class Blank(Masked):
    """Every row is masked as a whole: the guard must stay."""

    def forward(self, x):
        heads = x.reshape(1, 6, 2, 8).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads, self.nothing) + x.mean()


class Normed(Seeded):
    def build(self):
        self.layers = nn.Sequential(nn.Linear(16, 256), nn.LayerNorm(256), nn.GELU(), nn.Linear(256, 4))
        self.plain = nn.LayerNorm((4, 4), elementwise_affine=False)
        nn.init.normal_(self.layers[1].weight)
        nn.init.normal_(self.layers[1].bias)

    def forward(self, x):
        return self.layers(x) + self.plain(x.reshape(1, 4, 4))[:, 1]


class Plain(Seeded):
    def build(self):
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x):
        return self.body(x)
'''
VITS = '''
import torch
from edgec.upstream.torchvision_ops import import_torchvision

import_torchvision()
from torchvision.models import VisionTransformer


def small():
    torch.manual_seed(0)
    model = VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=4
    )
    torch.nn.init.normal_(model.heads.head.weight, std=0.2)
    return model.eval()
'''
PICTURE, PLANES, VECTOR, TOKENS, PIXELS = (1, 3, 11, 11), (1, 4, 5, 5), (1, 4), (1, 6, 16), (1, 11, 9, 3)
FITS = [
    ("silu", "Swish", PICTURE, 2),
    ("constants", "Computed", PICTURE, 5),
    ("hardsigmoid", "Gate", PICTURE, 1),
    ("pooling", "Gate", PICTURE, 1),
    ("pooling", "Means", PLANES, 4),
    ("views", "Shuffled", PLANES, 12),
    ("rolls", "Windows", PICTURE, 1),
    ("views", "Windows", PICTURE, 4),
    ("pooling", "Windows", PICTURE, 1),
    ("nearest", "Enlarged", PLANES, 2),
    ("pixels", "Pixels", PIXELS, 2),
    ("attention", "Attends", TOKENS, 1),
    ("attention", "Masked", TOKENS, 3),
    ("products", "Masked", TOKENS, 1),
]


def net(name):
    space = {}
    exec(compile(NETS, "nets.py", "exec"), space)
    return space[name]().eval()


def exported(name, shape, half=False):
    import torch

    torch.manual_seed(2)
    model, given = net(name), torch.randn(shape)
    if half:
        model, given = model.half(), given.half()
    return torch.export.export(model, (given,)), given


def lowered_facts(program):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    from edgec.runtime.program import read_program

    return read_program(
        bytes(to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer)
    )


@pytest.fixture(scope="module")
def rewritten():
    """A function that exports a net and applies one rewrite to a copy: program, copy, places, input."""

    def of(name, net, shape, half=False):
        program, given = exported(net, shape, half)
        copy = duplicate(program)
        places = rewrite_module(name).rewrite(copy)
        copy.validate()
        return program, copy, places, given

    return of


@pytest.mark.parametrize(("name", "net", "shape", "places"), FITS, ids=[f"{name}-{net}" for name, net, _, _ in FITS])
def test_a_rewritten_graph_computes_the_same(name, net, shape, places, rewritten):
    program, copy, found, given = rewritten(name, net, shape)
    assert len(found) == places
    before = [str(node) for node in program.graph.nodes]
    expected, actual = (item.module(check_guards=False)(given).detach() for item in (program, copy))
    assert float((expected - actual).abs().max()) <= 2e-6 * float(expected.abs().max())
    assert [str(node) for node in program.graph.nodes] == before, "the program itself was changed"
    assert rewrite_module(name).rewrite(copy) == [], "it fits where it has been applied"


@pytest.mark.parametrize("name", REWRITES)
def test_what_does_not_fit_is_left_alone(name, rewritten):
    program, copy, found, _ = rewritten(name, "Plain", PICTURE)
    assert found == []
    assert str(copy.graph) == str(program.graph)
    assert list(copy.state_dict) == list(program.state_dict) and list(copy.constants) == list(program.constants)


@pytest.mark.parametrize(
    ("name", "net", "shape", "half", "kernel"),
    [
        ("hardsigmoid", "Gate", PICTURE, False, "dim_order_ops::_to_dim_order_copy.out"),
        ("views", "Shuffled", PLANES, False, "aten::split_with_sizes_copy.out"),
        ("pooling", "Means", PLANES, False, "aten::mean.out"),
        ("rolls", "Windows", PICTURE, False, "aten::index_select.out"),
        ("nearest", "Enlarged", PLANES, False, "aten::upsample_nearest2d.vec_out"),
        pytest.param("nearest", "Enlarged", PLANES, True, "aten::upsample_nearest2d.vec_out", marks=pytest.mark.slow),
        pytest.param("views", "Windows", PICTURE, False, "aten::slice_copy.Tensor_out", marks=pytest.mark.slow),
        pytest.param("pooling", "Windows", PICTURE, False, "aten::as_strided_copy.out", marks=pytest.mark.slow),
        ("attention", "Attends", TOKENS, False, "aten::logical_not.out"),
        pytest.param("products", "Masked", TOKENS, False, "aten::expand_copy.out", marks=pytest.mark.slow),
        ("silu", "Swish", PICTURE, True, "dim_order_ops::_to_dim_order_copy.out"),
        ("gelu", "Normed", (1, 16), True, "aten::gelu.out"),
    ],
)
def test_what_was_called_outside_the_delegate_is_called_no_more(name, net, shape, half, kernel, rewritten):
    program, copy, _, _ = rewritten(name, net, shape, half)
    before, after = lowered_facts(program), lowered_facts(copy)
    assert kernel in before.kernels
    assert kernel not in after.kernels or after.kernels[kernel] < before.kernels[kernel]
    assert sum(after.kernels.values()) < sum(before.kernels.values()) or name == "gelu"


def test_silu_becomes_integer_in_a_quantized_graph(rewritten):
    from edgec.delegates import xnnpack
    from edgec.recipes import int8

    def integer(program, given):
        given_to_it = {"calibration": lambda: [(given,)], "example": (given,), "dynamic": None, "graph_dynamic": None}
        material = SimpleNamespace(**given_to_it, delegate_options={}, inputs=())
        quantized = int8.quantize(program, material, xnnpack, {})
        products = [node for node in quantized.graph.nodes if str(node.target) in ("aten.mul.Tensor", "aten.silu.default")]
        return [all("quantize_per_tensor" in str(user.target) for user in node.users) for node in products if node.users]

    program, copy, _, given = rewritten("silu", "Swish", PICTURE)
    assert len(integer(copy, given)) == 2 and all(integer(copy, given))
    assert not any("mul" in str(node.target) for node in program.graph.nodes)


def test_weights_computed_in_the_graph_are_a_trap_without_folding(rewritten):
    """Raw, the weight is computed on every inference, by calls that no delegate takes; folded, nothing is left."""
    import torch

    program, copy, (place,), _ = rewritten("constants", "Weighted", PICTURE)
    assert torch.equal(held(copy)[place], net("Weighted").layer.weight)
    assert weight_bytes(copy) < weight_bytes(program), "weight_norm's magnitudes go away"
    raw, folded = lowered_facts(program), lowered_facts(copy)
    assert raw.kernels and not folded.kernels
    assert folded.delegates == {"XnnpackBackend": 1}


def test_a_picture_is_scaled_before_it_becomes_planes(rewritten):
    """One value a channel is written out for a row of pixels; a number stays one, and what was there before goes away."""
    program, copy, places, _ = rewritten("pixels", "Pixels", PIXELS)
    assert [str(place.args[0].target) for place in places] == ["aten.mul.Tensor", "aten.div.Tensor"]
    rows = [tuple(tensor.shape) for name, tensor in copy.constants.items() if name not in program.constants]
    assert rows == [(1, 1, 9, 3)] * 2
    assert "mean" in program.state_dict and "mean" not in copy.state_dict and "gain" in copy.state_dict


@pytest.mark.parametrize("reason", [
    "weighted twice", "trained", "divided otherwise", "a constant changes", "a view of a constant changes",
    "a constant's memory changes", "pixels change", "a view of pixels changes",
])  # fmt: skip
def test_pixels_are_left_alone_where_a_row_of_constants_would_not_do(reason):
    import torch

    model = net("Tinted")
    type(model).reason = reason
    program = torch.export.export(model, (torch.randn(PIXELS),))
    copy = duplicate(program)
    assert rewrite_module("pixels").rewrite(copy) == []
    assert str(copy.graph) == str(program.graph)


def test_a_row_too_long_to_write_out_is_left_alone():
    import torch

    layers = torch.nn.Conv2d(64, 2, 1)

    class Wide(torch.nn.Module):
        def forward(self, x):
            return layers(x.permute(0, 3, 1, 2) * 0.5 - 1.0)

    for width, places in ((256, 1), (257, 0)):
        program = torch.export.export(Wide(), (torch.randn(1, 2, width, 64),))
        assert len(rewrite_module("pixels").rewrite(program)) == places


def test_what_is_computed_of_parameters_goes_on_being_one(rewritten):
    """A recipe that trains must find it; a mask painted with constants, of a parameter's shape, is none."""
    import torch

    program, copy, places, given = rewritten("constants", "Computed", PICTURE)
    signature = copy.graph_signature
    assert [place.name in signature.inputs_to_parameters for place in places].count(True) == 4
    (mask,) = [place for place in places if place.name not in signature.inputs_to_parameters]
    assert tuple(held(copy)[mask].shape) == (9, 9)
    trained = dict(copy.module(check_guards=False).named_parameters())
    assert all(signature.inputs_to_parameters[place.name] in trained for place in places if place is not mask)
    kinds = [spec.kind.name for spec in signature.input_specs]
    assert kinds == sorted(kinds, key=["PARAMETER", "BUFFER", "CONSTANT_TENSOR", "USER_INPUT"].index)
    again = copy.run_decompositions({}).module(check_guards=False)(given)
    assert torch.allclose(again, program.module(check_guards=False)(given), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["Remembers", "Painted"])
def test_what_changes_between_or_during_inferences_is_not_folded(name, rewritten):
    program, copy, places, _ = rewritten("constants", name, VECTOR)
    assert places == []
    assert str(copy.graph) == str(program.graph)


def test_attention_with_rows_all_masked_keeps_its_guard(rewritten):
    _, _, places, _ = rewritten("attention", "Blank", TOKENS)
    assert places == []


def test_half_layer_norm_is_computed_in_float32(rewritten):
    import torch

    program, copy, places, given = rewritten("layer-norm", "Normed", (1, 16), half=True)
    assert len(places) == 2
    with torch.no_grad():
        exact = net("Normed")(given.float())
    expected, actual = (item.module(check_guards=False)(given).float() for item in (program, copy))
    assert float((actual - exact).abs().max()) <= 2 * float((expected - exact).abs().max())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project of its own: a module's name is taken once a process."""
    found = tmp_path_factory.mktemp("rewritten")
    (found / "rewritten_nets.py").write_text(NETS)
    (found / "rewritten_vits.py").write_text(VITS)
    return found


def job(entry, recipe, folder, tmp_path, shape=PICTURE, samples=24):
    from edgec.lowering import lowering

    name, text = ("rewritten_vits", VITS) if entry == "small" else ("rewritten_nets", NETS)
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).standard_normal((samples, *shape[1:])).astype(np.float32))
    (folder / "data.npz").write_bytes((tmp_path / "x.npz").read_bytes())
    made = plan(
        Choice(name="python", options={"entry": f"{name}:{entry}"}), (tensor("x", *shape),), recipe=Choice(name=recipe),
        data=tuple(Data(role=role, format="npz", options={"path": "data.npz"}) for role in ("calibration", "evaluation")),
    )  # fmt: skip
    made = dataclasses.replace(made, files={f"{name}.py": hashlib.sha256(text.encode()).hexdigest()})
    (tmp_path / "job").mkdir(exist_ok=True)
    return lowering(made, project(folder), tmp_path / "job", lambda line: None)


def test_a_job_records_its_rewrites_and_holds_them_against_the_exported_graph(folder, tmp_path):
    found = job("Computed", "int8", folder, tmp_path)
    (constants,) = [item for item in found.rewrites if item.name == "constants"]
    assert constants.places == 5 and not constants.dropped
    assert constants.operators[0] > constants.operators[1]
    assert constants.max_relative_error < 1e-5
    steps = [(item.before, item.after) for item in found.boundaries]
    assert steps[:3] == [("eager", "exported"), ("exported", "rewritten"), ("rewritten", "quantized")]
    assert found.kernels == () and found.delegation == 1.0


def test_silu_is_rewritten_for_static_int8_only(folder, tmp_path):
    assert [item.name for item in job("Swish", "int8", folder, tmp_path).rewrites] == ["silu"]
    found = job("Swish", "fp32", folder, tmp_path)
    assert found.rewrites == () and "rewritten" not in {item.after for item in found.boundaries}


def test_no_rewrite_leaves_the_bytes_as_they_are(folder, tmp_path, monkeypatch):
    """A graph that none fits lowers to the bytes that it has without any."""
    with_all = job("Plain", "int8", folder, tmp_path)
    monkeypatch.setattr("edgec.stages.rewrite.REWRITES", {})
    assert job("Plain", "int8", folder, tmp_path) == with_all
    assert with_all.rewrites == ()


def test_a_rewrite_that_breaks_parity_is_dropped_and_named(folder, tmp_path, monkeypatch):
    from edgec.rewrites import silu

    genuine = silu.rewrite

    def wrong(program):
        found = genuine(program)
        for node in found:
            node.args = (node.args[1], node.args[1])
        return found

    monkeypatch.setattr(silu, "rewrite", wrong)
    found = job("Swish", "int8", folder, tmp_path)
    (dropped,) = found.rewrites
    assert dropped.name == "silu" and "exported to rewritten" in dropped.dropped
    assert "rewritten" not in {item.after for item in found.boundaries}


def test_a_dropped_rewrite_does_not_stop_the_next(tmp_path, monkeypatch):
    from edgec.stages import rewrite as stage

    program, given = exported("Computed", PICTURE)
    made = dataclasses.replace(plan(Choice(name="python"), (tensor("x", *PICTURE),)), recipe=Choice(name="int8"))

    def answer(changed):
        return [(changed.module(check_guards=False)(given).detach().numpy(),)]

    def hold(before, after):
        if not hold.seen:
            hold.seen = True
            raise Failure(Diagnostic(code="parity-broken", message="too far"))
        from edgec.stages.compare import boundary

        return boundary(("exported", "rewritten"), ["one"], before, after)

    hold.seen = False
    found = stage.rewrite(made, program, answer(program), answer, hold)
    assert [(item.name, bool(item.dropped)) for item in found.record][:2] == [("constants", True), ("pooling", False)]
    assert found.changed and found.program is not program



@pytest.mark.parametrize(("recipe", "floor", "outside"), [
    ("fp32", 90.0, {"aten::native_layer_norm.out"}),
    ("fp16", 40.0, set()),
    ("int8", 10.0, {"aten::native_layer_norm.out"}),
    ("int8-dynamic", 15.0, {"aten::native_layer_norm.out"}),
])  # fmt: skip
def test_a_vision_transformer_comes_out_right(recipe, floor, outside, folder, tmp_path):
    """Raw, two of its layers leave 41 calls outside the delegate, and in fp16 the answers are wrong."""
    found = job("small", recipe, folder, tmp_path, shape=(1, 3, 32, 32))
    assert set(found.kernels) == outside
    assert found.boundaries[-1].sqnr > floor
    assert {item.name for item in found.rewrites} >= {"constants", "attention", "views"}


def of(function, given, **held):
    """A module of one function, exported for one tensor; ``held`` are its parameters."""
    import torch

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, parameter in held.items():
                self.register_parameter(name, parameter)

        def forward(self, x):
            return function(self, x)

    return torch.export.export(Module().eval(), (given,))


def inplace(name, shown):
    """An activation in place, of a part of what ``shown`` shows afterwards, and one that nobody else sees."""
    import torch

    def function(_, x):
        y = x * 1.5
        kept = shown(y)
        getattr(torch.nn.functional, name)(y[:, :2] if kept is y else y, inplace=True)
        return kept * 2, getattr(torch.nn.functional, name)(x * 3, inplace=True)

    return function


def unsuitable():
    """For each rewrite a function with a place that does not suit it, and one other that does."""
    import torch

    functions = torch.nn.functional
    attend = functions.scaled_dot_product_attention
    return {
        "silu-of-a-slice": ("silu", inplace("silu", lambda y: y)),
        "hardsigmoid-beside-a-view": ("hardsigmoid", inplace("hardsigmoid", lambda y: y.view(-1))),
        "roll-of-a-whole-turn": ("rolls", lambda _, x: (x.roll(6, 1).add_(1) + x, x.roll(1, 1))),
        "padding-by-nothing": ("views", lambda _, x: (functions.pad(x, (0, 0)).add_(1) + x, x[:, 0])),
        "nearest-of-integers": (
            "nearest", lambda _, x: [functions.interpolate(y[None], scale_factor=2.0) for y in (x, x.to(torch.uint8))],
        ),
        "mean-of-a-number": ("pooling", lambda _, x: x.sum().mean(dim=0) + x.mean(dim=1)),
        "roll-of-nothing": ("rolls", lambda _, x: (x[:, :0].roll(1, 1), x.roll(1, 1))),
        "products-of-nothing": ("products", lambda _, x: (x[:, :, :0] @ x[:, :, :0].mT, x @ x.mT)),
        "attention-to-nothing": ("attention", lambda _, x: (attend(x[:, :0], x, x), attend(x, x, x))),
        "attention-without-scores": ("attention", lambda _, x: (attend(x, x, x, scale=0.0), attend(x, x, x))),
        "seven-axes": ("views", lambda _, x: (x.reshape(1, 1, 2, 3, 2, 4).relu().unsqueeze(0), x.unsqueeze(0))),
    }  # fmt: skip


CASES = [
    "silu-of-a-slice", "hardsigmoid-beside-a-view", "roll-of-a-whole-turn", "padding-by-nothing",
    "nearest-of-integers", "mean-of-a-number", "roll-of-nothing", "products-of-nothing",
    "attention-to-nothing", "attention-without-scores", "seven-axes",
]


@pytest.mark.parametrize("case", CASES)
def test_one_unsuitable_place_is_left_and_the_others_are_rewritten(case):
    import torch

    name, function = unsuitable()[case]
    given = torch.rand(2, 6, 4) * 4 - 2
    program = of(function, given)
    copy = duplicate(program)
    assert len(rewrite_module(name).rewrite(copy)) == 1
    copy.validate()
    for before, after in zip(*(item.module(check_guards=False)(given.clone()) for item in (program, copy)), strict=True):
        assert torch.allclose(before, after, atol=1e-6)


def test_a_learnt_mask_goes_on_being_a_parameter_and_is_held_once():
    import torch

    attend = torch.nn.functional.scaled_dot_product_attention
    mask, twice = (torch.nn.Parameter(torch.randn(6, 6)) for _ in range(2))
    given = torch.randn(2, 6, 8)

    def function(self, x):
        return attend(x, x, x, self.mask) + attend(x, x * 2, x, self.twice) + attend(x, x, x * 2, self.twice)

    program = of(function, given, mask=mask, twice=twice)
    copy = duplicate(program)
    assert len(rewrite_module("attention").rewrite(copy)) == 1
    copy.validate()
    assert weight_bytes(copy) == weight_bytes(program)
    graph = copy.module(check_guards=False)
    found = graph(given)
    found.sum().backward()
    assert [parameter.grad is not None for parameter in graph.parameters()] == [True, True]
    assert torch.allclose(found, program.module(check_guards=False)(given), atol=1e-5)


def test_a_rewrite_that_fails_is_dropped_and_named(monkeypatch):
    from edgec.rewrites import pooling
    from edgec.stages import rewrite as stage

    program, given = exported("Gate", PICTURE)

    def broken(changed):
        raise IndexError("no such axis\nand more")

    def answer(changed):
        return [(changed.module(check_guards=False)(given).detach().numpy(),)]

    def hold(before, after):
        from edgec.stages.compare import boundary

        return boundary(("exported", "rewritten"), ["one"], before, after)

    monkeypatch.setattr(pooling, "rewrite", broken)
    made = plan(Choice(name="python"), (tensor("x", *PICTURE),))
    found = stage.rewrite(made, program, answer(program), answer, hold)
    told = {item.name: (item.places, item.dropped) for item in found.record}
    assert told["pooling"] == (0, "it does not work on this graph: IndexError: no such axis")
    assert told["hardsigmoid"] == (1, "") and found.changed

    def full(changed):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(pooling, "rewrite", full)
    with pytest.raises(RuntimeError, match="allocate memory"):
        stage.rewrite(made, program, answer(program), answer, hold)
