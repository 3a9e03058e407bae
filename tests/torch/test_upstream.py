"""Workarounds change no bytes, and are still needed."""

import pytest

from edgec.stages.lower import compute_operators, refusals, uncollected
from edgec.upstream.decompositions import decomposed_once
from edgec.upstream.node_source import shared_provenance
from edgec.upstream.pattern_passes import patterns_when_needed
from edgec.upstream.recompilation import compiled_late
from edgec.upstream.retracing import retraced_when_changed


def program(name="plain"):
    import torch
    from torch.nn import functional

    class Attention(torch.nn.Module):
        def forward(self, x):
            heads = x.reshape(1, 2, 12, 8)
            return functional.scaled_dot_product_attention(heads, heads * 2, heads + 1)

    class Upsampling(torch.nn.Module):
        def forward(self, x):
            return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

    torch.manual_seed(0)
    plain = [torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 4)]
    net = {"plain": torch.nn.Sequential(*plain), "attention": Attention(), "upsampling": Upsampling()}[name]
    return torch.export.export(net.eval(), (torch.zeros(1, 3, 8, 8),))


def edge(exported):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    return to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])


@pytest.fixture(scope="module", params=["plain", "attention", "upsampling"])
def known(request):
    return request.param, edge(program(request.param)).to_executorch().buffer


AROUND = [
    shared_provenance, compiled_late, patterns_when_needed, decomposed_once, retraced_when_changed, uncollected, refusals,
]  # fmt: skip


@pytest.mark.parametrize("around", AROUND, ids=lambda around: around.__name__)
def test_the_bytes_are_the_same(around, known):
    name, plain = known
    with around():
        assert edge(program(name)).to_executorch().buffer == plain


def test_pattern_passes_still_find_their_patterns_at_a_cost():
    """When this fails, upstream/pattern_passes.py can go."""
    import inspect

    from executorch.backends.xnnpack.partition.graphs import bilinear_2d, sdpa

    assert "to_edge(" in inspect.getsource(sdpa.get_graphs)
    assert "to_edge(" in inspect.getsource(bilinear_2d)


def test_a_stale_module_is_current_when_it_is_called_or_printed():
    import torch

    module = torch.fx.symbolic_trace(torch.nn.Tanh())
    (call,) = [node for node in module.graph.nodes if node.op == "call_function"]
    with compiled_late():
        for target in (torch.neg, torch.exp, torch.sin):
            call.target = target
            module.recompile()
            if target is torch.neg:
                assert float(module(torch.ones(()))) == -1.0
            elif target is torch.exp:
                assert "exp" in module.code
            else:
                assert "sin" in str(module)
        call.target = torch.neg
        module.recompile()
    assert float(module(torch.ones(()))) == -1.0


def test_provenance_is_still_copied_upstream():
    """When this fails, upstream/node_source.py can go."""
    import inspect

    from torch.fx.traceback import NodeSource

    assert "copy.deepcopy(node.meta" in inspect.getsource(NodeSource.__init__)


def test_provenance_is_shared_inside_and_copied_again_outside():
    import copy

    from torch.fx import traceback

    node = next(iter(program().graph.nodes))
    node.meta["from_node"] = history = [traceback.NodeSource(node, "a")]
    with shared_provenance():
        assert traceback.NodeSource(node, "b").from_node[0] is history[0]
    assert traceback.NodeSource(node, "b").from_node[0] is not history[0]
    assert traceback.copy is copy


def test_operators_are_those_that_the_devtools_count():
    from executorch.devtools.backend_debug import get_delegation_info

    graph_module = edge(program()).exported_program().graph_module
    found = compute_operators(graph_module, {})
    theirs = get_delegation_info(graph_module)
    helpers = sum(
        item.delegated + item.non_delegated for name, item in theirs.delegation_by_operator.items() if "getitem" in name
    )
    counted = sum(operator.delegated + operator.left for operator in found)
    assert counted == theirs.num_delegated_nodes + theirs.num_non_delegated_nodes - helpers
    assert {operator.name: operator.delegated for operator in found}["aten::convolution"] == 1
