"""The labels that a labeller gives to some of the photos, with the part of the name that is the label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.data.labelling import label_all
from core.errors import BadInput
from core.recipe import Recipe
from core.registry import labellers
from plugins.panels.kit.project.edits import typed
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import Html, notes, table

EXAMPLES, LABELLED = 6, 20_000  # photos shown, and labelled at most


def label_preview(project: Project) -> str:
    """The labels that the labeller of the recipe gives."""
    return _labels(project, project.recipe) if project.recipe else ""


def typed_preview(project: Project, data: Mapping[str, Any]) -> str:
    """The labels that a labeller's pattern gives while it is being typed."""
    try:
        return _labels(project, project.changed(*typed(project, data)))
    except BadInput as error:
        return notes([project.plain(error)], "bad")


def _labels(project: Project, recipe: Recipe) -> str:
    try:
        labeller = project.build("labeller", recipe)
        names = project.names()
        labels, unlabelled = label_all(names[:LABELLED], labeller, Path)
    except BadInput as error:
        return notes([project.plain(error)], "bad")
    if not labels and not labellers[recipe.labeller["name"]].params:  # there is no option to mend
        return notes(["No name gives a label: label the photos below."], "note")
    rows = [_example(labeller, name, labels.get(name)) for name in _spread(names)]
    said = (
        f"{len(labels):,} of {len(labels) + len(unlabelled):,} names give a label · {len(set(labels.values()))} labels"
    )
    if unlabelled:
        said += f". The first without a label: {next(iter(unlabelled.values()))}."
    return table(["File", "Label"], rows) + notes([said], "bad" if unlabelled else "good")


def _example(labeller: Any, name: Path, label: str | None) -> tuple[str, str]:
    code = Html("<code>{}</code>").format
    try:
        shown, start, end = labeller.span(name)
    except (AttributeError, BadInput):  # not every labeller takes its label from the name
        return code(name.name), label or Html("<em>none</em>")
    marked = Html("{}<mark>{}</mark>{}").format(shown[:start], shown[start:end], shown[end:])
    return code(marked), label or ""


def _spread(names: list[Path]) -> list[Path]:
    return [names[i * len(names) // EXAMPLES] for i in range(EXAMPLES)] if len(names) > EXAMPLES else names
