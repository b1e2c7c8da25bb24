"""How long a training will take, in a line at the button that starts it."""

from __future__ import annotations

from core.data.check import Examined
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.estimate import speed_for
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import run_view
from plugins.panels.kit.views.html import Html, duration, view
from plugins.panels.kit.views.run import about_left, is_starting

LINE = Html("<p>{}.</p>")


def takes(page: Page, name: str) -> None:
    """Add that line to the buttons of a panel."""
    shown = view(f"{name}-takes", label="How long it takes", elem_classes="takes")
    page.shows(shown, lambda project: takes_line(project, here=name == "train"), "tick")


def takes_line(project: Project, here: bool) -> Html:
    """What a press on Train would take; nothing where there is no such button, as the run is shown `here`."""
    recipe, found, run = project.recipe, project.examined, project.under_way
    if recipe is None or not isinstance(found, Examined) or found.unready or (here and run and not run.is_lr_find):
        return Html()
    if (chosen := project.run) and is_starting(chosen):
        return Html()
    speed = speed_for(project.folder, recipe)
    known = f"takes about {duration(speed.seconds(recipe, len(found.split.train)))}" if speed else ""
    if run:
        what, left = "LR finder" if run.is_lr_find else "run under way", about_left(run_view(run))
        begins = f"It begins when the {what} has ended{f', in {left}' if left else ''}"
        return LINE.format(f"{begins}; it then {known}" if known else begins)
    if not known:
        return LINE.format("How long it takes is measured in its first seconds")
    return LINE.format(f"{'A new run' if here and chosen and not others(project, chosen) else 'Training'} {known}")
