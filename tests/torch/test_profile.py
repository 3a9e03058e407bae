"""What a job counts of a model: multiply-accumulates by hand, the same alone and beside a lowering."""

import pytest
from plans import plan, project, tensor

from edgec import job
from edgec.artifacts.manifest import Choice
from edgec.diagnostics import Failure


def net(name, *shape):
    return plan(Choice(name="python", options={"entry": f"nets:{name}"}), (tensor("x", *shape),))


def test_it_counts_alone_what_it_counts_beside_a_lowering(tiny_project, tmp_path):
    """16 x 32 and 32 x 4 weights, used once each."""
    made = net("Linear", 1, 16)
    found = job.profile(made, project(tiny_project), tmp_path / "alone")
    assert found.macs == {"convolution": 0, "linear": 16 * 32 + 32 * 4, "other": 0}
    assert found.parameters == 16 * 32 + 32 + 32 * 4 + 4 and not found.dynamic
    assert found.operators["aten::linear"] == 2
    assert job.run(made, project(tiny_project), tmp_path / "beside").profile == found


def test_a_varying_size_is_told(tiny_project, tmp_path):
    assert job.profile(net("Linear", (1, 8), 16), project(tiny_project), tmp_path).dynamic


def test_a_model_that_does_not_load_is_its_own_failure(tiny_project, tmp_path):
    with pytest.raises(Failure) as caught:
        job.profile(net("Missing", 1, 16), project(tiny_project), tmp_path)
    assert caught.value.exit_code in (3, 4)
