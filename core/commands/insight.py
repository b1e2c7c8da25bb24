"""Commands about photos before training: inspect finds wrong labels and copies, compare tries backbones on them."""

from __future__ import annotations

import argparse
import json
import sys

from core.commands.command import argument, command
from core.commands.photos import SET, recipe_of
from core.registry import architectures
from core.runs.run import PRESIZED
from core.settings import parse_choice


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


@command(
    "compare",
    argument("recipe", help="a file that `new` wrote"),
    argument(
        "--architectures",
        nargs="+",
        required=True,
        metavar="NAME",
        help='names, or JSON as in a recipe, such as \'{"name": "timm", "model": "mobilenetv4_conv_small"}\'',
    ),
    argument("--json", action="store_true", help="print a JSON list, the best first"),
    SET,
)
def compare(args: argparse.Namespace) -> None:
    """Find out which architecture suits your photos, by a linear head on the features of each, before training."""
    from core.data.check import examine
    from core.events import drain
    from core.insight.backbones import against_best, compare_backbones, document
    from core.training.progress import Progress

    recipe, choices = recipe_of(args), list(map(parse_choice, args.architectures))
    for choice in choices:  # refused before all photos are read
        architectures.check(choice)
    with Progress() as progress:
        examined = drain(examine(recipe, args.workspace, cache=args.workspace / PRESIZED), progress.show)
    with Progress() as progress:
        found = drain(compare_backbones(recipe, examined, args.workspace, choices), progress.show)
    comparisons = against_best(found, examined)
    if args.json:
        print(json.dumps(document(found, comparisons), indent=1))
        return
    print(f"a linear head on frozen features, {found[0].photos:,} validation photos, speed on this machine:")
    for backbone in found:
        interval = f"{backbone.accuracy:.3f} ({backbone.low:.3f} to {backbone.high:.3f})"
        cost = f"{backbone.images_per_second:>6,.0f} images/s  {backbone.parameters / 1e6:>5.1f} million parameters"
        print(f"  {backbone.name:<32} {interval}  {cost}")
    for backbone, comparison in zip(found[1:], comparisons, strict=True):
        print(comparison.sentence(found[0].name, backbone.name))
