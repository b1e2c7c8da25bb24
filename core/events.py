"""What a run tells the world: a frozen record of each thing that happens, one JSON line each; and how to drain them."""

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
    """The run waits for its turn: place 1 is next, behind the run of that name."""

    place: int
    behind: str


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A run goes on at a step of a stage: of the events so far the first `kept` stand, the others are done again."""

    kept: int
    stage: str
    step: int
    total: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """What is about to be trained, on what."""

    architecture: str
    classes: int
    train: int
    valid: int
    device: str


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins: "features", "frozen", "unfrozen" or "lr_find"; `rates` are the peaks, first layers first."""

    name: str
    epochs: int
    steps: int
    rates: list[float]


@dataclass(frozen=True, slots=True)
class FeaturesMade:
    """`done` of `total` batches have gone through the frozen backbone, on whose features the head is then trained."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StepEnded:
    """An optimizer step: its number from 1, of how many in the stage; mean loss of the batch; the head's rate."""

    step: int
    total: int
    loss: float
    lr: float


@dataclass(frozen=True, slots=True)
class Validated:
    """`done` of `total` validation batches of an epoch have gone through the network."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """The end of an epoch of a stage, counted from 0: losses in nats, metrics on the validation set, seconds taken.

    `best` says that its model is kept, until a better one comes.
    """

    epoch: int
    train_loss: float
    valid_loss: float
    metrics: dict[str, float]
    seconds: float
    best: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """All of the training up to a step of its stage is on the disk, 0 after the last stage; seconds it took."""

    step: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FinishingEarly:
    """As was asked, the rate falls to its end over so many steps, from a step of a stage counted from 0."""

    stage: int
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class LearningRateTried:
    """One step of the learning-rate finder: the rate, and the smoothed loss."""

    step: int
    total: int
    lr: float
    loss: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Learning rates read off the curve; None where it supports none, `reason` says why."""

    rates: dict[str, float | None]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PhotoSkipped:
    """A file could not be read while training and was left out of its batch."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know about this run, in one sentence."""

    message: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event: "completed", "stopped" or "failed", with the error as one sentence.

    `metrics` are those of the kept model; `seconds` since the run began or went on, of which `saving` went into
    checkpoints and into writing events.
    """

    status: str
    error: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    saving: float = 0.0


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
    """An iterator over what a generator yields; `result` is what it returned, once it has ended."""

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
    """Run a generator to its end, give each event to all of `watch`, and return its value."""
    with closing(events):
        for event in (running := WithResult(events)):
            for see in watch:
                see(event)
    return running.result


def to_line(event: Event) -> str:
    """One line of JSON; a loss that is not finite becomes null, which JSON can say."""
    return json.dumps({"event": type(event).__name__, **_finite(asdict(event))}, allow_nan=False)


def from_line(line: str) -> Event:
    """The event that `to_line` wrote; null losses come back as nan."""
    document = json.loads(line)
    kind = _TYPES[document.pop("event")]
    return kind(**{k: math.nan if v is None else v for k, v in document.items()})  # type: ignore[no-any-return]


def replayed(events: Iterable[Event]) -> list[Event]:
    """The events of a run from its first, without those that it did again after it was resumed; notices stand."""
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
