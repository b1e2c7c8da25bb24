"""python -m core: the engine on the command line."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.atomic import disk_is_full
from core.discovery import discover
from core.errors import BadInput
from core.recipe import TRAINING, Recipe
from core.registry import Param, registries, sources, type_name

DESCRIPTION = """Train an image classifier on your own photos.

  python -m core new PHOTOS > recipe.json     look at the photos and write a recipe
  python -m core check recipe.json            what was found, and every file that cannot be used
  python -m core train recipe.json            train; the model is a folder under workspace/runs/
  python -m core predict RUN photo.jpg        use it
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 2 bad input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):  # a file name need not be text that this terminal can show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        discover()
        code: int | None = options.command(options)
        return code or 0
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has had enough
        sys.stderr.close()
        return 1
    except OSError as error:
        if not disk_is_full(error):
            raise
        where = error.filename or options.workspace
        print(f"error: The disk is full: {str(where)!r} could not be written; make room.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def new(options: argparse.Namespace) -> None:
    """Write a recipe for a folder or zip of photos, or for the drawn sample, to standard output."""
    from core.data.propose import proposal

    source: dict[str, Any] = {"name": "sample"}
    if options.photos:
        path = Path(options.photos)
        source = {"name": "zip" if path.suffix.lower() == ".zip" else "folder", "path": str(path)}
    found = sources.build(source, options.workspace)
    items = found()
    if not items:
        raise BadInput(f"No photos were found in {str(found.root)!r}; photos are files such as .jpg, .png and .webp.")
    print(proposal(items, found.root, source).with_settings(options.set).to_json())


def check(options: argparse.Namespace) -> None:
    """Read every photo once and say what was found and which files cannot be used."""
    from core.data.check import Report, examine
    from core.events import Event
    from core.training.progress import shown

    found: list[Report] = []

    def events() -> Iterator[Event]:
        examined = yield from examine(_recipe(options), options.workspace)
        found.append(examined.report)

    for _ in shown(events()):
        pass
    print("\n".join(found[0].lines()))


def lr_find(options: argparse.Namespace) -> None:
    """Try growing learning rates on the frozen network and say which are good."""
    from core.runs.run import Run
    from core.runs.train import find_rate
    from core.training.learner import Recorder
    from core.training.progress import shown

    run = Run.create(_recipe(options), options.workspace, "lr_finds")
    recorder = Recorder()
    for _ in shown(recorder.watch(find_rate(run, options.workspace))):
        pass
    recorder.plot_lr_find().save(run.folder / "curve.png")
    print(f"curve: {run.folder / 'curve.png'}; to use a rate: --set training.base_lr=RATE")


def train(options: argparse.Namespace) -> None:
    """Train what a recipe describes; a row an epoch, and a model in a new folder under WORKSPACE/runs/."""
    from core.events import RunEnded
    from core.runs.run import Run
    from core.runs.train import train as run_training
    from core.training.progress import shown

    run = Run.create(_recipe(options), options.workspace)
    for event in shown(run_training(run, options.workspace)):
        if isinstance(event, RunEnded):
            m = event.metrics
            print(f"accuracy {m['accuracy']:.4f} on validation, 95 % interval {m['low']:.4f} to {m['high']:.4f}")
    print(f"to use it: python -m core predict {run.folder} photo.jpg")
    print(f"run: {run.folder}")


def evaluate(options: argparse.Namespace) -> None:
    """Score a run on other labelled photos, or again on its own validation photos."""
    from core.runs.evaluate import evaluate as score
    from core.runs.run import Run

    run = Run.find(options.run, options.workspace)
    result = score(run, options.workspace, options.source, options.labeller)
    if options.json:
        print(json.dumps(result))
        return
    low, high = result["interval"]
    print(f"accuracy {result['accuracy']:.4f} on {result['n']} photos, 95 % interval {low:.4f} to {high:.4f}")
    for row in result["per_class"]:
        figures = "  ".join(
            f"{k} {'  - ' if row[k] is None else format(row[k], '.2f')}" for k in ("recall", "precision", "f1")
        )
        print(f"  {row['class']:<30} {row['n']:>6}  {figures}")
    for path, reason in result["skipped"].items():
        print(f"skipped {path}: {reason}", file=sys.stderr)


def predict(options: argparse.Namespace) -> int:
    """Print the label and the probabilities of each image as a line of JSON."""
    from core.data.photo import BadPhoto
    from core.model.folder import load_model
    from core.runs.run import Run

    predictor = load_model(Run.find(options.run, options.workspace).folder)
    failed = 0
    for image in options.images:
        try:
            label, index, probabilities = predictor.predict(image)
        except BadPhoto as error:
            failed += 1
            print(json.dumps({"file": image, "error": str(error)}), flush=True)
            continue
        shares = {name: round(p, 6) for name, p in zip(predictor.vocab, probabilities.tolist(), strict=True)}
        line = {"file": image, "label": label, "probability": shares[predictor.vocab[index]], "probabilities": shares}
        print(json.dumps(line), flush=True)
    if failed:
        print(f"error: {failed} of {len(options.images)} files could not be read as photos.", file=sys.stderr)
    return 2 if failed else 0


def plugins(options: argparse.Namespace) -> None:
    """List every plugin with its knobs, and those that could not be loaded."""
    for kind, registry in registries.items():
        print(kind if any(registry) else f"{kind}: none yet")
        for entry in registry:
            print(f"  {entry.name:<22} {entry.help}  [{entry.module}]")
            for p in entry.params:
                print(f"      {_knob(p)}")
    for name, reason in discover().failures.items():
        print(f"not loaded: {name}: {reason}")


def _knob(p: Param) -> str:
    default = "required" if p.required else f"default {json.dumps(p.default, default=str)}"
    limits = f", {p.range.low:.10g} to {p.range.high:.10g}" if p.range else ""
    kind = " | ".join(map(str, p.choices)) if p.choices else type_name(p.type)
    return f"{p.name}: {kind}{limits}, {default}{f'. {p.help}' if p.help else ''}"


def _recipe(options: argparse.Namespace) -> Recipe:
    path = Path(options.recipe)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"The recipe {str(path)!r} cannot be read ({error.strerror}); `python -m core new` writes one."
        ) from None
    return Recipe.from_json(content).with_settings(options.set)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m core", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Any, epilog: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=function.__doc__,
            description=function.__doc__,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=function)
        added.add_argument(
            "--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="where runs lie (./workspace)"
        )
        return added

    def settable(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--set", action="append", default=[], metavar="PATH=VALUE", help="as in training.epochs=3; may be repeated"
        )

    knobs = "knobs of training, to be --set as training.NAME=VALUE:\n" + "\n".join(f"  {_knob(p)}" for p in TRAINING)
    added = command("new", new, knobs)
    added.add_argument("photos", nargs="?", help="a folder or a .zip; without it, photos that the program draws")
    settable(added)
    for name, function in (("check", check), ("lr-find", lr_find), ("train", train)):
        added = command(name, function, knobs)
        added.add_argument("recipe", help="a file that `new` wrote")
        settable(added)
    added = command("evaluate", evaluate)
    added.add_argument("run", help="a run's folder, or its name")
    added.add_argument("--source", metavar="FOLDER", help="labelled photos, a folder or a .zip; else the run's own")
    added.add_argument(
        "--labeller", metavar="NAME", help="how they are labelled, as a name or a recipe's JSON; else as the run's"
    )
    added.add_argument("--json", action="store_true", help="one object with accuracy, interval, per_class, n, skipped")
    added = command("predict", predict)
    added.add_argument("run", help="a run's folder, or its name")
    added.add_argument("images", nargs="+", metavar="IMAGE")
    command("plugins", plugins)
    return parser


if __name__ == "__main__":
    sys.exit(main())
