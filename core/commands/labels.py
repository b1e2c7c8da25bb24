"""The command for labels that people gave: labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.commands.command import argument, command
from core.commands.photos import SET, recipe_of
from core.errors import BadInput


@command(
    "labels",
    argument("of", metavar="WORKSPACE_OR_RECIPE", help="a workspace, or a file that `new` wrote"),
    argument("--export", type=Path, metavar="FILE", help="write the labels to a new CSV table"),
    argument("--to", type=Path, metavar="FOLDER", help="copy the photos to FOLDER/LABEL/; needs a recipe"),
    argument("--import", type=Path, metavar="FILE", dest="table", help="take the labels of a CSV table"),
    SET,
)
def labels(args: argparse.Namespace) -> None:
    """Export the labels that are in force, copy the photos into a folder for each, or import labels."""
    from core.data.journal import Journal
    from core.data.label_table import copy_to, export, rows_in, rows_of, take
    from core.events import drain
    from core.training.progress import Progress

    if sum(given is not None for given in (args.export, args.to, args.table)) != 1:
        raise BadInput("Give one of --export FILE, --to FOLDER and --import FILE.")
    is_workspace = Path(args.of).is_dir()
    if is_workspace and args.to:
        raise BadInput(f"--to needs a recipe, which says where the photos are; {args.of!r} is a workspace.")
    journal = Journal(Path(args.of) if is_workspace else args.workspace)
    if is_workspace:
        rows = rows_in(journal.corrections)
    else:
        args.recipe = args.of
        with Progress() as progress:
            rows = drain(rows_of(recipe_of(args), args.workspace), progress.show)
    if args.export:
        export(rows, args.export)
        print(f"{_photos(len(rows))} listed in {args.export}")
    elif args.to:
        print(f"{_photos(copy_to(rows, args.to))} now in {args.to}")
    else:
        print(f"{_photos(take(args.table, rows, journal))} labelled anew or left out")


def _photos(n: int) -> str:
    return "1 photo is" if n == 1 else f"{n:,} photos are"
