"""Each event is one line of JSON, and comes back from it."""

from __future__ import annotations

import json
import math
from collections.abc import Generator
from dataclasses import MISSING, FrozenInstanceError, fields, is_dataclass
from typing import Any, get_args

import pytest

from core import events
from core.events import (
    Checked,
    EpochEnded,
    Event,
    LearningRateTried,
    Notice,
    RunEnded,
    RunResumed,
    StepEnded,
    Suggestion,
    WithResult,
    drain,
    from_line,
    replayed,
    to_line,
)

TYPES = get_args(Event)
VALUES: dict[str, Any] = {
    "int": 3, "bool": True, "float": 0.1 + 0.2, "str": 'two\nlines, "quoted", \u2028 and é \udce9',
    "list[float]": [1e-5, 0.004],
    "dict[str, float]": {"error_rate": 0.25}, "dict[str, float | None]": {"valley": 0.003, "steep": None},
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES, ids=lambda t: t.__name__)
def test_each_event_goes_through_one_line(kind: Any) -> None:
    event = kind(**{f.name: VALUES[str(f.type)] for f in fields(kind)})
    line = to_line(event)
    assert len(line.splitlines()) == 1 and line.isascii(), "a reader that splits lines sees one"
    assert json.loads(line)["event"] == kind.__name__
    assert from_line(line) == event


@pytest.mark.parametrize("kind", TYPES, ids=lambda t: t.__name__)
def test_a_line_of_an_older_program_may_lack_what_has_a_default(kind: Any) -> None:
    needed = {f.name: VALUES[str(f.type)] for f in fields(kind) if f.default is f.default_factory is MISSING}
    line = json.dumps({"event": kind.__name__, **needed})
    assert from_line(line) == kind(**needed)


def test_every_record_is_an_event() -> None:
    records = {v for v in vars(events).values() if is_dataclass(v)}
    assert records == set(TYPES)


def strict(line: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(line, parse_constant=refuse)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_losses_that_are_not_finite_become_null(value: float) -> None:
    line = to_line(StepEnded(1, 2, value, 0.1))
    assert strict(line) == {"event": "StepEnded", "step": 1, "total": 2, "loss": None, "lr": 0.1}
    back = from_line(line)
    assert isinstance(back, StepEnded) and math.isnan(back.loss) and back.lr == 0.1


def test_figures_within_that_are_not_finite() -> None:
    for event in (
        EpochEnded(0, math.nan, math.inf, {"f1": math.nan, "accuracy": 0.5}, 1.0),
        RunEnded("completed", "", {"low": math.inf}),
        Suggestion({"valley": math.nan}),
        LearningRateTried(1, 2, 0.1, math.inf),
    ):
        strict(to_line(event))


def test_events_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Checked(1, 2).done = 3  # type: ignore[misc]


def lived(*lives: tuple[int, range]) -> list[Event]:
    """Steps of a run in several lives: how many of the events before stand, and the steps that each did."""
    found: list[Event] = [Notice("begun")]
    for kept, steps in lives:
        found += [RunResumed(kept, "frozen", steps.start - 1, 9)] if kept >= 0 else []
        found += [StepEnded(step, 9, 0.5, 0.1) for step in steps]
    return found


@pytest.mark.parametrize(
    "lives",
    [
        [(-1, range(1, 10))],
        [(-1, range(1, 6)), (1, range(1, 10))],  # from the beginning again
        [(-1, range(1, 6)), (4, range(4, 10))],  # two steps were done again
        [(-1, range(1, 6)), (6, range(6, 10))],  # none was
        # the numbers count every event of the file, those that did not stand and the resumptions too: of 6, RunResumed
        # and steps 4 to 7 the 9th is step 5; then back over both lives to the 3rd, step 2
        [(-1, range(1, 6)), (4, range(4, 8)), (9, range(6, 10))],
        [(-1, range(1, 6)), (4, range(4, 8)), (9, range(6, 8)), (3, range(3, 10))],
    ],
)
def test_what_was_done_again_is_left_out_once(lives: list[tuple[int, range]]) -> None:
    events = lived(*lives)
    steps = [e.step for e in replayed(events) if isinstance(e, StepEnded)]
    assert steps == list(range(1, 10))
    assert replayed(events)[0] == Notice("begun")
    resumed = [e for e in replayed(events) if isinstance(e, RunResumed)]
    assert bool(resumed) == (len(lives) > 1)
    assert replayed(iter(events)) == replayed(events)


def test_settled_keeps_which_event_and_not_one_that_looks_alike() -> None:
    """The same step of the second life has another loss."""
    first, again, other = StepEnded(1, 2, 0.5, 0.1), StepEnded(2, 2, 0.4, 0.1), StepEnded(2, 2, 0.3, 0.1)
    resumed = RunResumed(1, "frozen", 1, 2)
    assert replayed([first, again, RunEnded("stopped"), resumed, other]) == [first, resumed, other]
    assert replayed([]) == []


def test_ends_before_and_checks_again_are_not_of_what_stands() -> None:
    """Two events stood when the checkpoint was saved; what a process says before it goes on comes after them."""
    lost = [StepEnded(2, 9, 0.1, 0.1), RunEnded("stopped"), Checked(0, 1), Checked(1, 1)]
    rest = [RunResumed(2, "test", 1, 9), StepEnded(2, 9, 0.4, 0.1), RunEnded("completed")]
    first = [Checked(1, 1), StepEnded(1, 9, 0.5, 0.1)]
    assert replayed([*first, *lost, *rest]) == [*first, *rest]
    assert replayed([*first, *lost, RunResumed(0, "test", 0, 9), *rest[1:]]) == [RunResumed(0, "test", 0, 9), *rest[1:]]


def test_an_event_of_a_kind_that_is_not_known() -> None:
    with pytest.raises(KeyError, match="Nonsense"):
        from_line('{"event": "Nonsense"}')


class Counted:
    """A generator of numbers that returns their sum; `closed` once it has ended, however that was."""

    def __init__(self, count: int) -> None:
        self.count, self.closed = count, False

    def events(self) -> Generator[int, None, int]:
        try:
            yield from range(self.count)
        finally:
            self.closed = True
        return sum(range(self.count))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_drain_returns_the_value_and_shows_every_event_to_all_in_turn(count: int) -> None:
    told: list[tuple[str, int]] = []
    steps = Counted(count)
    assert drain(steps.events(), lambda n: told.append(("a", n)), lambda n: told.append(("b", n))) == sum(range(count))
    assert told == [(who, n) for n in range(count) for who in "ab"] and steps.closed


def test_drain_closes_what_it_runs_when_a_watcher_fails() -> None:
    steps = Counted(3)
    running = steps.events()
    with pytest.raises(ZeroDivisionError):
        drain(running, lambda n: 1 // (1 - n))
    assert steps.closed


def test_a_loop_over_a_generator_has_its_result_at_the_end() -> None:
    running = WithResult(Counted(4).events())
    assert list(running) == [0, 1, 2, 3] and running.result == 6
