"""A command of `python -m core`: a function with its arguments declared beside it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.device import VARIABLE

Run = Callable[[argparse.Namespace], int | None]
Argument = Callable[[argparse.ArgumentParser], object]
R = TypeVar("R", bound=Callable[[argparse.Namespace], Any])


@dataclass(frozen=True)
class Command:
    """The name of a command, its function, and the functions that add its arguments to a parser."""

    name: str
    run: Run
    arguments: tuple[Argument, ...]
    epilog: str | Callable[[], str]
    long_running: bool

    def add_to(self, commands: Any) -> None:
        """Add it to the subparsers of argparse; its help is the docstring of its function."""
        help = self.run.__doc__
        raw = argparse.RawDescriptionHelpFormatter
        parser = commands.add_parser(self.name, help=help, description=help, formatter_class=raw)
        parser.end = self.epilog
        parser.set_defaults(command=self)
        for add in (WORKSPACE, *self.arguments):
            add(parser)


class Parser(argparse.ArgumentParser):
    """A parser whose help may end with a text that is only made when it is shown, such as a list of plugins."""

    end: str | Callable[[], str] = ""

    def format_help(self) -> str:
        """The help, which ends with `end`."""
        self.epilog = self.end() if callable(self.end) else self.end
        return super().format_help()


def command(
    name: str, *arguments: Argument, epilog: str | Callable[[], str] = "", long_running: bool = False
) -> Callable[[R], R]:
    """Decorate the function of a command; a `long_running` one continues when its output can no longer be written.

    `epilog` is shown below its help; it may be a function, if it takes long to make.
    """

    def declare(run: R) -> R:
        COMMANDS.append(Command(name, run, arguments, epilog, long_running))
        return run

    return declare


def argument(*names: str, **options: Any) -> Argument:
    """An argument of a command, with the parameters of argparse's `add_argument`."""
    return lambda parser: parser.add_argument(*names, **options)


COMMANDS: list[Command] = []
RUN = argument("run", help="a run's folder or name")
DEVICE = argument(
    "--device",
    metavar="NAME",
    help=f"cpu, cuda, cuda:1 or mps; default: {VARIABLE}, else the recipe's, else the best",
)
WORKSPACE = argument(
    "--workspace",
    type=Path,
    default=Path("workspace"),
    metavar="DIR",
    help="the folder that holds the runs (./workspace)",
)
