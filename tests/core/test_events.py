"""Each event is one line of JSON, and comes back from it."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any, get_args

import pytest

from core import events
from core.events import (
    Checked,
    EpochEnded,
    Event,
    LearningRateTried,
    RunEnded,
    StepEnded,
    Suggestion,
    from_line,
    to_line,
)

TYPES = get_args(Event)
VALUES: dict[str, Any] = {
    "int": 3, "str": 'two\nlines, "quoted", \u2028 and é \udce9', "float": 0.1 + 0.2, "list[float]": [1e-5, 0.004],
    "dict[str, float]": {"error_rate": 0.25}, "dict[str, float | None]": {"valley": 0.003, "steep": None},
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES, ids=lambda t: t.__name__)
def test_each_event_goes_through_one_line(kind: Any) -> None:
    event = kind(**{f.name: VALUES[str(f.type)] for f in fields(kind)})
    line = to_line(event)
    assert len(line.splitlines()) == 1 and line.isascii(), "a reader that splits lines sees one"
    assert json.loads(line)["event"] == kind.__name__
    assert from_line(line) == event


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


def test_an_event_of_a_kind_that_is_not_known() -> None:
    with pytest.raises(KeyError, match="Nonsense"):
        from_line('{"event": "Nonsense"}')
