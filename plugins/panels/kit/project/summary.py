"""What a list tells of a run; of its events only the few that this takes are read."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock

from core.events import EpochEnded, Event, RunEnded, RunResumed
from core.recipe import Recipe
from core.runs.events_file import event_of
from core.runs.run import Run

KEPT = 1_000  # runs remembered
MARKS = tuple(f'"{kind.__name__}"'.encode() for kind in (EpochEnded, RunEnded, RunResumed))


class Summary:
    """How a run is, and its epochs that stand; `update` reads what is new."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.status = ""
        self._heard: list[tuple[int, Event]] = []  # each with its number among all events
        self._count = self._position = 0
        self._lock = Lock()

    def update(self) -> Summary:
        """Read what is new."""
        with self._lock:
            self.status = self.run.status  # asked before reading, so that an end is not missed
            lines, self._position = self.run.lines(self._position)
            for number, line in enumerate(lines, self._count):
                if any(mark in line for mark in MARKS):
                    event = event_of(line)
                    if isinstance(event, RunResumed):
                        self._heard = [(n, e) for n, e in self._heard if n < event.kept]
                    self._heard.append((number, event))
            self._count += len(lines)
        return self

    @cached_property
    def recipe(self) -> Recipe:
        """What the run was asked to do; raises BadInput."""
        return self.run.recipe

    @property
    def epochs(self) -> list[EpochEnded]:
        """The epochs that stand."""
        return [e for _, e in self._heard if isinstance(e, EpochEnded)]

    @property
    def best(self) -> EpochEnded | None:
        """The epoch whose model is kept so far."""
        return next((e for e in reversed(self.epochs) if e.best), None)

    @property
    def end(self) -> RunEnded | None:
        """How the run ended last, if it did."""
        return next((e for _, e in reversed(self._heard) if isinstance(e, RunEnded)), None)

    @property
    def elapsed(self) -> float:
        """Seconds that its epochs took; of a run without one, that it lived."""
        return sum(e.seconds for e in self.epochs) or (self.end.seconds if self.end else 0.0)

    @property
    def fraction(self) -> float:
        """The share of its epochs that is behind, 0 to 1; raises BadInput where its recipe is damaged."""
        training = self.recipe.training
        return (
            1.0 if self.status == "completed" else len(self.epochs) / max(1, training.freeze_epochs + training.epochs)
        )


def summary(run: Run) -> Summary:
    """What a list tells of a run now; what was read before is not read again."""
    return _summary(run.folder).update()


@lru_cache(maxsize=KEPT)
def _summary(folder: Path) -> Summary:
    return Summary(Run(folder))
