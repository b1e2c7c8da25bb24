"""Which epoch's model is kept is said with the figures that decided it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.events import EpochEnded, Event, RunStarted, StageStarted, to_line
from core.recipe import Recipe
from core.runs.events_file import EVENTS
from core.runs.run import Run
from plugins.panels.kit.project.run_view import run_view
from plugins.panels.kit.views.epochs import why_kept


@pytest.mark.parametrize(
    ("ended", "kept", "said"),
    [
        ([(0.8, 0.9), (0.9, 0.5)], 2, ["epoch 2", "90.0% of the 40 validation photos", "no other epoch", "0.500"]),
        ([(0.9, 0.9), (0.875, 0.5)], 2, ["0.500, is the lowest", "Epoch 1", "90.0%", "87.5%", "chance"]),
        ([(0.6, 0.4), (0.95, 0.5)], 2, ["95.0%", "Epoch 1 has a lower", "0.400 instead of 0.500", "60.0%"]),
        ([(0.9, 0.5)], 1, []),
    ],
)
def test_it_is_said_which_epoch_is_kept_and_why(
    ended: list[tuple[float, float]],
    kept: int,
    said: list[str],
    recipe_dict: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    run = Run.create(Recipe.from_dict(recipe_dict()), tmp_path)
    epochs = [
        EpochEnded(i, 1.0, loss, {"error_rate": 1 - right}, 1.0, best=i + 1 == kept)
        for i, (right, loss) in enumerate(ended)
    ]
    events: list[Event] = [RunStarted("x", 3, 100, 40, "CPU"), StageStarted("unfrozen", len(ended), 10, [0.1]), *epochs]
    (run.folder / EVENTS).write_text("".join(f"{to_line(event)}\n" for event in events))
    sentence = why_kept(run_view(run))
    assert bool(sentence) == bool(said) and all(part in sentence for part in said), sentence
