"""What a list tells of a run is what a page about it tells, and few of its events are read for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.events import EpochEnded, Event, Notice, RunEnded, RunResumed, StageStarted, StepEnded, from_line, to_line
from core.recipe import Recipe
from core.runs.run import Run
from plugins.panels.kit.project.run_view import RunView
from plugins.panels.kit.project.summary import summary

STAGE = StageStarted("unfrozen", 3, 30, [0.1])


def step(number: int) -> StepEnded:
    return StepEnded(number, 30, 1.0, 0.1)


def epoch(number: int, best: bool = False) -> EpochEnded:
    return EpochEnded(number, 1.0, 0.5, {"accuracy": 0.5 + number / 10}, 10.0, best)


@pytest.fixture
def run(tmp_path: Path, recipe_dict: Callable[..., dict[str, Any]]) -> Run:
    return Run.create(Recipe.from_dict(recipe_dict({"epochs": 3})), tmp_path)


def say(run: Run, *events: Event) -> None:
    with (run.folder / "events.jsonl").open("a") as file:
        file.writelines(f"{to_line(event)}\n" for event in events)


LIVES: dict[str, list[Event]] = {
    "not begun": [],
    "under way": [STAGE, step(1), epoch(0, True), step(2)],
    "completed": [STAGE, step(1), epoch(0, True), step(2), epoch(1), RunEnded("completed", "", {}, 25.0)],
    "failed at once": [RunEnded("failed", "no photos", {}, 3.0)],
    "resumed": [
        *(STAGE, step(1), epoch(0), step(2), epoch(1, True), RunEnded("stopped")),
        *(RunResumed(3, "unfrozen", 1, 2), step(2), epoch(1)),
    ],
    "resumed twice": [
        *(STAGE, epoch(0, True), epoch(1), RunResumed(2, "unfrozen", 1, 2), epoch(1), epoch(2)),
        *(RunResumed(5, "unfrozen", 2, 2), epoch(2, True), RunEnded("completed")),
    ],
}


@pytest.mark.parametrize("life", LIVES)
def test_it_says_what_a_page_says(life: str, run: Run) -> None:
    for event in LIVES[life]:  # each as it comes
        say(run, event)
        found, page = summary(run), RunView(run).update()
        assert found.epochs == [e for _, _, e in page.epochs]
        assert (found.status, found.elapsed, found.recipe) == (page.status, page.elapsed, page.recipe)
        assert found.best == next((e for e in reversed(found.epochs) if e.best), None)


def test_few_events_are_read_and_each_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    say(run, STAGE, *(step(i) for i in range(1000)), epoch(0), Notice("x"), RunEnded("completed"))
    read: list[str] = []

    def counted(line: str) -> Event:
        read.append(line)
        return from_line(line)

    monkeypatch.setattr("core.runs.events_file.from_line", counted)
    for _ in range(3):
        assert len(summary(run).epochs) == 1
    assert len(read) == 2 + 3, "the epoch and the end, and the end for the status at every look"
