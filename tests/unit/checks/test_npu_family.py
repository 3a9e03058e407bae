"""A configuration of one family of NPUs compiles for no other; its multiply-accumulates a cycle are the chip's own matter."""

from dataclasses import replace

import pytest

from edgec.artifacts.manifest import Choice
from edgec.checks.candidates import unfit
from edgec.targets.table import TARGETS


@pytest.mark.parametrize(
    ("target", "configuration", "fits"),
    [
        ("corstone-300", "ethos-u55-256", True),
        ("corstone-300", "ethos-u85-128", False),
        ("corstone-300", "ethos-u65-256", False),
        ("corstone-320", "ethos-u85-2048", True),
        ("corstone-320", "ethos-u55-128", False),
    ],
)
def test_families_do_not_mix(target, configuration, fits):
    found = unfit(Choice(name="ethos-u", options={"configuration": configuration}), TARGETS[target])
    assert (found is None) == fits
    assert fits or (configuration in str(found) and TARGETS[target].accelerator in str(found))


def test_what_the_target_decides_or_does_not_know_fits():
    assert unfit(Choice(name="ethos-u"), TARGETS["corstone-320"]) is None
    bare = replace(TARGETS["corstone-300"], accelerator="")
    assert unfit(Choice(name="ethos-u", options={"configuration": "ethos-u85-256"}), bare) is None
    assert unfit(Choice(name="xnnpack"), TARGETS["jetson-nano"]) is None
