"""Workarounds change no bytes, and are still needed."""

from contextlib import nullcontext

import pytest

from edgec.stages.lower import compute_operators, refusals, uncollected
from edgec.upstream.node_source import shared_provenance


def program():
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 4))
    return torch.export.export(net.eval(), (torch.zeros(1, 3, 8, 8),))


def edge(exported):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    return to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])


@pytest.fixture(scope="module")
def plain():
    return edge(program()).to_executorch().buffer


@pytest.mark.parametrize(
    "around", [shared_provenance, uncollected, refusals, nullcontext], ids=lambda around: around.__name__
)
def test_the_bytes_are_the_same(around, plain):
    with around():
        assert edge(program()).to_executorch().buffer == plain


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
