"""The list of runs, to compare and to return to."""

from __future__ import annotations

from core.errors import BadInput
from core.runs.project import Project
from core.runs.run import ALIVE, Run
from core.runs.summary import summary
from plugins.panels.kit.html import button, card, clock, percent, rate, table, text
from plugins.panels.kit.run import accuracy_of

MOST = 50


def runs_view(project: Project) -> str:
    """The newest runs with what tells them apart, and what can be done with each."""
    runs = project.runs
    if not runs:
        return ""
    looked_at = project.run
    rows = [_row(run, bool(looked_at and run.name == looked_at.name)) for run in runs[:MOST]]
    header = ["Begun", "Status", "Accuracy", "Architecture", "Epochs", "Rate", "Time", ""]
    more = f"The newest {MOST} of {len(runs)}." if len(runs) > MOST else ""
    return card("Runs", table(header, rows), more)


def _row(run: Run, selected: bool) -> list[str]:
    shown = summary(run)
    data = {"run": run.name}
    delete = button("Delete", "delete", data | {"confirm": f"Delete the run {run.name} and its model for good?"})
    try:
        recipe = shown.recipe
    except BadInput as error:
        name, why = text(run.name), f'<span title="{text(error)}">damaged</span>'
        return [name, why, "", "", "", "", "", f'<div class="row-actions">{delete}</div>']
    accuracy, knobs = accuracy_of(shown.best) if shown.best else None, recipe.training
    actions = button("Use its recipe", "recipe", data | {"confirm": "Use the recipe of this run in place of yours?"})
    if accuracy is not None:
        actions = button("Results", "results", data) + actions
    if shown.status not in ALIVE:
        actions += delete
    here, name = ' aria-current="true"' if selected else "", text(run.name)
    begun = run.name.removesuffix(f"_{recipe.architecture['name']}").replace("_", " ")
    return [
        f'<button type="button" class="link" data-do="look" data-run="{name}"{here}>{text(begun)}</button>',
        text(shown.status),
        "–" if accuracy is None else percent(accuracy),
        text(recipe.architecture.get("model", recipe.architecture["name"])),
        f"{knobs.freeze_epochs} + {knobs.epochs}",
        rate(knobs.base_lr),
        clock(shown.elapsed),
        f'<div class="row-actions">{actions}</div>',
    ]
