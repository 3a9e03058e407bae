"""The reference detector: YOLOv3-tiny as published at full width, and lowered whole once nearest enlargement is rewritten."""

import sys
from pathlib import Path

import pytest
import torch

from edgec.rewrites import nearest
from edgec.rewrites.graph import duplicate

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
PUBLISHED = 8_852_366
"""Trainable parameters of yolov3-tiny.cfg with 80 classes, as other implementations count them."""


@pytest.fixture(scope="module")
def network():
    sys.path.insert(0, str(MANIFESTS))
    try:
        import detector_model
    finally:
        sys.path.remove(str(MANIFESTS))
    return detector_model


def seeded(network, **arguments):
    torch.manual_seed(0)
    return network.Detector(**arguments).eval()


def test_at_full_width_it_is_the_published_network(network):
    model = seeded(network)
    assert sum(parameter.numel() for parameter in model.parameters()) == PUBLISHED
    kernels = [tuple(layer.weight.shape) for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert kernels == [
        (16, 3, 3, 3), (32, 16, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3), (256, 128, 3, 3), (512, 256, 3, 3),
        (1024, 512, 3, 3), (256, 1024, 1, 1), (512, 256, 3, 3), (255, 512, 1, 1), (128, 256, 1, 1),
        (256, 384, 3, 3), (255, 256, 1, 1),
    ]  # fmt: skip
    with torch.no_grad():
        coarse, fine = model(torch.rand(1, 3, 416, 416))
    assert (coarse.shape, fine.shape) == ((1, 255, 13, 13), (1, 255, 26, 26))
    assert float(coarse.std()) > 0.001 and float(coarse.abs().max()) < 100, "seeded weights give answers that differ"


@pytest.mark.parametrize(("side", "width", "classes"), [(160, 0.25, 10), (96, 0.125, 1), (320, 0.5, 20)])
def test_width_and_input_size_are_options(network, side, width, classes):
    with torch.no_grad():
        coarse, fine = seeded(network, width=width, classes=classes)(torch.rand(1, 3, side, side))
    outputs = 3 * (5 + classes)
    assert coarse.shape == (1, outputs, side // 32, side // 32)
    assert fine.shape == (1, outputs, side // 16, side // 16)


def test_the_last_pooling_reaches_over_the_edge_as_darknets_does(network):
    features = torch.randn(1, 2, 5, 5)
    padded = torch.nn.functional.pad(features, (0, 1, 0, 1), value=-torch.inf)
    assert torch.equal(network.KeptPool()(features), torch.nn.functional.max_pool2d(padded, 2, 1))


@pytest.mark.parametrize(
    ("width", "side", "half"), [(0.125, 96, True), pytest.param(1.0, 416, False, marks=pytest.mark.slow)]
)
def test_xnnpack_takes_all_of_it(network, width, side, half):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    from edgec.runtime.program import read_program

    model, given = seeded(network, width=width), torch.rand(1, 3, side, side)
    if half:
        model, given = model.half(), given.half()
    program = duplicate(torch.export.export(model, (given,)))
    assert len(nearest.rewrite(program)) == 1
    with torch.no_grad():
        for expected, actual in zip(model(given), program.module(check_guards=False)(given), strict=True):
            torch.testing.assert_close(actual, expected)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    facts = read_program(bytes(lowered.buffer))
    assert facts.kernels == {} and set(facts.backends) == {"XnnpackBackend"}
