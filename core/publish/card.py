"""The card of a model: what it was trained on, how good it is and how sure that is."""

from __future__ import annotations

import json
from typing import Any

from core.recipe import Recipe
from core.training.interpretation import ClassificationInterpretation
from core.training.state import LAST, Best


def card(recipe: Recipe, results: ClassificationInterpretation, photos: int, best: Best) -> str:
    """The model folder's README.md, for a model trained on so many photos."""
    low, high = results.interval
    knobs = recipe.training
    rows = [
        f"| {_cell(row['class'])} | {row['n']} | {' | '.join(_share(row[k]) for k in ('recall', 'precision', 'f1'))} |"
        for row in results.per_class()
    ]
    confused = [f"- {n} of {a} taken for {b}" for a, b, n in results.most_confused(2)[:5]]
    return "\n".join(
        [
            f"# {recipe.architecture.get('model', recipe.architecture['name'])}, {len(results.vocab)} classes",
            "",
            f"Accuracy **{results.accuracy:.3f}** on {len(results.targets)} validation photos "
            f"(95 % interval {low:.3f} to {high:.3f}).",
            "",
            f"Trained on {photos} photos by a recipe of {knobs.freeze_epochs} epochs of the head alone and "
            f"{knobs.epochs} of everything. The model is that of epoch {best.epoch} of the {best.stage} ones, "
            f"{_chosen(recipe)}. Knobs that were tuned on these validation photos by hand make the figure too good.",
            "",
            "| class | photos | recall | precision | F1 |",
            "|---|---|---|---|---|",
            *rows,
            "",
            *(["Most confused:", "", *confused, ""] if confused else []),
            "## Use",
            "",
            "```python",
            "from core import load_learner",
            "label, index, probabilities = load_learner('this_folder').predict('photo.jpg')",
            "```",
            "",
            "## Recipe",
            "",
            "```json",
            json.dumps(without_paths(recipe.to_dict()), indent=2),
            "```",
            "",
        ]
    )


def _chosen(recipe: Recipe) -> str:
    if recipe.training.best_by == LAST:
        return "the last; no epoch was chosen by its score"
    return f"chosen by its {recipe.training.best_by} on the same validation photos, which flatters the figure a little"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def without_paths(document: Any) -> Any:
    """A recipe without where things lie on this machine."""
    if isinstance(document, list):
        return [without_paths(value) for value in document]
    if isinstance(document, dict):
        return {key: without_paths(value) for key, value in document.items() if key != "path"}
    return document


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
