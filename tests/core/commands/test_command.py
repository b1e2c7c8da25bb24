"""A command is a function with its arguments beside it; the parser is made of what was declared."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from core.__main__ import _parser
from core.commands.command import COMMANDS, Command, argument


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_shows_each_command_with_the_sentence_of_its_function(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        _parser().parse_args([command.name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert str(command.run.__doc__) in text and "--workspace DIR" in text


def test_a_declared_command_is_parsed_by_its_arguments() -> None:
    def count(args: argparse.Namespace) -> int:
        """Count."""
        return int(args.number)

    parser = argparse.ArgumentParser()
    declared = Command(
        "count", count, (argument("number", type=int), argument("--twice", action="store_true")), "", False
    )
    declared.add_to(parser.add_subparsers())
    args = parser.parse_args(["count", "5", "--twice"])
    assert args.command.run(args) == 5 and args.twice and args.workspace == Path("workspace")
