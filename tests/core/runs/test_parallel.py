"""Two processes, as torchrun starts them, train as one does, stop together, and go on together."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.events import EpochEnded, RunEnded, RunResumed, RunStarted, StepEnded, replayed
from core.recipe import Recipe
from core.runs.listing import runs_in
from core.runs.run import Run
from core.runs.train import train
from tests.warm import Forked

ROOT = Path(__file__).resolve().parents[3]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "core"]


class Pair:
    """Two ranks as torchrun starts them, but forked off a process that has imported torch."""

    def __init__(self, said: Path, *arguments: str) -> None:
        self.said = said
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, "-m", "core", *arguments]
        with said.open("wb") as output:
            self.ranks = [
                Forked(command, {**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank}, stdout=output)
                for rank in ("0", "1")
            ]

    def poll(self) -> int | None:
        """The exit code of the first that has ended."""
        return next((rank.returncode for rank in self.ranks if rank.returncode is not None), None)

    def kill(self) -> None:
        """End both."""
        for rank in self.ranks:
            rank.kill()

    def end(self) -> str:
        """Wait until both have left, and neither was killed; what they said."""
        codes = [rank.wait(120) for rank in self.ranks]
        assert codes == [0, 0], self.said.read_text()
        return self.said.read_text()


def when(process: Any, workspace: Path, steps: int) -> Run:
    """The run, after its first `steps`."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        for run in runs_in(workspace):
            if sum(isinstance(e, StepEnded) for e in run.events()) >= steps:
                return run
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"it has not made {steps} steps")


def figures(run: Run) -> tuple[list[float], list[float]]:
    events = replayed(run.events())
    steps = [e.loss for e in events if isinstance(e, StepEnded)]
    return steps, [e.valid_loss for e in events if isinstance(e, EpochEnded)]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo over torchrun is tried on POSIX alone")
def test_two_processes_train_as_one_and_stop_and_go_on(
    recipe_dict: Callable[..., dict[str, Any]], photos: Path, tmp_path: Path
) -> None:
    """The default head has no dropout and no norm layers, those of the body rest, so only rounding differs."""
    # 5 validation photos and batches of 6 or 7 cannot be divided by two
    document = recipe_dict(
        {"epochs": 3, "batch_size": 7, "base_lr": 0.001, "features": False},
        splitter={"name": "random", "valid_pct": 0.23, "seed": 42},
    )
    alone = Run.create(Recipe.from_dict(document), tmp_path / "one")
    for _ in train(alone):
        pass
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(document))

    pair = Pair(tmp_path / "train.txt", "train", str(recipe), "--workspace", str(tmp_path / "two"))
    run = when(pair, tmp_path / "two", 5)
    run.stop()
    said = pair.end()
    assert run.status == "stopped", said
    said = Pair(tmp_path / "resume.txt", "resume", str(run.folder)).end()
    assert run.status == "completed", said
    assert sum(isinstance(e, RunResumed) for e in run.events()) == 1
    start = next(e for e in run.events() if isinstance(e, RunStarted))
    assert start.device.startswith("2 x ") and start.valid % 2 == 1
    (steps, epochs), (expected_steps, expected_epochs) = figures(run), figures(alone)
    assert steps == pytest.approx(expected_steps, abs=1e-4)
    assert epochs == pytest.approx(expected_epochs, abs=1e-4)  # so every validation photo counted once
    ends = [r.events()[-1] for r in (run, alone)]
    assert all(isinstance(e, RunEnded) for e in ends)
    assert ends[0].metrics == pytest.approx(ends[1].metrics)  # type: ignore[union-attr]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo over torchrun is tried on POSIX alone")
def test_two_processes_end_together_with_the_best_model(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(recipe_dict({"epochs": 200, "batch_size": 7, "features": False})))
    pair = Pair(tmp_path / "train.txt", "train", str(recipe), "--workspace", str(tmp_path))
    run = when(pair, tmp_path, 2)
    run.keep()
    said = pair.end()
    assert run.status == "completed" and run.has_model, said


@pytest.mark.skipif(sys.platform == "win32", reason="gloo over torchrun is tried on POSIX alone")
def test_a_lost_process_leaves_none_waiting_and_the_run_resumable(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(recipe_dict({"epochs": 200, "batch_size": 7})))
    process = subprocess.Popen(
        [*TORCHRUN, "train", str(recipe), "--workspace", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    run = when(process, tmp_path, 3)
    children = psutil.Process(process.pid).children()
    (other,) = [c for c in children if c.pid != run.process and "core" in c.cmdline()]
    other.kill()
    assert process.wait(120) != 0
    assert not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)
    assert run.status in ("failed", "interrupted")
    end = run.events()[-1]
    if isinstance(end, RunEnded):  # torchrun may have ended it before it could write
        assert "One of 2 processes" in end.error
