"""The command that looks for wrong labels, copies and strangers: inspect."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.commands.command import argument, command
from core.commands.photos import SET, recipe_of
from core.runs.run import PRESIZED

if TYPE_CHECKING:
    from core.insight.inspect import Insight


@command(
    "inspect",
    argument("recipe", help="a file that `new` wrote"),
    argument("--json", action="store_true", help="all that was found, as JSON"),
    SET,
)
def inspect(args: argparse.Namespace) -> None:
    """Find wrong labels, copies and photos unlike all others, and say whether more photos would help."""
    from core.data.check import examine
    from core.events import Event
    from core.insight.inspect import inspect as look
    from core.training.progress import shown

    found: list[Insight] = []

    def events() -> Iterator[Event]:
        recipe = recipe_of(args)
        examined = yield from examine(recipe, args.workspace, cache=args.workspace / PRESIZED)
        found.append((yield from look(recipe, examined, args.workspace)))

    for _ in shown(events()):
        pass
    print(json.dumps(found[0].document(), indent=1) if args.json else "\n".join(found[0].lines()))
