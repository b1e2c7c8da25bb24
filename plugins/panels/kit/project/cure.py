"""What a failed run can be trained with instead, where that is known."""

from __future__ import annotations

from dataclasses import replace

from core.events import RunEnded
from core.model.timm_network import says_no_weights
from core.recipe import Recipe
from core.registry import architectures
from core.runs.run import Run


def cure(run: Run) -> Recipe | None:
    """The recipe of a run whose weights could not be downloaded, with the proposed network instead, else None."""
    if run.status != "failed" or not isinstance(end := run.last_event, RunEnded) or not says_no_weights(end.error):
        return None
    recipe, proposed = run.recipe, architectures.defaults("architecture")[0]
    return None if recipe.architecture["name"] == proposed["name"] else replace(recipe, architecture=proposed)
