"""A run as a page shows it: progress, time left and curves, updated from its events."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock

from core.events import (
    EpochEnded,
    Event,
    FeaturesMade,
    FinishingEarly,
    LearningRateTried,
    Notice,
    PhotoSkipped,
    RunEnded,
    RunResumed,
    RunStarted,
    StageStarted,
    StepEnded,
    Suggestion,
    replayed,
)
from core.recipe import Recipe
from core.runs.run import Run
from core.runs.stop_signals import FINISH
from core.training.schedules import FINISH_SHARE
from plugins.panels.kit.project.expected import Expected, expected
from plugins.panels.kit.project.time_left import Countdown, time_left

WINDOW, SHORTEST = 30.0, 1.0  # seconds over which the speed is measured, at most and at least
CACHED_VIEWS = 64
ALMOST = 0.995  # of the work, after which validation and saving take longer than training
MOST_POINTS = 2_000  # of a curve; beyond that, neighbours are merged
Point = tuple[float, float]


@dataclass
class StageProgress:
    """The progress of a stage: steps done and epochs ended; `last` is the step at which it will end.

    `work` counts epochs over photos: epochs of the head on cached features take almost no time.
    """

    name: str
    epochs: int
    steps: int
    work: int
    done: int = 0
    ended: list[EpochEnded] = field(default_factory=list)
    last: int = 0


class Curve:
    """A curve of at most MOST_POINTS points; when it is full, each point becomes the mean of twice as many steps."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._waiting: list[Point] = []
        self._each = 1

    def add(self, x: float, y: float) -> None:
        """Add the value of one step."""
        self._waiting.append((x, y))
        if len(self._waiting) < self._each:
            return
        self.points.append(_mean(self._waiting))
        self._waiting = []
        if len(self.points) >= MOST_POINTS:
            self.points = [_mean(self.points[i : i + 2]) for i in range(0, len(self.points), 2)]
            self._each *= 2


def _mean(points: list[Point]) -> Point:
    return points[-1][0], sum(y for _, y in points) / len(points)


class RunState:
    """The state of a run, built by applying its events in order."""

    def __init__(self) -> None:
        self.last: Event | None = None
        self.started: RunStarted | None = None
        self.stages: list[StageProgress] = []
        self.curve = Curve()
        self.tried: list[LearningRateTried] = []
        self.suggestion: Suggestion | None = None
        self.notices: list[str] = []
        self.finish: FinishingEarly | None = None

    def apply(self, event: Event) -> None:
        """Update the state by one event."""
        self.last = event
        match event:
            case RunStarted():
                self.started = event
            case StageStarted():
                made = event.name == "features"
                if made:  # the first stage; it comes again if the run died before its first checkpoint
                    self.stages.clear()
                kept = event.name == "frozen" and self.stages and self.stages[-1].name == "features"
                epochs, work = 0 if made else event.epochs, 0 if kept else event.epochs
                last = event.steps if self.finish is None or made else self.finish.step + self.finish.steps
                self.stages.append(StageProgress(event.name, epochs, event.steps, work, last=last))
            case FeaturesMade() if self.stages:
                self.stages[-1].done = event.done
            case StepEnded() if self.stages:
                stage = self.stages[-1]
                stage.done += 1
                before = sum(s.epochs for s in self.stages[:-1])
                self.curve.add(before + stage.done * stage.epochs / stage.steps, event.loss)
            case EpochEnded() if self.stages:
                self.stages[-1].ended.append(event)
            case FinishingEarly():
                self.finish = event
                if (
                    self.stages and self.stages[-1].name != "features"
                ):  # features are extracted before finishing early takes effect
                    self.stages[-1].last = event.step + event.steps
            case LearningRateTried():
                self.tried.append(event)
            case Suggestion():
                self.suggestion = event
            case Notice():
                self.notices.append(event.message)
            case PhotoSkipped():
                self.notices.append(f"skipped {Path(event.path).name}: {event.reason}")


class RunView:
    """A run and its state; `update` reads new events."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.status = ""
        self.state = RunState()
        self._position = 0
        self._seen: deque[tuple[float, Point]] = deque()  # (monotonic seconds, (stages begun, steps of the last stage))
        self._countdown = Countdown()
        self._lock = Lock()

    def update(self) -> RunView:
        """Read new events and return self."""
        with self._lock:
            self.status = self.run.status  # before reading events, so that the end is not missed
            events, self._position = self.run.since(self._position)
            if any(isinstance(event, RunResumed) for event in events):  # steps after the checkpoint are trained again
                state = RunState()
                everything, self._position = self.run.since()
                for event in replayed(everything):
                    state.apply(event)
                self.state, events = state, []
                self._seen.clear()
                self._countdown = Countdown()
            for event in events:
                self.state.apply(event)
            now, stages = time.monotonic(), self.state.stages
            done = len(stages), float(stages[-1].done if stages else 0)
            if self._seen and self._seen[-1][1][0] != done[0]:  # stages differ in their time per step
                self._seen.clear()
            if not self._seen or done != self._seen[-1][1]:
                self._seen.append((now, done))
            while self._seen[0][0] < now - WINDOW and len(self._seen) > 1:
                self._seen.popleft()
        return self

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe of the run; raises BadInput."""
        return self.run.recipe

    @property
    def hoped(self) -> Expected | None:
        """What the run was expected to take, or None."""
        return expected(self.run)

    @property
    def last(self) -> Event | None:
        """The newest event."""
        return self.state.last

    @property
    def end(self) -> RunEnded | None:
        """The event that ended the run, or None while it is under way."""
        return self.last if isinstance(self.last, RunEnded) else None

    @property
    def losses(self) -> list[Point]:
        """The training loss over epochs of the whole run, at most MOST_POINTS points."""
        return self.state.curve.points

    @property
    def epochs(self) -> list[tuple[int, str, EpochEnded]]:
        """Each epoch as (number in the whole run, from 1; name of its stage; its event)."""
        found, before = [], 0
        for stage in self.state.stages:
            found += [(before + e.epoch + 1, stage.name, e) for e in stage.ended]
            before += stage.epochs
        return found

    @property
    def planned(self) -> int:
        """The number of epochs planned for the whole run; raises BadInput if its recipe is damaged."""
        return self.recipe.training.freeze_epochs + self.recipe.training.epochs

    @property
    def finishing(self) -> bool:
        """Whether the run anneals its learning rate to finish early."""
        return self.state.finish is not None

    @property
    def asked_to_finish(self) -> bool:
        """Whether it was asked to finish early and has not ended yet; it may not have reacted either."""
        return self.status == "running" and (self.finishing or (self.run.folder / FINISH).exists())

    @property
    def fraction(self) -> float:
        """The fraction of the run's work that is done, 0 to 1."""
        if self.end and self.end.status == "completed":
            return 1.0
        stages = self.state.stages
        if not stages:
            return 0.0
        done = sum(s.work * min(1.0, s.done / max(1, s.steps)) for s in stages)
        return min(1.0, done / max(1e-9, self._work(stages)))

    @property
    def speed(self) -> float | None:
        """Training photos per second over the last WINDOW seconds."""
        if not (recent := self._recent) or self.status != "running" or not self.state.stages[-1].work:
            return None
        stage, started = self.state.stages[-1], self.state.started
        a_step = started.train * stage.work / stage.steps if started else float(self.recipe.training.batch_size)
        return recent[0] * a_step / recent[1]

    @property
    def said(self) -> str:
        """How far a run under way is, in whole percent, which are never 100 before it has ended."""
        if not self.fraction:
            return "getting ready"
        return f"{100 * self.fraction:.0f}%" if self.fraction < ALMOST else "almost done"

    @property
    def elapsed(self) -> float:
        """What the run took in seconds, or its epochs so far; its end knows of its last process alone."""
        return max(sum(e.seconds for _, _, e in self.epochs), self.end.seconds if self.end else 0.0)

    @property
    def left(self) -> float | None:
        """About how many seconds are left, more than was said before only where it is clearly slower."""
        if self.status != "running" or self.run.is_lr_find:
            return None
        stages, to_come, steps = self.state.stages, 0.0, 0
        if stages:
            now = stages[-1]
            steps = max(0, now.last - now.done)
            if not self.asked_to_finish:
                to_come = self.planned - sum(stage.work for stage in stages)
            elif not self.finishing:
                steps = min(steps, round(FINISH_SHARE * now.steps))
        left = time_left(stages, steps, to_come, self._recent, self.hoped)
        return None if left is None else self._countdown.to(left)

    @property
    def _recent(self) -> tuple[float, float] | None:
        """Steps of the last stage within the last WINDOW seconds, and the seconds that they took."""
        if not self._seen:
            return None
        (t0, (_, first)), (t1, (_, last)) = self._seen[0], self._seen[-1]
        return (last - first, t1 - t0) if last > first and t1 - t0 >= SHORTEST else None

    def _work(self, stages: list[StageProgress]) -> float:
        """The epochs over photos that the run will have trained when it ends."""
        if self.finishing:
            return sum(s.work * s.last / max(1, s.steps) for s in stages)
        return float(self.planned)


def run_view(run: Run) -> RunView:
    """The up-to-date view of a run; only events not read before are read."""
    return _cached_view(run.folder).update()


@lru_cache(maxsize=CACHED_VIEWS)
def _cached_view(folder: Path) -> RunView:
    return RunView(Run(folder))
