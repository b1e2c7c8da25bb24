"""Events on a terminal: a progress bar with the time left, and fastai's table with one row per epoch."""

from __future__ import annotations

import sys
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
    "frozen": "frozen, only the head is trained:",
    "unfrozen": "unfrozen:",
}


class Progress:
    """Shows events as they happen: the table on standard output, the bar on standard error."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._header = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def show(self, event: Event) -> None:
        """Show one event, if it is one that is shown."""
        bar = self._bar
        match event:
            case Checked():
                self._bar = bar or _bar("reading photos", event.total, unit="photos")
                self._bar.update(event.done - self._bar.n)
            case RunStarted():
                self._say(
                    f"{event.architecture}: {event.classes} classes, {event.train} photos for training, "
                    f"{event.valid} for validation, on {event.device}"
                )
            case StageStarted():
                self._close()
                self._header = ""
                if event.name in STAGES:
                    self._say(STAGES[event.name])
                self._bar = _bar(event.name, event.steps)
            case FeaturesMade():
                self._bar = bar or _bar("extracting features", event.total, unit="photos")
                self._bar.update(event.done - self._bar.n)
            case StepEnded() | LearningRateTried() if bar is not None:
                bar.set_postfix(loss=f"{event.loss:.3f}", refresh=False)
                bar.update()
            case EpochEnded():
                names = ["epoch", "train_loss", "valid_loss", *event.metrics, "time"]
                if (line := " ".join(f"{n:<11}" for n in names)) != self._header:
                    self._header = line
                    self._say(line)
                self._say(" ".join(f"{v:<11}" for v in _row(event)))
            case RunResumed() if event.total:
                self._close()
                self._say(f"resuming after step {event.step} of {event.total}, {event.stage}")
                self._bar = _bar(event.stage, event.total, event.step)
            case Queued():
                self._say(f"waiting for {event.behind}, at place {event.place} of the queue")
            case FinishingEarly():
                self._say(f"finishing early: the learning rate is annealed over {event.steps} steps")
            case PhotoSkipped():
                self._say(f"skipped {event.path}: {event.reason}")
            case Suggestion():
                for name, rate in event.rates.items():
                    self._say(f"{name:<10} {'none' if rate is None else f'{rate:.2e}'}")
                if event.reason:
                    self._say(event.reason)
            case Notice():
                self._say(event.message)

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(line, file=sys.stdout, flush=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _bar(name: str, total: int, done: int = 0, unit: str = "steps") -> Any:
    return tqdm(total=total, initial=done, desc=name, unit=f" {unit}", leave=False, disable=None)


def _row(event: EpochEnded) -> list[str]:
    minutes, seconds = divmod(round(event.seconds), 60)
    figures = [event.train_loss, event.valid_loss, *event.metrics.values()]
    return [str(event.epoch), *(f"{v:.6f}" for v in figures), f"{minutes:02d}:{seconds:02d}"]
