"""What the watchers of a run see: never less than the events say, and after a resume what stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.events import (
    Checked,
    EpochEnded,
    Event,
    FeaturesMade,
    FinishingEarly,
    Notice,
    PhotoSkipped,
    Queued,
    RunEnded,
    RunResumed,
    RunStarted,
    StageStarted,
    StepEnded,
    Suggestion,
    to_line,
)
from core.lock import ProcessLock
from core.recipe import Recipe
from core.runs.events_file import EVENTS
from core.runs.run import Run
from plugins.panels.kit.project import run_view as module
from plugins.panels.kit.project.expected import UNFROZEN as TIMES
from plugins.panels.kit.project.run_view import RunView, run_view

MakeRecipe = Callable[..., dict[str, Any]]
FROZEN, UNFROZEN = StageStarted("frozen", 1, 2, [0.1]), StageStarted("unfrozen", 2, 4, [0.1])


@pytest.fixture
def run(tmp_path: Path, recipe_dict: MakeRecipe) -> Run:
    return Run.create(Recipe.from_dict(recipe_dict({"epochs": 2, "freeze_epochs": 1})), tmp_path)


def say(run: Run, *events: Event) -> None:
    with (run.folder / EVENTS).open("a") as file:
        file.writelines(f"{to_line(event)}\n" for event in events)


def step(number: int, loss: float = 1.0) -> StepEnded:
    return StepEnded(number, 4, loss, 0.1)


def epoch(number: int, valid: float, best: bool = False, seconds: float = 10.0) -> EpochEnded:
    return EpochEnded(number, 1.0, valid, {"error_rate": valid / 10}, seconds, best)


def test_a_run_that_has_not_begun(run: Run) -> None:
    shown = RunView(run).update()
    assert (shown.status, shown.fraction, shown.left, shown.speed, shown.losses, shown.epochs) == (
        "created",
        0,
        None,
        None,
        [],
        [],
    )
    assert shown.planned == 3 and shown.last is None and shown.end is None
    assert shown.said == "getting ready"


def test_it_is_almost_done_until_it_has_ended(run: Run) -> None:
    say(run, FROZEN, step(1), step(2), epoch(0, 2.0), UNFROZEN, step(1))
    assert RunView(run).update().said == "50%"
    say(run, step(2), epoch(0, 1.0), step(3), step(4))
    assert RunView(run).update().said == "almost done"


def test_steps_lie_on_one_axis_of_epochs(run: Run) -> None:
    say(
        run, Checked(24, 24), FROZEN, step(1, 4), step(2, 3), epoch(0, 2.0, best=True), UNFROZEN, step(1, 2), step(2, 1)
    )
    shown = run_view(run)
    assert shown.losses == [(0.5, 4), (1.0, 3), (1.5, 2), (2.0, 1)]
    assert [(n, stage) for n, stage, _ in shown.epochs] == [(1, "frozen")]
    assert shown.fraction == pytest.approx(2 / 3) and shown.left is None
    say(run, epoch(0, 1.0), step(3), step(4), epoch(1, 0.5, best=True), RunEnded("completed"))
    shown = run_view(run)
    assert [n for n, _, _ in shown.epochs] == [1, 2, 3]
    assert shown.fraction == 1 and shown.elapsed == 30 and shown.status == "completed"


def test_what_is_done_again_counts_once(run: Run) -> None:
    events = [FROZEN, step(1, 4), Notice("warning: x"), step(2, 3), epoch(0, 2.0), RunEnded("stopped")]
    say(run, *events)
    assert len(run_view(run).losses) == 2
    again = [RunResumed(2, "frozen", 1, 2), step(2, 5), epoch(0, 1.0)]
    say(run, *again)
    shown = run_view(run)
    assert shown.losses == [(0.5, 4), (1.0, 5)] and [e.valid_loss for _, _, e in shown.epochs] == [1.0]
    assert shown.state.notices == ["warning: x"] and shown.end is None
    afresh = RunView(run).update()
    assert afresh.losses == shown.losses and afresh.epochs == shown.epochs
    say(run, step(1, 7))
    assert len(run_view(run).losses) == 3


def test_features_are_the_work_of_the_frozen_epochs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    lock = ProcessLock(run.folder / "lock")
    assert lock.take()
    lock.announce()
    try:
        features = StageStarted("features", 1, 5, [])
        say(run, RunStarted("x", 3, 15, 4, "CPU"), features, FeaturesMade(1, 5))
        assert run_view(run).speed is None
        now[0] += 4
        say(run, FeaturesMade(2, 5))
        shown = run_view(run)
        assert shown.fraction == pytest.approx(2 / 5 / 3) and shown.losses == shown.epochs == []
        assert shown.speed == pytest.approx(15 / 5 / 4)
        assert shown.left == pytest.approx(3 * 4 + 2 * 20 * TIMES)
        say(run, features, FeaturesMade(1, 5))  # stopped and begun again
        assert run_view(run).fraction == pytest.approx(1 / 5 / 3)
        say(run, *(FeaturesMade(i, 5) for i in range(2, 6)), StageStarted("frozen", 1, 2, [0.1]), step(1, 4))
        shown = run_view(run)
        assert shown.fraction == pytest.approx(1 / 3), "the head takes seconds"
        assert shown.speed is None and shown.left is None, "which tell nothing of what is to come"
        say(run, step(2, 3), epoch(0, 2.0, best=True), UNFROZEN, step(1, 2), step(2, 1))
        shown = run_view(run)
        assert shown.losses == [(0.5, 4), (1.0, 3), (1.5, 2), (2.0, 1)]
        assert [(n, stage) for n, stage, _ in shown.epochs] == [(1, "frozen")]
        assert shown.fraction == pytest.approx(2 / 3) and shown.speed is None, "steps of another stage"
    finally:
        lock.release()


def test_it_reads_only_what_is_new(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    say(run, FROZEN, step(1))
    shown = run_view(run)
    asked = []
    since = Run.since
    monkeypatch.setattr(Run, "since", lambda self, position=0: asked.append(position) or since(self, position))
    say(run, step(2))
    assert run_view(run) is shown and len(shown.losses) == 2
    assert asked == [len(f"{to_line(FROZEN)}\n{to_line(step(1))}\n")]


def test_speed_and_time_left(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    lock = ProcessLock(run.folder / "lock")
    assert lock.take()
    lock.announce()
    try:
        say(run, RunStarted("x", 3, 15, 4, "CPU"), FROZEN, step(1))
        assert run_view(run).speed is None, "one look tells no speed"
        now[0] += 2
        say(run, step(2))
        shown = run_view(run)
        assert shown.speed == pytest.approx(15 * 1 / 2 / 2), "the photos that a step has on average, over two seconds"
        say(run, epoch(0, 1.0, seconds=8.0))
        frozen = run_view(run)
        assert frozen.left == pytest.approx(2 * 8.0 * TIMES), "two epochs of everything to come"
        say(run, UNFROZEN, step(1), step(2), epoch(0, 1.0, seconds=30.0))
        assert run_view(run).left == pytest.approx(30.0, rel=0.1), "what was guessed of it counts a little"
    finally:
        lock.release()
    assert run_view(run).left is None and run_view(run).status == "interrupted"


def test_finishing_early_shortens_the_way(run: Run) -> None:
    lock = ProcessLock(run.folder / "lock")
    assert lock.take()
    lock.announce()
    try:
        say(run, StageStarted("frozen", 1, 10, [0.1]), *(StepEnded(i, 10, 1.0, 0.1) for i in range(1, 11)))
        say(run, epoch(0, 1.0, seconds=20.0), StageStarted("unfrozen", 2, 20, [0.1]))
        say(run, *(StepEnded(i, 20, 1.0, 0.1) for i in range(1, 11)), epoch(0, 1.0, seconds=60.0))
        assert run_view(run).left == pytest.approx(60.0, rel=0.1) and run_view(run).fraction == pytest.approx(2 / 3)
        say(run, FinishingEarly(1, 10, 4))
        assert run_view(run).left == pytest.approx(60.0 * 4 / 10, rel=0.1), "four steps of ten that take a minute"
        assert run_view(run).fraction == pytest.approx(2 / (1 + 2 * 14 / 20))
    finally:
        lock.release()


def test_a_long_curve_stays_short(run: Run) -> None:
    steps = 9_000
    say(run, StageStarted("frozen", 3, steps, [0.1]))
    say(run, *(StepEnded(i, steps, float(i % 2), 0.1) for i in range(1, steps + 1)))
    shown = run_view(run)
    assert module.MOST_POINTS / 2 <= len(shown.losses) <= module.MOST_POINTS
    assert all(y == 0.5 for _, y in shown.losses[:-1]), "each point is the mean of its steps"
    assert shown.losses[-1][0] == pytest.approx(3, abs=0.01) and shown.fraction == 1


def test_notices_queue_and_suggestions(run: Run) -> None:
    say(run, Queued(1, "runs/x"), PhotoSkipped("/a/b.jpg", "broken"), Suggestion({"valley": None}, "No suggestion."))
    shown = run_view(run)
    assert shown.state.notices == ["skipped b.jpg: broken"]
    assert shown.state.suggestion == Suggestion({"valley": None}, "No suggestion.")


def test_only_so_many_are_remembered(run: Run, tmp_path: Path) -> None:
    first = run_view(run)
    assert run_view(Run(run.folder)) is first
    for number in range(module.CACHED_VIEWS):
        run_view(Run(tmp_path / str(number)))
    assert run_view(run) is not first
