"""The arguments of commands that may train on a rented machine, and the question before it is rented."""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands.command import argument
from core.errors import BadInput

if TYPE_CHECKING:
    from core.publish.hub import Hub
    from core.publish.jobs.offer import Rent
    from core.recipe import Recipe

JOBS = "hf-jobs"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _limit(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if found and 300 <= (seconds := float(found[1]) * UNITS[found[2]]) <= 30 * UNITS["d"]:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a time from 5m to 30d, such as 90m or 2h")


ON = (
    argument("--on", choices=("here", JOBS), default="here", help="hf-jobs: on a rented GPU of Hugging Face Jobs"),
    argument("--flavor", default="t4-small", metavar="NAME", help="the rented machine (t4-small)"),
    argument("--timeout", type=_limit, default="1h", metavar="TIME", help="the time limit of what is rented (1h)"),
    argument("--yes", action="store_true", help="rent without asking, after the price and what is sent are shown"),
    argument("--keep", action="store_true", help="keep what was sent, in a private data set on the Hub"),
)


def rent_agreed(recipe: Recipe, args: argparse.Namespace, hub: Hub) -> Rent:
    """What to rent, after the price and what is sent were shown and agreed to; raises BadInput if they were not."""
    from core.publish.jobs.bundle import Bundle
    from core.publish.jobs.offer import Rent, offer

    rent = Rent(args.flavor, args.timeout, args.keep, args.finish_after, getattr(args, "accept_changes", False))
    print(offer(rent, Bundle(recipe, Path(args.workspace)), hub.api, hub.user()))
    if args.yes:
        return rent
    if not sys.stdin.isatty():
        raise BadInput("Nothing was rented or sent, as nobody can be asked here; give --yes if you agree.")
    answer = ""
    with suppress(EOFError, KeyboardInterrupt):
        answer = input("Go on? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise BadInput("Nothing was rented or sent, as you did not agree.")
    return rent
