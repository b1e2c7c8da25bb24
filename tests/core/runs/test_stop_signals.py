"""A run whose time is over ends: early if it can, then stopped wherever it is, and killed where it hangs."""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.events import (
    Checked,
    EpochEnded,
    Event,
    FeaturesMade,
    LearningRateTried,
    RunEnded,
    StepEnded,
    Validated,
)
from core.recipe import Recipe
from core.runs import stop_signals
from core.runs.queue import Queue
from core.runs.run import Run
from core.runs.stop_signals import StopSignals
from core.runs.train import RunOptions, find_rate, train

ROOT = Path(__file__).resolve().parents[3]
Create = Callable[..., Run]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
HANGS = """
import re, sys
from core.discovery import discover
discover()
from core.runs import stop_signals
import core.runs.plan
stop_signals.SPARE, stop_signals.SAVING = 0.5, 2
def hang(*_, **__):
    re.match(r"(a+)+$", "a" * 40 + "b")  # which holds the interpreter's lock, so that no thread and no signal helps
core.runs.plan.examine = hang
from core.__main__ import main
main([*sys.argv[1:], "--finish-after", "0.1"])
"""


class Clock:
    """The time of `core.runs.stop_signals`, which stands still until a test moves it."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stop_signals, "time", clock)
    return clock


@pytest.fixture
def create(recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path) -> Create:
    def new(kind: str = "runs", architecture: dict[str, Any] = TINY) -> Run:
        return Run.create(Recipe.from_dict(recipe_dict(architecture=architecture)), tmp_path, kind)

    return new


def carry_out(run: Run, clock: Clock, at: type[Event], seconds: float, by: float) -> list[Event]:
    """All events of the run, of which `by` seconds go by at each one of a kind."""
    events: Iterator[Event] = (find_rate if run.is_lr_find else train)(run, StopSignals(run.folder, seconds))
    told = []
    for event in events:
        told.append(event)
        clock.now += by if isinstance(event, at) else 0
    return told


@pytest.mark.parametrize("at", [Checked, FeaturesMade, StepEnded, Validated, EpochEnded])
def test_a_run_is_stopped_wherever_it_is_once_its_time_is_long_over(at: Any, create: Create, clock: Clock) -> None:
    run = create(architecture={"name": "efficientnet_lite0"} if at is FeaturesMade else TINY)
    told = carry_out(run, clock, at, 10.0, 42.6)  # 1.25 times that, and 30 more, are 42.5
    end = told[-1]
    assert isinstance(end, RunEnded) and end.status == run.status == "stopped"
    assert "43 s" in end.error and "10 s" in end.error
    assert sum(isinstance(e, at) for e in told) == 1, "at once"
    assert run.has_model == (at is EpochEnded), "its best is kept, if it has one"


def test_a_learning_rate_test_is_stopped_when_its_time_is_over(create: Create, clock: Clock) -> None:
    told = carry_out(create("lr_finds"), clock, LearningRateTried, 10.0, 4.0)
    assert sum(isinstance(e, LearningRateTried) for e in told) == 3
    end = told[-1]
    assert isinstance(end, RunEnded) and end.status == "stopped" and "10 s" in end.error


def test_waiting_in_the_queue_takes_none_of_its_time(create: Create, clock: Clock) -> None:
    run = create()
    other = Queue(run.workspace / "runs" / "other")
    assert next(other.wait(), None) is None
    events = train(run, StopSignals(run.folder, 10.0))
    next(events)
    clock.now += 1000
    other.leave()
    *_, end = events
    assert isinstance(end, RunEnded) and end.status == "completed"


@pytest.mark.parametrize("command", ["train", pytest.param("lr-find", marks=pytest.mark.slow)])
def test_a_process_that_hangs_is_killed(command: str, create: Create) -> None:
    run = create("lr_finds" if command == "lr-find" else "runs")
    done = subprocess.run(
        [sys.executable, "-c", HANGS, command, str(run.folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1 and "in hang" in done.stderr, "where it hung is in its log"
    assert run.process is None and not run.events()


def test_a_run_without_a_limit_is_watched_by_nobody(create: Create, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faulthandler, "dump_traceback_later", pytest.fail)
    *_, end = train(create(), options=RunOptions(cache=False))
    assert isinstance(end, RunEnded) and end.status == "completed"
