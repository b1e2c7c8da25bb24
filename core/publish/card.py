"""The card of a model: what it was trained on, how good it is and how sure that is."""

from __future__ import annotations

import json
from typing import Any

from core.data.check import Report
from core.recipe import Recipe
from core.training.interpretation import ClassificationInterpretation


def card(recipe: Recipe, results: ClassificationInterpretation, report: Report) -> str:
    """The model folder's README.md."""
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
            f"Trained on {report.train} photos (epochs of the head alone: {knobs.freeze_epochs}, of everything: "
            f"{knobs.epochs}). The model is that of the last epoch; no epoch was chosen by its score. Knobs that were "
            "tuned on these validation photos by hand make the figure too good.",
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
