"""The events that a run emits, frozen dataclasses of one JSON line each, and functions to drain and store them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar


@dataclass(frozen=True, slots=True)
class Checked:
    """`done` of `total` files of the data set have been decoded by the check."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Queued:
    """The run waits in the queue, behind the run named `behind`; place 1 is next."""

    place: int
    behind: str


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A run continues at `step` of a stage: the first `kept` events so far stay valid, the others are repeated."""

    kept: int
    stage: str
    step: int
    total: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The architecture, the counts of classes and photos, and the device of the training that starts."""

    architecture: str
    classes: int
    train: int
    valid: int
    device: str


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage starts: "features", "frozen", "unfrozen" or "lr_find"; `rates` are the peaks, first layers first."""

    name: str
    epochs: int
    steps: int
    rates: list[float]


@dataclass(frozen=True, slots=True)
class FeaturesMade:
    """The features of `done` of `total` batches or photos have been extracted with the frozen backbone."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StepEnded:
    """An optimizer step: its number from 1, the steps of the stage, the mean loss of the batch, the head's rate."""

    step: int
    total: int
    loss: float
    lr: float


@dataclass(frozen=True, slots=True)
class Validated:
    """The outputs of `done` of `total` validation batches of an epoch have been computed."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """The end of an epoch of a stage, counted from 0: losses in nats, validation metrics, duration in seconds.

    `best` is true if this is the best epoch so far, whose model is kept.
    """

    epoch: int
    train_loss: float
    valid_loss: float
    metrics: dict[str, float]
    seconds: float
    best: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A checkpoint of the training at `step` of its stage, or 0 after the last stage, was saved in `seconds`."""

    step: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FinishingEarly:
    """On request, the learning rate is annealed over `steps` steps from `step` of `stage`, counted from 0."""

    stage: int
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class LearningRateTried:
    """One step of the learning-rate finder: its learning rate and the smoothed loss."""

    step: int
    total: int
    lr: float
    loss: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Suggested learning rates by function; None if the curve supports none, for the given `reason`."""

    rates: dict[str, float | None]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PhotoSkipped:
    """A file could not be read during training and was left out of its batch."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know about this run, in one sentence."""

    message: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event: the status "completed", "stopped" or "failed", with the error as one sentence.

    `metrics` are those of the kept model; `seconds` is the time since the run started or was resumed, of which
    `saving` was spent on checkpoints and on writing events; `memory` is the most that its process took, in MB.
    """

    status: str
    error: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    saving: float = 0.0
    memory: float = 0.0


Event = (
    Checked
    | Queued
    | RunStarted
    | RunResumed
    | StageStarted
    | FeaturesMade
    | StepEnded
    | Validated
    | EpochEnded
    | CheckpointSaved
    | FinishingEarly
    | LearningRateTried
    | Suggestion
    | PhotoSkipped
    | Notice
    | RunEnded
)
_TYPES: dict[str, Any] = {t.__name__: t for t in Event.__args__}


E = TypeVar("E")
T = TypeVar("T")


class WithResult(Generic[E, T]):
    """An iterator over what a generator yields, with its return value in `result` once it has ended."""

    result: T

    def __init__(self, events: Generator[E, None, T]) -> None:
        self._events = events

    def __iter__(self) -> WithResult[E, T]:
        return self

    def __next__(self) -> E:
        try:
            return next(self._events)
        except StopIteration as end:
            self.result = end.value
            raise


def drain(events: Generator[E, None, T], *watch: Callable[[E], object]) -> T:
    """Run a generator to its end, call each of `watch` with every event, and return the generator's value."""
    with closing(events):
        for event in (running := WithResult(events)):
            for see in watch:
                see(event)
    return running.result


def to_line(event: Event) -> str:
    """An event as one line of JSON, with null for numbers that are not finite, which JSON does not have."""
    return json.dumps({"event": type(event).__name__, **_finite(asdict(event))}, allow_nan=False)


def from_line(line: str) -> Event:
    """The event that `to_line` wrote; null becomes NaN."""
    document = json.loads(line)
    kind = _TYPES[document.pop("event")]
    return kind(**{k: math.nan if v is None else v for k, v in document.items()})  # type: ignore[no-any-return]


def replayed(events: Iterable[Event]) -> list[Event]:
    """The events of a run without those that were repeated after it was resumed; notices are kept."""
    kept: list[tuple[int, Event]] = []
    for number, event in enumerate(events):
        if isinstance(event, RunResumed):
            kept = [(n, e) for n, e in kept if n < event.kept or isinstance(e, Notice)]
        kept.append((number, event))
    return [event for _, event in kept]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
