"""How a run ends is written down; one that is refused to go on, or stopped before it did, stays what it was."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from core.events import Event, Notice, Queued, RunEnded, RunResumed, StepEnded, to_line
from core.recipe import Recipe
from core.runs.record import record
from core.runs.run import Run
from core.runs.stop_signals import Stopped, StopSignals

ENDS = [
    RunEnded("stopped", "", {}, 3.0, 1.0),
    RunEnded("failed", "A photo fell down."),
    RunEnded("completed", "", {"accuracy": 0.9, "low": 0.8, "high": 1.0}),
    None,  # it was killed
]


@pytest.fixture
def run(tmp_path: Path, recipe_dict: Callable[..., dict[str, Any]]) -> Run:
    return Run.create(Recipe.from_dict(recipe_dict()), tmp_path)


def carry_out(run: Run, *events: Event, error: BaseException | None = None) -> list[Event]:
    """What a run tells its reader that says these events and then raises, if it is to."""

    def say() -> Generator[Event, None, None]:
        yield from events
        if error is not None:
            raise error

    told: list[Event] = []
    try:
        told += record(run, StopSignals(run.folder), lambda log: say())
    except type(error or None) as raised:  # type: ignore[misc]
        assert raised is error
    return told


def live(run: Run, end: RunEnded | None) -> str:
    """A first life of the run; returns its status."""
    carry_out(run, StepEnded(1, 2, 0.5, 0.1))
    with (run.folder / "events.jsonl").open("a") as file:
        file.write(f"{to_line(end)}\n" if end else "")
    return run.status


@pytest.mark.parametrize("end", ENDS, ids=str)
@pytest.mark.parametrize("error", [BadInput("The photos have changed; train anew."), ZeroDivisionError("a bug")])
def test_a_run_that_is_refused_to_go_on_stays_what_it_was(run: Run, end: RunEnded | None, error: Exception) -> None:
    before = live(run, end)
    carry_out(run, Queued(1, "runs/other"), error=error)
    assert run.status == before == (end.status if end else "interrupted")
    assert any(isinstance(e, Notice) and str(error) in e.message for e in run.events())
    assert end is None or run.last_event == end


@pytest.mark.parametrize("end", ENDS, ids=str)
@pytest.mark.parametrize("error", [Stopped(), KeyboardInterrupt()], ids=repr)
def test_a_run_that_is_stopped_before_it_goes_on_keeps_its_end(
    run: Run, end: RunEnded | None, error: BaseException
) -> None:
    before = live(run, end)
    carry_out(run, Queued(1, "runs/other"), error=error)
    assert run.status == (before if end else "stopped")


@pytest.mark.parametrize("end", ENDS, ids=str)
def test_what_fails_after_it_went_on_is_a_failure(run: Run, end: RunEnded | None) -> None:
    live(run, end)
    carry_out(run, RunResumed(1, "frozen", 1, 2), error=BadInput("The disk is full; make room."))
    last = run.last_event
    assert isinstance(last, RunEnded) and (last.status, last.error) == ("failed", "The disk is full; make room.")


def test_a_first_life_that_is_refused_is_a_failure(run: Run) -> None:
    carry_out(run, Queued(1, "runs/other"), error=BadInput("There are no photos; bring some."))
    assert run.status == "failed"


def test_a_stop_says_why_where_nobody_asked_for_it(run: Run) -> None:
    (*_, told) = carry_out(run, error=Stopped("It was stopped after 9 s."))
    assert isinstance(told, RunEnded) and told == run.last_event
    assert (told.status, told.error) == ("stopped", "It was stopped after 9 s.")
