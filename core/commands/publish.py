"""Commands that publish a model: export, push."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from core.commands.command import RUN, argument, command
from core.commands.plugins import option
from core.discovery import discover
from core.errors import BadInput
from core.publish.options import PushOptions
from core.registry import exporters, params_of
from core.settings import parse_setting


def _formats(parser: argparse.ArgumentParser) -> None:
    formats = parser.add_mutually_exclusive_group(required=True)
    formats.add_argument(
        "--to",
        nargs="+",
        metavar=("NAME", "FOLDER"),
        help="an exporter (`plugins` lists them); FOLDER defaults to RUN's folder",
    )
    formats.add_argument("--onnx", dest="to", action="store_const", const=["onnx"], help="write RUN/model.onnx")


def _options() -> str:
    """The options of each exporter that has any."""
    discover()
    lines = [f"  {entry.name}: {option(p)}" for entry in exporters for p in entry.params]
    return "\n".join(["options of the exporters, set with --set OPTION=VALUE:", *(lines or ["  none"])])


SET_OPTION = argument(
    "--set",
    action="append",
    default=[],
    metavar="OPTION=VALUE",
    help="set an option of the exporter; may be repeated",
)


@command("export", RUN, _formats, SET_OPTION, epilog=_options)
def export(args: argparse.Namespace) -> None:
    """Write the model in another format, such as ONNX, and print how close its probabilities are."""
    from core.publish.export import export as write
    from core.runs.run import Run

    name, *folder = args.to
    if len(folder) > 1:
        raise BadInput(f"--to takes a name and a folder; leave out {' '.join(folder[1:])!r}.")
    choice = {"name": name} | dict(parse_setting(setting) for setting in args.set)
    done = write(Run.find(args.run, args.workspace), exporters.build(choice), *map(Path, folder))
    print(
        f"{done.file}: {done.file.stat().st_size / 1e6:.1f} MB; on {done.photos} validation photos no probability "
        f"differs from torch's by more than {done.largest_difference:.1e}"
    )
    if done.loss:
        print(f"it costs {done.loss:.1%} of accuracy on them" if done.loss > 0 else "it is no less accurate on them")
    if done.said:
        print(done.said)


def _choices(parser: argparse.ArgumentParser) -> None:
    for p in params_of(PushOptions):
        kind: dict[str, Any] = {"choices": p.choices} if p.choices else {"metavar": p.name.upper()}
        kind = {"action": "store_true"} if p.type is bool else kind | {"default": p.default}
        parser.add_argument(f"--{p.name}", help=p.help, **kind)


@command(
    "push",
    RUN,
    argument("repo", metavar="OWNER/NAME", help="the repository, which is created if it does not exist"),
    _choices,
)
def push(args: argparse.Namespace) -> None:
    """Push a model to the Hugging Face Hub, with a Space that is first tested on this machine, or without."""
    from core.events import drain
    from core.publish.browser import find_browser
    from core.publish.hub import Hub
    from core.publish.page_rehearsal import NO_BROWSER
    from core.publish.push import push as pushing
    from core.runs.run import Run

    run = Run.find(args.run, args.workspace)
    options = PushOptions(**{p.name: getattr(args, p.name) for p in params_of(PushOptions)})
    if not options.license and sys.stdin.isatty():
        license = input("License, such as apache-2.0, cc-by-4.0 or mit; empty for none: ").strip()
        options = replace(options, license=license)
    if options.space == "static" and not options.untried and not find_browser() and sys.stdin.isatty():
        answer = input(f"{NO_BROWSER}. Publish it untried? [y/N] ")
        options = replace(options, untried=answer.strip().lower() in ("y", "yes"))

    pushed = drain(pushing(run, args.repo, options, Hub()), partial(print, flush=True))
    print(f"model: {pushed.model}")
    if pushed.space:
        print(f"space: {pushed.space}")
