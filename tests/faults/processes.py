"""Signals to a process that trains, and two processes that want the same run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.events import RunEnded
from core.recipe import Recipe
from core.runs.checkpoint import Checkpoints
from core.runs.listing import runs_in
from core.runs.run import Run
from core.runs.train import train
from tests.faults.child import Child, Ended, after_step, carry_out, die, save_at_each_step
from tests.faults.harness import Bench, Row, steps_of

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds
WHY = re.compile(r"already under way in (process \d+|another process); ")


def signals(bench: Bench, count: int) -> Row:
    """SIGTERM and SIGINT in turn, the 21st a SIGHUP, to `python -m core train RECIPE` at a random step."""
    row = Row("SIGTERM, Ctrl-C, a closed terminal", "a real process, at a random step")
    document = bench.document(epochs=12)
    recipe = bench.folder / "recipe.json"
    recipe.write_text(Recipe.from_dict(document).to_json())
    total = len(steps_of(bench.reference(document)))
    for number in range(count):
        sent = signal.SIGHUP if number == 20 else (signal.SIGTERM, signal.SIGINT)[number % 2]
        workspace = bench.folder / f"signals-{number}"
        run, code = _signalled(recipe, workspace, sent, bench.rng.randint(1, total - 12))
        row.injected += 1
        row.check(run.status == "stopped" and code == 128 + sent, f"{sent.name}: {run.status}, exit code {code}")
        row.check(bool(Checkpoints(run.folder).newest()[1]), f"{sent.name}: no checkpoint")
        row.check(len(steps_of(run)) < total, f"{sent.name}: it had ended before")
        carry_out(run)
        if wrong := bench.differs(run, document):
            row.wrong.append(f"{sent.name}: {wrong}")
    row.result = f"stopped, a checkpoint, exit code 128 + n; resumed to the same weights, {count} of {count}"
    return row


def _signalled(recipe: Path, workspace: Path, sent: signal.Signals, step: int) -> tuple[Run, int]:
    """Send a signal once that step has ended; returns the run and the exit code."""
    command = [sys.executable, "-m", "core", "train", str(recipe), "--workspace", str(workspace)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    with subprocess.Popen(command, **quiet) as process:
        end = time.monotonic() + PATIENCE
        while not (found := runs_in(workspace)) or len(steps_of(found[0])) < step:
            assert time.monotonic() < end and process.poll() is None, f"it ended with {process.poll()}"
            time.sleep(0.005)
        process.send_signal(sent)
        return found[0], process.wait(PATIENCE)


def two_processes(bench: Bench, count: int) -> Row:
    """Two processes begin the same run at once, or go on with it: one of them does."""
    row = Row("two processes on one run", "released at once; half of the runs not begun, half to be resumed")
    for number in range(count):
        run = bench.create()
        if number % 2:
            carry_out(run, after_step(5, die), save_at_each_step)
        ended = _race(run)
        row.injected += 1
        won, lost = sorted(ended, key=lambda e: e.code)
        row.check(won.code == 0, f"none won: {won.said}")
        row.check(lost.sentence and bool(WHY.search(lost.said)), f"the other said {lost.said!r}")
        row.check(sum(isinstance(e, RunEnded) for e in run.events()) == 1, "it has not one end")
        if wrong := bench.differs(run):
            row.wrong.append(wrong)
    row.result = f"one won, the other said why; the run whole, {count} of {count}"
    return row


def _race(run: Run) -> list[Ended]:
    gate, opened = os.pipe()

    def runner() -> int:
        os.close(opened)
        os.read(gate, 1)
        try:
            for _ in train(run):
                pass
        except BadInput as error:
            print(error, file=sys.stderr)
            return 2
        return 0

    children = [Child(runner), Child(runner)]
    os.close(gate)
    time.sleep(0.05)  # both are there
    os.close(opened)
    return [child.wait() for child in children]
