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

LARGEST_RECIPE = 2**20  # bytes; they have some hundreds
SET = argument(
    "--set", action="append", default=[], metavar="PATH=VALUE", help="as in training.epochs=3; may be repeated"
)
TRAINING_OPTIONS = "\n".join(
    ["options of training, to be --set as training.NAME=VALUE:", *(f"  {option(p)}" for p in TRAINING)]
)


@command(
    "new",
    argument(
        "photos",
        nargs="?",
        help="a folder, a .zip, or OWNER/NAME of a data set on the Hub; without it, photos that the program draws",
    ),
    SET,
    epilog=TRAINING_OPTIONS,
)
def new(args: argparse.Namespace) -> None:
    """Write a recipe for photos in a folder, a zip or a data set of the Hub, or for the drawn sample."""
    from core.data.files import no_photos
    from core.data.propose import names_of, proposal, source_of

    source = source_of(args.photos or "")
    found = sources.build(source, args.workspace)
    items = found()
    if not items:
        raise no_photos(Path(found.root))
    recipe, reasons = proposal(names_of(found, items), Path(found.root), source)
    print(recipe.with_settings(args.set).to_json())
    print("\n".join(reasons), file=sys.stderr)


@command("check", argument("recipe", help="a file that `new` wrote"), SET, epilog=TRAINING_OPTIONS)
def check(args: argparse.Namespace) -> None:
    """Read every photo once and say what was found and which files cannot be used."""
    from core.data.check import examine
    from core.events import drain
    from core.training.progress import Progress

    with Progress() as progress:
        examined = drain(examine(recipe_of(args), args.workspace, cache=args.workspace / PRESIZED), progress.show)
    print("\n".join(examined.report.lines()))


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe of a file, with what was --set; raises BadInput."""
    path = Path(args.recipe)
    try:
        content = read_bytes(path, LARGEST_RECIPE)
    except BadInput as error:
        raise BadInput(f"{str(error).removesuffix('.')}, or let `python -m core new` write one.") from None
    recipe = Recipe.from_json(content)
    if (
        path.name == "recipe.json" and path.parent.parent.name in RUN_FOLDERS
    ):  # of a run, whose paths start in its workspace
        recipe = recipe.absolute(Run(path.parent).workspace)
    return recipe.with_settings(args.set)
