"""Events as a person reads them: a bar with the time left, and a table with a row an epoch as fastai prints it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm

from core.events import (
    Checked,
    EpochEnded,
    Event,
    FeaturesMade,
    FinishingEarly,
    LearningRateTried,
    Notice,
    PhotoSkipped,
    Queued,
    RunResumed,
    RunStarted,
    StageStarted,
    StepEnded,
    Suggestion,
)

STAGES = {
    "features": "extracting features of the frozen backbone:",
    "frozen": "frozen, only the head learns:",
    "unfrozen": "unfrozen:",
}


def shown(events: Iterable[Event]) -> Iterator[Event]:
    """Pass events on, showing each: the table on standard output, the bar on standard error."""
    bar: Any = None
    header = ""
    try:
        for event in events:
            match event:
                case Checked():
                    bar = bar or tqdm(
                        total=event.total, desc="reading photos", unit=" photos", leave=False, disable=None
                    )
                    bar.update(event.done - bar.n)
                case RunStarted():
                    _say(
                        bar,
                        f"{event.architecture}: {event.classes} classes, {event.train} photos for training, "
                        f"{event.valid} for validation, on {event.device}",
                    )
                case StageStarted():
                    _close(bar)
                    header = ""
                    if event.name in STAGES:
                        _say(None, STAGES[event.name])
                    bar = _steps(event.name, event.steps)
                case FeaturesMade() if bar is not None:
                    bar.update(event.done - bar.n)
                case StepEnded() | LearningRateTried() if bar is not None:
                    bar.set_postfix(loss=f"{event.loss:.3f}", refresh=False)
                    bar.update()
                case EpochEnded():
                    names = ["epoch", "train_loss", "valid_loss", *event.metrics, "time"]
                    if (line := " ".join(f"{n:<11}" for n in names)) != header:
                        header = line
                        _say(bar, header)
                    _say(bar, " ".join(f"{v:<11}" for v in _row(event)))
                case RunResumed() if event.total:
                    _close(bar)
                    _say(None, f"going on after step {event.step} of {event.total}, {event.stage}")
                    bar = tqdm(
                        total=event.total,
                        initial=event.step,
                        desc=event.stage,
                        unit=" steps",
                        leave=False,
                        disable=None,
                    )
                case Queued():
                    _say(bar, f"waiting for {event.behind}, at place {event.place} of the queue")
                case FinishingEarly():
                    _say(bar, f"finishing early: the learning rate falls to its end over {event.steps} steps")
                case PhotoSkipped():
                    _say(bar, f"skipped {event.path}: {event.reason}")
                case Suggestion():
                    for name, rate in event.rates.items():
                        _say(bar, f"{name:<10} {'none' if rate is None else f'{rate:.2e}'}")
                    if event.reason:
                        _say(bar, event.reason)
                case Notice():
                    _say(bar, event.message)
            yield event
    finally:
        _close(bar)


def history(events: Iterable[Event]) -> list[EpochEnded]:
    """Consume events, showing them, and return the epochs."""
    return [event for event in shown(events) if isinstance(event, EpochEnded)]


def _steps(stage: str, total: int, done: int = 0) -> Any:
    return tqdm(total=total, initial=done, desc=stage, unit=" steps", leave=False, disable=None)


def _row(event: EpochEnded) -> list[str]:
    minutes, seconds = divmod(round(event.seconds), 60)
    figures = [event.train_loss, event.valid_loss, *event.metrics.values()]
    return [str(event.epoch), *(f"{v:.6f}" for v in figures), f"{minutes:02d}:{seconds:02d}"]


def _say(bar: Any, line: str) -> None:
    if bar is not None:
        bar.clear()
    print(line, file=sys.stdout, flush=True)


def _close(bar: Any) -> None:
    if bar is not None:
        bar.close()
