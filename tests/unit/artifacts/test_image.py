"""A bundle's files to the layers that a registry keeps apart: wherever a kind of bundle has its model, that is the model's."""

import pytest

from edgec.artifacts.image import TARGET, images_of, part_of
from edgec.artifacts.oci import MANIFEST
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


def index_of(*bundles):
    listed = [{"mediaType": MANIFEST, "digest": f"sha256:{digest * 64}", "size": 2, "annotations": {TARGET: target}}
              for target, digest in bundles]  # fmt: skip
    return {"manifests": listed}


def test_an_index_names_each_target_and_each_bundle_once():
    assert [item.annotations[TARGET] for item in images_of(index_of(("pi", "a"), ("nano", "b")))] == ["pi", "nano"]
    with pytest.raises(ValueError, match="names the target 'pi' twice"):
        images_of(index_of(("pi", "a"), ("nano", "b"), ("pi", "c")))
    with pytest.raises(ValueError, match="names one bundle for two targets"):
        images_of(index_of(("pi", "a"), ("nano", "a")))
