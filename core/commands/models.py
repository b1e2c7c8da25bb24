"""Commands about trained models: evaluate, predict."""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
from typing import TYPE_CHECKING

from core.commands.command import DEVICE, RUN, argument, command
from core.errors import BadInput, quoted

if TYPE_CHECKING:
    from core.runs.run import Run


@command(
    "evaluate",
    RUN,
    DEVICE,
    argument("--source", metavar="FOLDER", help="labelled photos, in a folder or a .zip; default: the run's own"),
    argument(
        "--labeller", metavar="NAME", help="how they are labelled: a name, or JSON as in a recipe; default: the run's"
    ),
    argument("--against", metavar="RUN", help="compare with another run on the validation photos that both have"),
    argument("--json", action="store_true", help="print one JSON object with accuracy, interval, n, trained_on, ..."),
)
def evaluate(args: argparse.Namespace) -> None:
    """Score a run's model on other labelled photos, or again on its own validation photos."""
    from core.runs.evaluate import evaluate as score
    from core.runs.run import Run

    run = Run.find(args.run, args.workspace)
    if args.against:
        _compare(run, Run.find(args.against, args.workspace), args)
        return
    result = score(run, args.workspace, args.source, args.labeller)
    if args.json:
        print(json.dumps(result))
        return
    low, high = result["interval"]
    print(f"accuracy {result['accuracy']:.4f} on {result['n']} photos, 95 % interval {low:.4f} to {high:.4f}")
    if result["labels"]:
        print(f"  {result['labels']}")
    if trained_on := result["trained_on"]:
        print(f"  {trained_on} of these were training photos, which makes the accuracy look better than it is")
    for row in result["per_class"]:
        figures = "  ".join(
            f"{k} {'  - ' if row[k] is None else format(row[k], '.2f')}" for k in ("recall", "precision", "f1")
        )
        print(f"  {row['class']:<30} {row['n']:>6}  {figures}")
    for path, reason in result["skipped"].items():
        print(f"skipped {path}: {reason}", file=sys.stderr)


def _compare(run: Run, other: Run, args: argparse.Namespace) -> None:
    from dataclasses import asdict

    from core.runs.compare import compare_runs

    if args.source or args.labeller:
        raise BadInput("--against compares on validation photos; leave out --source and --labeller.")
    found = compare_runs(run, other)
    sentence = found.sentence(run.name, other.name)
    print(json.dumps({"verdict": found.verdict, "sentence": sentence} | asdict(found)) if args.json else sentence)


@command(
    "predict",
    argument("run", help="a run's folder or name, or OWNER/NAME on the Hugging Face Hub"),
    DEVICE,
    argument("images", nargs="+", metavar="IMAGE", help="photos, or folders with photos"),
)
def predict(args: argparse.Namespace) -> int:
    """Print the label and the probabilities of each image, one line of JSON per image."""
    from core.data.photo import BadPhoto
    from core.model.folder import load_model
    from core.publish.fetch import model_folder

    predictor = load_model(model_folder(args.run, args.workspace))
    images = [file for given in args.images for file in _files(given)]
    failed = 0
    for image, answer in predictor.answers(images):
        failed += isinstance(answer, BadPhoto)
        found = {"error": str(answer)} if isinstance(answer, BadPhoto) else answer.to_dict()
        print(json.dumps({"file": image, **found}), flush=True)
    if failed:
        print(f"error: {failed} of {len(images)} files could not be read as photos.", file=sys.stderr)
    return 2 if failed else 0


def _files(given: str) -> list[str]:
    """The photos that an argument names: a file, all in a folder, or the matches of a pattern no shell expanded."""
    from core.data.files import get_image_files

    places = sorted(glob.glob(given, recursive=True)) if _is_pattern(given) else [given]
    found = [str(file) for place in places for file in (get_image_files(place) if os.path.isdir(place) else [place])]
    if not found:
        raise BadInput(f"There are no photos in {quoted(given)}; give photos, or a folder with photos.")
    return found


def _is_pattern(given: str) -> bool:
    return glob.has_magic(given) and not os.path.lexists(given)
