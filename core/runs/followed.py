"""A run as its watchers see it: how far it is, how long it will take, and what to draw."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TypeVar

from core.events import (
    Checked,
    EpochEnded,
    Event,
    LearningRateTried,
    Notice,
    PhotoSkipped,
    RunEnded,
    RunResumed,
    StageStarted,
    StepEnded,
    Suggestion,
)
from core.recipe import Recipe
from core.runs.run import Run

WINDOW = 30.0  # seconds over which the speed is taken
KEPT = 64  # runs remembered
UNFROZEN = 2.5  # an epoch of everything takes so many times one of the head alone, until one was seen
Point = tuple[float, float]
E = TypeVar("E", bound=Event)


@dataclass
class Stage:
    """A stage as it went: its steps' losses, and its epochs."""

    name: str
    epochs: int
    steps: int
    losses: list[float] = field(default_factory=list)
    ended: list[EpochEnded] = field(default_factory=list)


class Followed:
    """What the events of a run have said so far; `update` reads those that are new."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.status = ""
        self._numbered: list[tuple[int, Event]] = []
        self._position = self._count = 0
        self._seen: deque[Point] = deque()  # (monotonic seconds, steps done), to tell the speed
        self._lock = Lock()

    def update(self) -> Followed:
        """Read what is new."""
        with self._lock:
            self.status = self.run.status  # asked before reading, so that an end is not missed
            events, self._position = self.run.since(self._position)
            for event in events:
                if isinstance(event, RunResumed):
                    self._numbered = [x for x in self._numbered if x[0] < event.kept or isinstance(x[1], Notice)]
                    self._seen.clear()
                self._numbered.append((self._count, event))
                self._count += 1
            if events:
                now = time.monotonic()
                self._seen.append((now, float(sum(len(s.losses) for s in self.stages))))
                while self._seen[0][0] < now - WINDOW:
                    self._seen.popleft()
        return self

    @cached_property
    def recipe(self) -> Recipe:
        """What the run was asked to do; raises BadInput."""
        return self.run.recipe

    @property
    def events(self) -> list[Event]:
        """The events that stand, as `settled` gives them."""
        return [event for _, event in self._numbered]

    @property
    def last(self) -> Event | None:
        """The newest of them."""
        return self._numbered[-1][1] if self._numbered else None

    @property
    def stages(self) -> list[Stage]:
        """What was trained so far, a stage being the head alone or everything."""
        stages: list[Stage] = []
        for event in self.events:
            match event:
                case StageStarted():
                    stages.append(Stage(event.name, event.epochs, event.steps))
                case StepEnded() if stages:
                    stages[-1].losses.append(event.loss)
                case EpochEnded() if stages:
                    stages[-1].ended.append(event)
        return stages

    @property
    def epochs(self) -> list[tuple[int, str, EpochEnded]]:
        """Each epoch with its number in the whole run, from 1, and the name of its stage."""
        found, before = [], 0
        for stage in self.stages:
            found += [(before + e.epoch + 1, stage.name, e) for e in stage.ended]
            before += stage.epochs
        return found

    @property
    def losses(self) -> list[Point]:
        """The training loss of each step, over epochs of the whole run."""
        points, before = [], 0
        for stage in self.stages:
            points += [(before + (i + 1) * stage.epochs / stage.steps, loss) for i, loss in enumerate(stage.losses)]
            before += stage.epochs
        return points

    @property
    def tried(self) -> list[LearningRateTried]:
        """The points of a learning-rate test."""
        return [e for e in self.events if isinstance(e, LearningRateTried)]

    @property
    def suggestion(self) -> Suggestion | None:
        """What a learning-rate test suggests, once it is through."""
        return self._newest(Suggestion)

    @property
    def checked(self) -> Checked | None:
        """How far the photos have been read."""
        return self._newest(Checked)

    @property
    def end(self) -> RunEnded | None:
        """How the run ended, unless it is under way."""
        return self.last if isinstance(self.last, RunEnded) else None

    @property
    def notices(self) -> list[str]:
        """What a person should know about the run."""
        said = [e.message for e in self.events if isinstance(e, Notice)]
        return said + [f"skipped {Path(e.path).name}: {e.reason}" for e in self.events if isinstance(e, PhotoSkipped)]

    @property
    def planned(self) -> int:
        """Epochs of the whole run."""
        return self.recipe.training.freeze_epochs + self.recipe.training.epochs

    @property
    def fraction(self) -> float:
        """The share of the epochs that is behind, 0 to 1."""
        if isinstance(self.last, RunEnded) and self.last.status == "completed":
            return 1.0
        return min(1.0, max((x for x, _ in self.losses), default=0.0) / max(1, self.planned))

    @property
    def speed(self) -> float | None:
        """Photos a second in training, as seen in the last seconds."""
        if len(self._seen) < 2 or self.status != "running":
            return None
        (t0, first), (t1, last) = self._seen[0], self._seen[-1]
        return (last - first) * self.recipe.training.batch_size / (t1 - t0) if last > first and t1 > t0 else None

    @property
    def elapsed(self) -> float:
        """Seconds that the epochs so far took."""
        return sum(e.seconds for _, _, e in self.epochs)

    @property
    def left(self) -> float | None:
        """Seconds that the rest may take: epochs as long as the last of their stage, else by the speed."""
        stages = self.stages
        if not stages or self.status != "running" or not (now := stages[-1]).steps:
            return None
        done = len(now.losses) * now.epochs / now.steps
        to_come = self.planned - sum(s.epochs for s in stages)
        if now.ended:
            epoch = sum(e.seconds for e in now.ended[-3:]) / len(now.ended[-3:])
        elif speed := self.speed:
            epoch = now.steps / now.epochs * self.recipe.training.batch_size / speed
        else:
            return None
        return max(0.0, now.epochs - done) * epoch + to_come * epoch * (UNFROZEN if now.name == "frozen" else 1)

    def _newest(self, kind: type[E]) -> E | None:
        return next((e for e in reversed(self.events) if isinstance(e, kind)), None)


_followed: OrderedDict[Path, Followed] = OrderedDict()
_lock = Lock()


def follow(run: Run) -> Followed:
    """The run as it is now; what was read before is not read again."""
    with _lock:
        found = _followed.pop(run.folder, None) or Followed(run)
        _followed[run.folder] = found
        while len(_followed) > KEPT:
            _followed.popitem(last=False)
    return found.update()
