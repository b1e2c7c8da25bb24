"""python -m core: the engine on the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from core.atomic import disk_is_full
from core.commands import insight, labels, models, photos, plugins, publish, runs
from core.commands.command import COMMANDS, Parser
from core.commands.streams import discard, streams
from core.device import VARIABLE
from core.discovery import discover
from core.errors import BadInput

DESCRIPTION = """Train an image classifier on your own photos.

  python -m core new PHOTOS > recipe.json     look at the photos and write a recipe
  python -m core check recipe.json            report what was found, and every file that cannot be used
  python -m core train recipe.json            train; the model is a folder under workspace/runs/
  python -m core resume RUN                   continue a run that was stopped or interrupted
  python -m core predict RUN photo.jpg        use the model
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 for success, 2 for bad input, 128 + N if signal N stopped it."""
    args = _parser().parse_args(arguments)
    with streams(args.command.long_running):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    try:
        if name := getattr(args, "device", None):
            os.environ[VARIABLE] = name  # for this process and those that it starts
        failures = discover().failures
        if failures and args.command.name != "plugins":
            names = ", ".join(failures)
            print(f"warning: {names}: not loaded; `python -m core plugins` says why", file=sys.stderr)
        code: int | None = args.command.run(args)
        sys.stdout.flush()
        return code or 0
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has closed it
        discard(sys.stdout)
        return 1
    except OSError as error:
        if not disk_is_full(error):
            raise
        discard(sys.stdout)
        where = error.filename or args.workspace
        print(f"error: The disk is full: {str(where)!r} could not be written; make room.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m core", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for module in (photos, labels, insight, runs, models, publish, plugins):  # in the order in which help lists them
        for command in COMMANDS:
            if command.run.__module__ == module.__name__:
                command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
