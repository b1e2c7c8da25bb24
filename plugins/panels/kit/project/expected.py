"""What a run is expected to take, kept in its folder: how long it still takes goes by that, and how well it was met."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

from core.errors import BadInput
from core.recipe import Recipe
from core.runs.run import Run

START = 8.0  # seconds that a run takes besides its epochs, about: starting, reading the photos, saving the model
EXPECTED = "expected.json"  # in the folder of a run
UNFROZEN = 2.4  # assumed duration of an unfrozen epoch in frozen epochs, where none has been timed


@dataclass(frozen=True)
class Speed:
    """Seconds per training photo in a frozen and an unfrozen epoch, and the peak memory in MB.

    They are those of an earlier `run`, or were measured on a few steps.
    """

    frozen: float
    unfrozen: float
    memory: float
    run: Run | None = None

    def seconds(self, recipe: Recipe, photos: int) -> float:
        """The expected duration of training a recipe on that many photos."""
        training = recipe.training
        return START + photos * (training.freeze_epochs * self.frozen + training.epochs * self.unfrozen)


@dataclass(frozen=True)
class Expected:
    """What a run was expected to take: seconds in all, MB of memory, and seconds an epoch; 0 if that was not known."""

    seconds: float
    memory: float = 0.0
    frozen: float = 0.0
    unfrozen: float = 0.0


def expect(run: Run, speed: Speed | None, photos: int) -> None:
    """Keep what is expected of a run on that many training photos."""
    if speed and photos:
        about = {"seconds": speed.seconds(run.recipe, photos), "memory": speed.memory}
        about |= {"frozen": photos * speed.frozen, "unfrozen": photos * speed.unfrozen}
        run.write(EXPECTED, json.dumps({name: round(value, 3) for name, value in about.items()}))


def expected(run: Run) -> Expected | None:
    """What a run was expected to take, or None."""
    if not (run.folder / EXPECTED).exists():
        return None
    with suppress(BadInput, ValueError, TypeError):
        return Expected(**{name: float(value) for name, value in json.loads(run.read(EXPECTED)).items()})
    return None
