"""A bundle's files to the layers that a registry keeps apart: wherever a kind of bundle has its model, that is the model's."""

import pytest

from edgec.artifacts.image import part_of
from edgec.registry import KINDS, bundle_kind


@pytest.mark.parametrize("kind", KINDS)
def test_the_artifact_is_in_the_model_s_layer_for_every_kind(kind):
    place = bundle_kind(kind).LAYOUT.model
    assert part_of(place, {"model": {"file": place}}) == "model"


@pytest.mark.parametrize(
    ("name", "part"),
    [("lib/libexecutorch.so", "runtime"), ("bin/edgec-run", "runner"), ("include/model_pte.h", "model"), ("README.md", "rest"),
     ("tests/golden/0.in.x.bin", "rest")],
)  # fmt: skip
def test_the_others_go_where_they_change(name, part):
    assert part_of(name, {"model": {"file": "model.pte"}}) == part
