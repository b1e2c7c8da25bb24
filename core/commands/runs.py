"""Commands about runs: train, lr-find, resume, stop, follow, runs, delete."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands.command import DEVICE, RUN, argument, command
from core.commands.photos import SET, TRAINING_OPTIONS, recipe_of
from core.commands.rent import JOBS, ON, rent_agreed
from core.errors import BadInput
from core.events import Event, RunEnded, drain
from core.runs.stop_signals import SHARE, SPARE

if TYPE_CHECKING:
    from core.runs.run import Run
    from core.runs.stop_signals import StopSignals


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < 1e9:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")


def _cache(parser: argparse.ArgumentParser) -> None:
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--cache", type=Path, metavar="DIR", help="where to keep presized photos (WORKSPACE/presized)")
    kept.add_argument(
        "--no-cache", action="store_true", help="keep no presized photos; decode every photo again each epoch"
    )


RECIPE = argument("recipe", help="a file that `new` wrote, or the folder of a run that has not started")
RUNNING = (
    argument(
        "--no-queue", action="store_true", help="start at once, even while another run of the workspace is training"
    ),
    _cache,
    DEVICE,
    argument(
        "--finish-after",
        type=_seconds,
        metavar="SECONDS",
        help="finish early, as `stop --finish` does, this long after leaving the queue (lr-find stops); "
        f"stop after {SHARE:g} times that plus {SPARE:g} s at the latest",
    ),
)


@command("lr-find", RECIPE, SET, *RUNNING, epilog=TRAINING_OPTIONS, long_running=True)
def lr_find(args: argparse.Namespace) -> int:
    """Run the learning-rate finder on the frozen network and suggest learning rates."""
    return _execute(lambda: _created(args, "lr_finds"), args)


@command("train", RECIPE, SET, *RUNNING, *ON, epilog=TRAINING_OPTIONS, long_running=True)
def train_recipe(args: argparse.Namespace) -> int:
    """Train what a recipe describes: one row per epoch, and a model in a new folder under WORKSPACE/runs/."""
    if args.on == JOBS:
        return _rent(None, args)
    return _execute(lambda: _created(args, "runs"), args)


@command(
    "train-longer",
    RUN,
    argument("--epochs", type=int, default=3, help="epochs of the unfrozen network (3)"),
    *RUNNING,
    *ON,
    long_running=True,
)
def train_longer(args: argparse.Namespace) -> int:
    """Train the model of a run for more epochs, on the same photos, in a new run that names its parent."""
    if args.on == JOBS:
        run = _longer(args)
        with run.beginning():
            return _rent(run, args)
    return _execute(lambda: _longer(args), args)


@command(
    "resume",
    RUN,
    argument("--accept-changes", action="store_true", help="continue although the photos have changed"),
    *RUNNING,
    *ON,
    long_running=True,
)
def resume(args: argparse.Namespace) -> int:
    """Continue a run that was stopped, interrupted or failed, exactly from its last checkpoint."""
    from core.publish.jobs.job import is_under_way
    from core.runs.run import Run

    if args.on == JOBS or is_under_way(Run.find(args.run, args.workspace)):
        return _rent(_unfinished(args), args)
    return _execute(lambda: _unfinished(args), args, accept_changes=args.accept_changes)


@command(
    "stop",
    RUN,
    argument("--finish", action="store_true", help="instead anneal the learning rate over the next steps and complete"),
    argument("--keep", action="store_true", help="instead complete at once with the best model so far"),
)
def stop(args: argparse.Namespace) -> None:
    """Let a run finish its current step, save everything and end; `resume` continues it."""
    from core.runs.run import ALIVE, Run

    run = Run.find(args.run, args.workspace)
    (run.keep if args.keep else run.finish if args.finish else run.stop)()
    while (status := run.status) in ALIVE:
        time.sleep(0.2)
    print(f"{run.name} is {status}")


@command("follow", RUN)
def follow(args: argparse.Namespace) -> None:
    """Show a run from its first event to its last, whichever process it runs in; Ctrl-C does not stop the run."""
    from core.runs.run import Run
    from core.training.progress import Progress

    run = Run.find(args.run, args.workspace)
    with suppress(KeyboardInterrupt), Progress() as progress:
        drain(run.follow(), progress.show)
    print(f"{run.name} is {run.status}")
    if reason := run.why_interrupted:
        print(reason)


@command("runs")
def runs(args: argparse.Namespace) -> None:
    """List the runs of the workspace, newest first, with status and accuracy."""
    from core.runs.listing import runs_in
    from core.runs.run import RUN_FOLDERS

    for kind in RUN_FOLDERS:
        for run in runs_in(args.workspace, kind):
            end = run.last_event
            good = end.metrics.get("accuracy") if isinstance(end, RunEnded) else None
            accuracy = "" if good is None else f"accuracy {good:.4f}"
            host = run.elsewhere
            print(f"{run.status:<12} {accuracy or f'on {host}' * bool(host):<16} {run.folder}")


@command("delete", RUN)
def delete(args: argparse.Namespace) -> None:
    """Delete a run and everything in its folder, its job on a rented machine too; the photos are not touched."""
    from core.publish.jobs.job import Job, abandon
    from core.runs.run import Run

    run = Run.find(args.run, args.workspace)
    if (job := Job.of(run)) and not run.is_alive:
        print(abandon(run, job))
    run.delete()
    print(f"deleted {run.folder}")


def _created(args: argparse.Namespace, kind: str) -> Run:
    """The run in a folder that has not started, or a new run of a recipe."""
    from core.runs.run import CREATED, LR_FINDS, Run

    folder = Path(args.recipe)
    if not folder.is_dir():
        return Run.create(recipe_of(args), args.workspace, kind)
    run = Run.find(args.recipe, args.workspace)
    if args.set:
        raise BadInput(f"{args.recipe!r} is a run, whose recipe is fixed; use --set with a recipe file.")
    if run.is_lr_find != (kind == LR_FINDS):
        what, own = ("run of the LR finder", "lr-find") if run.is_lr_find else ("training run", "train")
        raise BadInput(f"{run.name!r} is a {what}; use `python -m core {own}`.")
    if run.status != CREATED:
        raise BadInput(f"{run.name!r} is {run.status}; `resume` continues it, unless it is completed.")
    return run


def _longer(args: argparse.Namespace) -> Run:
    from core.runs.longer import create_longer
    from core.runs.run import Run

    return create_longer(Run.find(args.run, args.workspace), args.epochs)


def _unfinished(args: argparse.Namespace) -> Run:
    """The run to resume; a completed one is allowed if its model is damaged, as the last checkpoint can restore it."""
    from core.model.hashes import check_hashes
    from core.runs.run import ALIVE, Run

    run = Run.find(args.run, args.workspace)
    status = run.status
    if status in ALIVE:
        raise BadInput(f"{run.name!r} is {status}; `python -m core follow` shows it.")
    if status == "completed":
        try:
            if not run.is_lr_find:
                check_hashes(run.folder)
        except BadInput:
            return run
        raise BadInput(f"{run.name!r} is completed, so there is nothing to resume.")
    return run


def _execute(find: Callable[[], Run], args: argparse.Namespace, **options: Any) -> int:
    """Run training or the LR finder in this process; returns 0, or 128 + N if signal N stopped it."""
    from core.runs.stop_signals import StopSignals
    from core.runs.train import RunOptions, find_rate, run_worker, train
    from core.training.parallel import join

    chosen = RunOptions(queue=not args.no_queue, cache=args.cache or not args.no_cache, world=join(), **options)
    world = chosen.world
    try:
        if world.rank:
            with StopSignals(Path()).catching_signals():
                run_worker(world)
            return 0
        run = find()
        _ = run.recipe  # a broken recipe is refused before the run is shown as running
        signals = StopSignals(run.folder, args.finish_after)
        work = find_rate if run.is_lr_find else train
        with signals.catching_signals():
            code = _shown(run, signals, work(run, signals, chosen))
        return code if world.size == 1 else 0  # torchrun takes any other code for a crash
    finally:
        world.broadcast_once(None)  # if training never started, so that the other processes do not wait for a plan
        world.leave()


def _rent(run: Run | None, args: argparse.Namespace) -> int:
    """Train on a rented machine: a new run, or one that exists, whose job is followed again if it has one."""
    from core.publish.hub import Hub
    from core.publish.jobs.job import Job, is_under_way
    from core.publish.jobs.rented import train_rented
    from core.runs.stop_signals import StopSignals

    hub, rent = Hub(), None
    if run is None and Path(args.recipe).is_dir():
        run = _created(args, "runs")
    if run and run.is_lr_find:
        raise BadInput(f"{run.name!r} is a run of the LR finder, which takes a minute here; leave out --on {JOBS}.")
    if run is None or not is_under_way(run):
        rent = rent_agreed(run.recipe if run else recipe_of(args), args, hub)
    run = run or _created(args, "runs")
    signals = StopSignals(run.folder)
    try:
        with signals.catching_signals():
            return _shown(run, signals, train_rented(run, signals, hub.api, hub.user(), rent), f" --on {JOBS}")
    except KeyboardInterrupt:
        if job := Job.of(run):
            again = f"`python -m core resume {run.folder}` fetches what it has and deletes it"
            print(
                f"the job is cancelled; the private data set {job.repo} is still on the Hub: {again}", file=sys.stderr
            )
        raise


def _shown(run: Run, signals: StopSignals, work: Generator[Event, None, None], again: str = "") -> int:
    from core.training.progress import Progress
    from core.training.recorder import Recorder

    recorder, end = Recorder(), RunEnded("")
    with Progress() as progress, closing(work) as events:
        for event in events:
            recorder.record(event)
            progress.show(event)
            end = event if isinstance(event, RunEnded) else end
    if end.status == "stopped":
        print(f"{end.error.rstrip('.') or 'stopped'}; to continue: python -m core resume {run.folder}{again}")
        return 128 + signals.signal if signals.signal else 0
    if run.is_lr_find:
        recorder.plot_lr_find().save(run.folder / "curve.png")
        print(f"curve: {run.folder / 'curve.png'}; to use a rate: --set training.base_lr=RATE")
        return 0
    m = end.metrics
    print(f"accuracy {m['accuracy']:.4f} on validation, 95 % interval {m['low']:.4f} to {m['high']:.4f}")
    print(f"to use the model: python -m core predict {run.folder} photo.jpg")
    print(f"run: {run.folder}")
    return 0
