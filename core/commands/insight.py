"""The command that looks for wrong labels, copies and outliers: inspect."""

from __future__ import annotations

import argparse
import json

from core.commands.command import argument, command
from core.commands.photos import SET, recipe_of
from core.runs.run import PRESIZED


@command(
    "inspect",
    argument("recipe", help="a file that `new` wrote"),
    argument("--json", action="store_true", help="print everything that was found as JSON"),
    SET,
)
def inspect(args: argparse.Namespace) -> None:
    """Find wrong labels, copies and photos unlike all others, and estimate whether more photos would help."""
    from core.data.check import examine
    from core.events import drain
    from core.insight.inspect import inspect as look
    from core.training.progress import Progress

    recipe = recipe_of(args)
    with Progress() as progress:
        examined = drain(examine(recipe, args.workspace, cache=args.workspace / PRESIZED), progress.show)
    with Progress() as progress:
        found = drain(look(recipe, examined, args.workspace), progress.show)
    print(json.dumps(found.document(), indent=1) if args.json else "\n".join(found.lines()))
