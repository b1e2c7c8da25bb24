"""The command that looks for wrong labels, copies and outliers: inspect."""

from __future__ import annotations

import argparse
import json
import sys

from core.commands.command import argument, command
from core.commands.photos import SET, recipe_of
from core.runs.run import PRESIZED


@command(
    "inspect",
    argument("recipe", help="a file that `new` wrote"),
    argument("--json", action="store_true", help="print everything that was found as JSON"),
    argument(
        "--leave-out-twins",
        action="store_true",
        help="leave photos out of training that have a copy in validation; the workspace's journal keeps that",
    ),
    SET,
)
def inspect(args: argparse.Namespace) -> None:
    """Find wrong labels, copies and photos unlike all others, and estimate whether more photos would help."""
    from core.data.check import examine
    from core.data.journal import Journal
    from core.events import drain
    from core.insight.inspect import inspect as look
    from core.training.progress import Progress

    recipe = recipe_of(args)
    with Progress() as progress:
        examined = drain(examine(recipe, args.workspace, cache=args.workspace / PRESIZED), progress.show)
    with Progress() as progress:
        found = drain(look(recipe, examined, args.workspace), progress.show)
    if args.leave_out_twins and (leaked := found.leaked):
        Journal(args.workspace).leave_out_of_training(leaked)
        print(f"{len(leaked):,} left out of training, as a copy is in validation", file=sys.stderr)
    print(json.dumps(found.document(), indent=1) if args.json else "\n".join(found.lines()))
