"""python -m core: the engine on the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.atomic import disk_is_full
from core.commands import models, photos, plugins, publish, runs
from core.commands.streams import discard, streams
from core.discovery import discover
from core.errors import BadInput
from core.publish.options import PushOptions
from core.recipe import TRAINING
from core.registry import params_of
from core.runs.stop_signals import SHARE, SPARE

DESCRIPTION = """Train an image classifier on your own photos.

  python -m core new PHOTOS > recipe.json     look at the photos and write a recipe
  python -m core check recipe.json            what was found, and every file that cannot be used
  python -m core train recipe.json            train; the model is a folder under workspace/runs/
  python -m core resume RUN                   go on with a run that was stopped or cut off
  python -m core predict RUN photo.jpg        use it
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 2 bad input, 128 and a signal's number if one stopped it."""
    args = _parser().parse_args(arguments)
    with streams(args.goes_on):
        return _carried_out(args)


def _carried_out(args: argparse.Namespace) -> int:
    try:
        discover()
        code: int | None = args.command(args)
        sys.stdout.flush()
        return code or 0
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has had enough
        discard(sys.stdout)
        return 1
    except OSError as error:
        if not disk_is_full(error):
            raise
        discard(sys.stdout)
        where = error.filename or args.workspace
        print(f"error: The disk is full: {str(where)!r} could not be written; make room.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


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
        added.set_defaults(command=function, goes_on=function in (runs.train, runs.lr_find, runs.resume))
        added.add_argument(
            "--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="where runs lie (./workspace)"
        )
        return added

    def settable(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--set", action="append", default=[], metavar="PATH=VALUE", help="as in training.epochs=3; may be repeated"
        )

    def queueable(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--no-queue", action="store_true", help="do not wait until no other run of the workspace trains"
        )

        kept = added.add_mutually_exclusive_group()
        kept.add_argument(
            "--cache", type=Path, metavar="DIR", help="keep presized photos there, not in WORKSPACE/presized"
        )
        kept.add_argument("--no-cache", action="store_true", help="keep none, and decode photos anew each epoch")

    def finishable(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--finish-after",
            type=_seconds,
            metavar="SECONDS",
            help="as `stop --finish`, so long after its turn came (lr-find stops); "
            f"it is stopped after {SHARE:g} times that and {SPARE:g} s more",
        )

    lines = [f"  {plugins.option(p)}" for p in TRAINING]
    options = "\n".join(["options of training, to be --set as training.NAME=VALUE:", *lines])
    added = command("new", photos.new, options)
    added.add_argument(
        "photos",
        nargs="?",
        help="a folder, a .zip, or OWNER/NAME of a data set on the Hub; without it, photos that the program draws",
    )
    settable(added)
    added = command("check", photos.check, options)
    added.add_argument("recipe", help="a file that `new` wrote")
    settable(added)
    for name, function in (("lr-find", runs.lr_find), ("train", runs.train)):
        added = command(name, function, options)
        added.add_argument("recipe", help="a file that `new` wrote, or the folder of a run that has not begun")
        settable(added)
        queueable(added)
        finishable(added)
    added = command("resume", runs.resume)
    added.add_argument("run", help="a run's folder, or its name")
    added.add_argument("--accept-changes", action="store_true", help="go on although the photos have changed")
    queueable(added)
    finishable(added)
    added = command("stop", runs.stop)
    added.add_argument("run", help="a run's folder, or its name")
    added.add_argument("--finish", action="store_true", help="instead bring the learning rate to its end, and complete")
    added = command("follow", runs.follow)
    added.add_argument("run", help="a run's folder, or its name")
    command("runs", runs.runs)
    added = command("delete", runs.delete)
    added.add_argument("run", help="a run's folder, or its name")
    added = command("evaluate", models.evaluate)
    added.add_argument("run", help="a run's folder, or its name")
    added.add_argument("--source", metavar="FOLDER", help="labelled photos, a folder or a .zip; else the run's own")
    added.add_argument(
        "--labeller", metavar="NAME", help="how they are labelled, as a name or a recipe's JSON; else as the run's"
    )
    added.add_argument("--json", action="store_true", help="one object with accuracy, interval, n, trained_on, ...")
    added = command("predict", models.predict)
    added.add_argument("run", help="a run's folder, its name, or OWNER/NAME of the Hugging Face Hub")
    added.add_argument("images", nargs="+", metavar="IMAGE", help="photos, or folders with photos")
    added = command("export", publish.export)
    added.add_argument("run", help="a run's folder, or its name")
    formats = added.add_mutually_exclusive_group(required=True)
    formats.add_argument(
        "--to", nargs="+", metavar=("NAME", "FOLDER"), help="an exporter, as `plugins` lists them; else in RUN's folder"
    )
    formats.add_argument("--onnx", dest="to", action="store_const", const=["onnx"], help="as RUN/model.onnx")
    added = command("push", publish.push)
    added.add_argument("run", help="a run's folder, or its name")
    added.add_argument("repo", metavar="OWNER/NAME", help="the repository; it is made where there is none")
    for p in params_of(PushOptions):
        kind: dict[str, Any] = {"choices": p.choices} if p.choices else {"metavar": p.name.upper()}
        kind = {"action": "store_true"} if p.type is bool else kind | {"default": p.default}
        added.add_argument(f"--{p.name}", help=p.help, **kind)
    command("plugins", plugins.plugins)
    return parser


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < 1e9:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")


if __name__ == "__main__":
    sys.exit(main())
