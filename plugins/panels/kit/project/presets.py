"""Presets of the epochs: a quick look, a balanced training, and a thorough one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.data.propose import pace
from core.errors import BadInput
from core.recipe import Recipe
from plugins.panels.kit.project.project import Project

MOST = 30  # epochs of a thorough training


@dataclass(frozen=True)
class Preset:
    """A preset, what it costs, and how many times the proposed unfrozen epochs it trains."""

    name: str
    cost: str
    times: int

    def applied(self, recipe: Recipe, photos: int) -> Recipe:
        """The recipe with the epochs of this preset."""
        proposed = pace(photos)
        epochs = min(self.times * proposed.epochs, max(MOST, proposed.epochs))
        training = replace(recipe.training, epochs=epochs, freeze_epochs=proposed.freeze_epochs)
        return replace(recipe, training=training)


PRESETS = (
    Preset("Quick", "Only the head learns: ready soonest, a few points less accurate.", 0),
    Preset("Balanced", "Everything learns: what suits most photos.", 1),
    Preset("Thorough", "Three times as long, for labels that look alike.", 3),
)


def choose_preset(project: Project, name: str) -> None:
    """Train for as long as a preset says; raises BadInput."""
    for preset in PRESETS:
        if preset.name == name:
            with project.draft.lock:
                project.use(preset.applied(project.require_recipe(), len(project.names())))
            return
    raise BadInput(f"There is no preset {name!r}; choose {', '.join(p.name for p in PRESETS)}.")
