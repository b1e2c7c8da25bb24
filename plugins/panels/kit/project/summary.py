"""A run as a list shows it: its status and epochs, from the few kinds of events they need."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import Lock

from core.events import EpochEnded, Event, RunEnded, RunResumed
from core.recipe import Recipe
from core.runs.events_file import event_of
from core.runs.run import Run
from plugins.panels.kit.project.naming import recipe_of

CACHED_SUMMARIES = 1_000
KINDS_READ = tuple(f'"{kind.__name__}"'.encode() for kind in (EpochEnded, RunEnded, RunResumed))


class Summary:
    """The status and the epochs of a run; `update` reads new events."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.status = ""
        self._events: list[tuple[int, Event]] = []  # each with its index among all events
        self._count = self._position = 0
        self._lock = Lock()

    def update(self) -> Summary:
        """Read new events and return self."""
        with self._lock:
            self.status = self.run.status  # before reading events, so that the end is not missed
            lines, self._position = self.run.lines(self._position)
            for number, line in enumerate(lines, self._count):
                if any(mark in line for mark in KINDS_READ):
                    event = event_of(line)
                    if isinstance(event, RunResumed):
                        self._events = [(n, e) for n, e in self._events if n < event.kept]
                    self._events.append((number, event))
            self._count += len(lines)
        return self

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run; raises BadInput."""
        return recipe_of(self.run)

    @property
    def epochs(self) -> list[EpochEnded]:
        """The epochs that have ended; of one that was repeated after a resume, only the last."""
        return [e for _, e in self._events if isinstance(e, EpochEnded)]

    @property
    def best(self) -> EpochEnded | None:
        """The best epoch so far, whose model is saved."""
        return next((e for e in reversed(self.epochs) if e.best), None)

    @property
    def end(self) -> RunEnded | None:
        """The last event that ended the run, or None."""
        return next((e for _, e in reversed(self._events) if isinstance(e, RunEnded)), None)

    @property
    def elapsed(self) -> float:
        """What the run took in seconds, or its epochs so far; its end knows of its last process alone."""
        return max(sum(e.seconds for e in self.epochs), self.end.seconds if self.end else 0.0)

    @property
    def fraction(self) -> float:
        """The fraction of its epochs that are done, 0 to 1; raises BadInput if its recipe is damaged."""
        training = self.recipe.training
        return (
            1.0 if self.status == "completed" else len(self.epochs) / max(1, training.freeze_epochs + training.epochs)
        )


def summary(run: Run) -> Summary:
    """The up-to-date summary of a run; only events not read before are read."""
    return _summary(run.folder).update()


@lru_cache(maxsize=CACHED_SUMMARIES)
def _summary(folder: Path) -> Summary:
    return Summary(Run(folder))
