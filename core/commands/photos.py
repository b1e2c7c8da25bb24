"""Commands about photos and recipes: new, check."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.commands.command import argument, command
from core.commands.plugins import option
from core.data.text import read_bytes
from core.errors import BadInput
from core.recipe import TRAINING, Recipe
from core.registry import sources
from core.runs.run import PRESIZED, RUN_FOLDERS, Run

MAX_RECIPE_BYTES = 2**20  # a recipe usually has a few thousand
SET = argument(
    "--set",
    action="append",
    default=[],
    metavar="PATH=VALUE",
    help="change an option of the recipe, such as training.epochs=3; may be repeated",
)
TRAINING_OPTIONS = "\n".join(
    ["options of training, set with --set training.NAME=VALUE:", *(f"  {option(p)}" for p in TRAINING)]
)


@command(
    "new",
    argument(
        "photos",
        nargs="?",
        help="a folder, a .zip, or OWNER/NAME of a data set on the Hub; default: a sample of generated pictures",
    ),
    SET,
    epilog=TRAINING_OPTIONS,
)
def new(args: argparse.Namespace) -> None:
    """Write a recipe for photos in a folder, a zip or a data set on the Hub, or for the generated sample."""
    from core.data.files import no_photos
    from core.data.propose import names_of, proposal, propose_source

    source, reason = propose_source(args.photos or "")
    found = sources.build(source, args.workspace)
    items = found()
    if not items:
        raise no_photos(Path(found.root))
    recipe, reasons = proposal(names_of(found, items), Path(found.root), source)
    print(recipe.with_settings(args.set).to_json())
    print("\n".join(filter(None, [reason, *reasons])), file=sys.stderr)


@command("check", argument("recipe", help="a file that `new` wrote"), SET, epilog=TRAINING_OPTIONS)
def check(args: argparse.Namespace) -> None:
    """Read every photo once, and report what was found and which files cannot be used."""
    from core.data.check import examine
    from core.events import drain
    from core.training.progress import Progress

    with Progress() as progress:
        examined = drain(examine(recipe_of(args), args.workspace, cache=args.workspace / PRESIZED), progress.show)
    print("\n".join(examined.report.lines()))


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe in a file, with the changes of --set; raises BadInput."""
    path = Path(args.recipe)
    try:
        content = read_bytes(path, MAX_RECIPE_BYTES)
    except BadInput as error:
        raise BadInput(f"{str(error).removesuffix('.')}, or let `python -m core new` write one.") from None
    recipe = Recipe.from_json(content)
    # The paths in a run's own recipe are relative to its workspace.
    if path.name == "recipe.json" and path.parent.parent.name in RUN_FOLDERS:
        recipe = recipe.absolute(Run(path.parent).workspace)
    return recipe.with_settings(args.set)
