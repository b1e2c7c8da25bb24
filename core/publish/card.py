"""The card of a model: what it was trained on, how good it is and how sure that is."""

from __future__ import annotations

from core.data.check import Report
from core.recipe import Recipe
from core.training.interpretation import ClassificationInterpretation


def card(recipe: Recipe, results: ClassificationInterpretation, report: Report) -> str:
    """The model folder's README.md."""
    low, high = results.interval
    knobs = recipe.training
    rows = [
        f"| {row['class']} | {row['n']} | {_share(row['recall'])} | {_share(row['precision'])} | {_share(row['f1'])} |"
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
            f"Trained on {report.train} photos: {knobs.freeze_epochs} epochs of the head, {knobs.epochs} of "
            "everything. The model is that of the last epoch; no epoch was chosen by its score. Knobs that were tuned "
            "on these validation photos by hand make the figure too good.",
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
            recipe.to_json(),
            "```",
            "",
        ]
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
