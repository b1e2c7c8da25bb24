"""What was found in the photos: labels and counts, what was left out and why."""

from __future__ import annotations

import os
from pathlib import Path

from core.data.check import Examined
from core.errors import BadInput
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import Html, acts, bars, button, card, empty, figures, notes, percent, table

TITLE = "What we found"
MOST_SKIPPED = 200  # shown


def found_card(project: Project) -> str:
    """The photos of a project by label and set, the reasons, and what to do next."""
    found = project.examined
    if refused := project.refused:
        return card(TITLE, notes([refused], "bad") + acts(back(project)))
    if isinstance(found, BadInput):
        again = button("Read the photos again", "again")
        return card(TITLE, notes([project.plain(found)], "bad") + acts(again, back(project)))
    if found is None:
        if project.recipe:
            return card(TITLE, empty("Reading", "Every photo is opened once to check that it can be read."))
        return card(TITLE, empty("No photos yet", "Labels and counts appear here as soon as you add some."))
    report, unlabelled = found.report, len(found.unlabelled)
    counts, most = report.counts, max(report.counts.values(), default=0)
    photos, least = sum(counts.values()), min(counts.values(), default=0)
    spread = "well balanced" if least * 2 >= most else f"{least:,} to {most:,} photos each"
    cells = [
        ("Photos", f"{photos + unlabelled:,}", f"{len(report.skipped) - unlabelled:,} left out"),
        ("Labels", f"{len(counts):,}", spread if counts else "none yet"),
        ("Validation", f"{report.valid:,}", percent(report.valid / photos) if photos else ""),
    ]
    if unlabelled:
        cells.insert(1, ("No label", f"{unlabelled:,}", "below"))
    proposed = photos > report.corrected.labelled  # else people gave all labels, and nothing was proposed
    reasons = notes((project.plain(BadInput(reason)) for reason in project.reasons if proposed), "note")
    body = (
        figures(cells)
        + _to_label(unlabelled)
        + reasons
        + bars((name, n / most, f"{n:,}") for name, n in counts.items())
        + notes(report.warnings)
    )
    return card(TITLE, body + _skipped(found) + acts(button("Read the photos again", "again")))


def _to_label(unlabelled: int) -> Html:
    if not unlabelled:
        return Html()
    many = "1 photo has" if unlabelled == 1 else f"{unlabelled:,} photos have"
    link = Html(
        '<p class="to-label" role="status">{} no label. <button type="button" class="plain primary" {}>{}</button></p>'
    )
    return link.format(many, Html('data-show="data-grid"'), "Label them here" if unlabelled > 1 else "Label it here")


def back(project: Project) -> str:
    """A button that returns to the previous photos."""
    earlier, recipe = project.earlier, project.recipe
    if earlier is None or (recipe and recipe.source == earlier.source):
        return ""
    place = earlier.source.get("path") or earlier.source.get("repo") or earlier.source["name"]
    return button(f"Go back to {Path(str(place)).name}", "back")


def _skipped(found: Examined) -> str:
    unlabelled = set(map(str, found.unlabelled))
    skipped = {path: why for path, why in found.report.skipped.items() if path not in unlabelled}
    if not skipped:
        return ""
    code = Html("<code>{}</code>").format
    rows = [(code(_relative(path, found.root)), why) for path, why in skipped.items()]
    more = f", the first {MOST_SKIPPED} of them" if len(rows) > MOST_SKIPPED else ""
    return Html("<details><summary>{:,} left out{}</summary>{}</details>").format(
        len(rows), more, table(["File", "Why"], rows[:MOST_SKIPPED])
    )


def _relative(path: str, root: Path) -> str:
    return os.path.relpath(path, root) if os.path.isabs(path) else path
