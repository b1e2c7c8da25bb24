"""Two real processes that torchrun starts train as one does, stop together, and go on together."""

from __future__ import annotations

import json
import os
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
from core.runs.run import Run, runs_in
from core.runs.train import train

ROOT = Path(__file__).resolve().parents[3]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "core"]


def begin(*arguments: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*TORCHRUN, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def when(process: subprocess.Popen[str], workspace: Path, steps: int) -> Run:
    """The run, after its first `steps`."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        for run in runs_in(workspace):
            if sum(isinstance(e, StepEnded) for e in run.events()) >= steps:
                return run
        time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate()[0])


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

    process = begin("train", str(recipe), "--workspace", str(tmp_path / "two"))
    run = when(process, tmp_path / "two", 5)
    run.stop()
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said  # both have left, and neither was killed
    assert run.status == "stopped"

    process = begin("resume", str(run.folder))
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert run.status == "completed"
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
def test_a_lost_process_leaves_none_waiting_and_the_run_resumable(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(recipe_dict({"epochs": 200, "batch_size": 7})))
    process = begin("train", str(recipe), "--workspace", str(tmp_path))
    run = when(process, tmp_path, 3)
    children = psutil.Process(process.pid).children()
    (other,) = [c for c in children if c.pid != run.process and "core" in c.cmdline()]
    other.kill()
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)
    assert run.status in ("failed", "interrupted")
    end = run.events()[-1]
    if isinstance(end, RunEnded):  # torchrun may have ended it before it could write
        assert "One of 2 processes" in end.error
