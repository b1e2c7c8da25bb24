"""Which network suits the photos: a button that compares some, and the table from which to take one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.data.check import Examined
from core.model.pretrained import pretrained_of
from core.training.metrics import SIGNIFICANT
from plugins.panels.kit.insight.which_model import WhichModel, called, network_named
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import Html, acts, button, doing, joined, notes, percent, table, view

HEADER = [
    "Network",
    "Accuracy",
    "95 % interval",
    "Beside the best",
    "Photos per second",
    "Parameters",
    "License",
    "Use",
]


def which_model(page: Page) -> None:
    """Add it to a panel, for the owner of the computer."""
    if page.mode.local:
        shown = view("train-which", label="Which model?")
        page.shows(shown, _draw, "tick")
        page.does(shown.click, _on_click, redraw="load", trigger_mode="multiple")


def _on_click(project: Project, data: Mapping[str, Any]) -> None:
    match data.get("do"):
        case "compare":
            WhichModel(project).look(str(data.get("value") or ""))
        case "take":
            project.edit("architecture", network_named(str(data.get("network"))))


def _draw(project: Project) -> Html:
    recipe, examined, compared = project.recipe, project.examined, WhichModel(project)
    if recipe is None or not isinstance(examined, Examined) or examined.unready:
        return Html()
    if compared.looking:
        photos = len(examined.split.items)
        return doing(f"Comparing networks on {photos:,} photos; you can go on meanwhile")
    failed = notes([compared.failed], "bad") if compared.failed else Html()
    if not (rows := compared.found):
        about = Html('<p class="note">{}</p>').format(
            "Compares the networks that need no download on your photos, before any training."
        )
        return failed + acts(button("Which model?", "compare")) + about
    chosen = called(recipe.architecture)
    note = f"A linear head on the frozen network, on {rows[0]['photos']:,} validation photos; speed on this computer."
    other = "These figures are of other photos, labels or sizes than those of now: compare again."
    return joined(
        [
            Html("<h2>Which model?</h2>"),
            notes([] if compared.current else [other]),
            table(HEADER, [_row(row, row is rows[0], chosen) for row in rows]),
            notes([note], "note"),
            failed,
            _again(compared.added),
        ]
    )


def _again(added: Sequence[str]) -> Html:
    """A field for more networks, with those that were added last time, and the button that compares again."""
    field = Html(
        '<label class="option"><span>More networks</span><input type="text" id="which-more" value="{}" '
        'placeholder="resnet34, mobilenetv4_conv_small" autocomplete="off" spellcheck="false">'
        "<small>Names of this list or of timm; their weights are downloaded.</small></label>"
    ).format(", ".join(added))
    return field + acts(button("Compare again", "compare", {"with": "#which-more"}))


def _row(row: Mapping[str, Any], first: bool, chosen: str) -> list[str]:
    name, weights = called(row["architecture"]), pretrained_of(row["architecture"])
    return [
        name,
        percent(row["accuracy"]),
        f"{percent(row['low'])} to {percent(row['high'])}",
        "best" if first else "less accurate" if row["p"] < SIGNIFICANT else "no sure difference",
        f"{row['images_per_second']:,.0f}",
        f"{row['parameters'] / 1e6:.1f} million",
        weights.license if weights else "",
        Html('<span class="best">chosen</span>') if name == chosen else button("Use it", "take", {"network": name}),
    ]
