"""Learning rate: run the LR finder, watch its curve, and choose a rate from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gradio as gr

from core.errors import BadInput
from core.events import LearningRateTried
from core.recipe import Recipe
from core.registry import panels
from core.runs.run import ALIVE, CREATED, LR_FINDS
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import RunView, run_view
from plugins.panels.kit.views.charts import Axes, Line, Mark, chart, nice
from plugins.panels.kit.views.html import Html, card, empty, joined, notes, rate, view
from plugins.panels.kit.views.run import is_starting, preparing
from plugins.panels.kit.views.takes import takes

WORDS = {"valley": "safe choice", "steep": "steepest fall", "minimum": "a tenth of the lowest point"}
HIGHEST = 10.0  # the LR finder's last rate, unless the loss diverges earlier
CLOSE = 3.0  # a factor within which the finder does not tell two rates apart


@panels.register("learning_rate")
class LearningRatePanel:
    """Run the LR finder and choose one of its suggestions, or any point on the curve."""

    title, place, serves_models = "Learning rate", 2, False

    def __init__(self, page: Page, /) -> None:
        with head(page, "rate", _title):
            test = gr.Button("Run LR finder", elem_id="rate-test", elem_classes="starts")
            train = gr.Button("Train", variant="primary", elem_id="rate-train", elem_classes="starts")
            takes(page, "rate")
        curve = view("rate-chart", label="Loss by learning rate")
        page.shows(curve, _chart, "tick")
        page.shows(test, _test_button, "tick")
        page.shows(train, _train_button)
        page.does(curve.edit, _choose, redraw="load")
        page.does(test.click, _test, busy="Starting the LR finder")
        page.does(train.click, _train, busy="Starting the training", redraw="load")

    def status(self, project: Project) -> tuple[State, str]:
        """The learning rate that training will use."""
        if project.recipe is None:
            return "todo", "Optional"
        test = project.lr_find
        if test and (test.status in ALIVE or is_starting(test)):
            return "active", "LR finder is running"
        fits = test and test.status == "completed" and not _others(run_view(test), project.recipe)
        chosen = rate(project.recipe.training.base_lr)
        return ("done", f"{chosen} chosen") if fits else ("todo", f"Optional: {chosen}")


def _title(project: Project) -> tuple[str, str]:
    about = "Optional: the default suits most photos. The LR finder tries many rates on yours and suggests one."
    if (test := project.lr_find) and run_view(test).state.tried:
        about = "The rate sets how fast the network learns. Click a suggestion, or anywhere on the curve."
    return "Choose a learning rate", about


def _test(project: Project) -> None:
    test = project.lr_find
    if test and test.status in ALIVE:
        test.stop()
    else:
        project.start(LR_FINDS)


def _train(project: Project) -> str:
    project.start()
    return "train"


def _test_button(project: Project) -> Any:
    test = project.lr_find
    if test and test.status in ALIVE:
        return gr.update(value="Stop LR finder", interactive=True)
    starts = test is not None and is_starting(test)
    return gr.update(value="Run again" if test else "Run LR finder", interactive=project.ready and not starts)


def _train_button(project: Project) -> Any:
    if project.recipe is None:
        return gr.update(value="Train", interactive=False)
    return gr.update(
        value=f"Use {rate(project.recipe.training.base_lr)} and train",
        interactive=project.ready,
    )


def _choose(project: Project, data: Mapping[str, Any]) -> None:
    """Set the learning rate to a suggestion, or to the point that was clicked."""
    try:
        chosen = float(f"{float(data['x']):.2e}")
    except (KeyError, TypeError, ValueError):
        raise BadInput("That is not a learning rate; click a suggestion or the curve.") from None
    project.edit("training.base_lr", chosen)


def _chart(project: Project) -> str:
    if project.recipe is None:
        return card(
            "", empty("No photos yet", "Add some on the Data page; the LR finder trains on them for a few steps.")
        )
    test = project.lr_find
    chosen = project.recipe.training.base_lr
    if test is None:
        line = f"{rate(chosen)} is chosen, and you can train with it; the LR finder takes about a minute."
        return card("", empty("Not run yet", line))
    shown = run_view(test)
    advice = _advice(shown, chosen) if not _others(shown, project.recipe) else Html()
    return card("", joined([advice, _curve(shown, chosen), _said(shown, project), _cards(shown, chosen)]))


def _advice(shown: RunView, chosen: float) -> Html:
    """The rate to train with and the reason for it, with a button where it is not the chosen one."""
    rates = shown.state.suggestion.rates if shown.state.suggestion else {}
    best = next((r for r in rates.values() if r is not None), None)
    if best is None:
        return Html()
    advised, reason = _recommended([(t.lr, t.loss) for t in shown.state.tried], best, chosen)
    keeps = advised == chosen
    act = Html('<button type="button" class="plain primary" data-do="edit" data-x="{}">Use {}</button>')
    return Html('<div class="advice"><p><b>{} {}.</b> {}</p>{}</div>').format(
        "Keep yours," if keeps else "Take", rate(advised), reason, "" if keeps else act.format(best, rate(best))
    )


def _recommended(points: list[tuple[float, float]], best: float, chosen: float) -> tuple[float, str]:
    """The chosen rate where it is as good as the suggested one, else that; and why."""
    lowest = min(points, key=lambda p: p[1] if math.isfinite(p[1]) else math.inf)[0]
    suggested = f"{rate(best)} lies half-way down the longest fall of the loss"
    if chosen >= lowest:
        return best, f"{suggested}; yours, {rate(chosen)}, lies where the loss rises again, so training may diverge."
    if chosen * CLOSE < best:
        return (
            best,
            f"{suggested}; yours, {rate(chosen)}, is {_times(best / chosen)} smaller, so it learns more slowly.",
        )
    if chosen > best * CLOSE:
        return (
            best,
            f"{suggested}; yours, {rate(chosen)}, is {_times(chosen / best)} larger, near where the loss turns.",
        )
    if _same(chosen, best):
        return chosen, "It lies half-way down the longest fall of the loss."
    return chosen, f"The loss falls there, and it is within a factor of {CLOSE:.0f} of the suggested {rate(best)}."


def _times(factor: float) -> str:
    return f"{factor:,.0f} times" if factor >= 10 else f"{factor:.1f} times"


def _curve(shown: RunView, chosen: float) -> str:
    points = [(t.lr, t.loss) for t in shown.state.tried if math.isfinite(t.loss)]
    if not points:
        begins = shown.status in ALIVE or is_starting(shown.run)
        return empty("The LR finder is starting" if begins else "Nothing was tried", _doing(shown))
    start = points[0][1]
    low, high = min(y for _, y in points), max(start * 1.3, min(max(y for _, y in points), start * 2))
    ticks = nice(low, high)
    last = HIGHEST if shown.status in ALIVE else points[-1][0]
    span, heights = (points[0][0], last), (ticks[0], ticks[-1])
    axes = Axes(span, heights, log=True, x_title="learning rate, logarithmic", y_title="smoothed loss")
    suggested = shown.state.suggestion.rates if shown.state.suggestion else {}
    places = {name: r for name, r in suggested.items() if r is not None}
    marks = [Mark(name, (r, _at(points, r))) for name, r in places.items() if not _same(r, chosen)]
    if axes.x[0] <= chosen <= axes.x[1]:
        marks.append(Mark(f"yours, {rate(chosen)}", (chosen, _at(points, chosen)), True))
    return chart("Smoothed loss by learning rate", axes, [Line("", points, "training")], marks, pick=True)


def _cards(shown: RunView, chosen: float) -> str:
    rates = shown.state.suggestion.rates if shown.state.suggestion else {}
    choice = Html(
        '<button type="button" class="choice{}" data-do="edit" data-x="{}" aria-pressed="{}">'
        "<b>{}</b><i>{}</i><small>{}</small></button>"
    )
    cards = joined(
        choice.format(
            " chosen" if _same(r, chosen) else "", r, str(_same(r, chosen)).lower(), rate(r), name, WORDS.get(name, "")
        )
        for name, r in rates.items()
        if r is not None
    )
    return Html('<div class="choices">{}</div>').format(cards) if cards else ""


def _said(shown: RunView, project: Project) -> Html:
    said = notes(_others(shown, project.require_recipe())) + notes(shown.state.notices)
    if not shown.state.tried:  # the empty chart says why
        return said
    if shown.state.suggestion and shown.state.suggestion.reason:
        return said + notes([shown.state.suggestion.reason])
    if shown.status in ALIVE:
        return said + notes([_doing(shown)], "note")
    if shown.end and shown.end.error:
        return said + notes([shown.end.error], "bad")
    return (
        said if shown.status == "completed" else said + notes([f"The LR finder was {shown.status} before it finished."])
    )


def _others(shown: RunView, recipe: Recipe) -> list[str]:
    """A sentence naming the settings that have changed since the LR finder ran; empty if none have."""
    try:
        tested = shown.recipe
    except BadInput:
        return []
    parts = ("source", "labeller", "architecture", "item_tfms", "batch_tfms")
    names = {"source": "photos", "labeller": "labels", "item_tfms": "presizing", "batch_tfms": "augmentation"}
    other = [names.get(part, part) for part in parts if getattr(tested, part) != getattr(recipe, part)]
    options = ("batch_size", "loss", "optimizer")
    other += [o.replace("_", " ") for o in options if getattr(tested.training, o) != getattr(recipe.training, o)]
    return [f"The LR finder was run with other settings ({', '.join(other)}); run it again."] if other else []


def _doing(shown: RunView) -> str:
    if said := preparing(shown, "the LR finder takes seconds"):
        return said
    if isinstance(shown.last, LearningRateTried):
        return f"Step {shown.last.step} of {shown.last.total}; it ends early if the loss diverges."
    if shown.status in ALIVE:
        return "The network is being built."
    if is_starting(shown.run):
        return "Its process is being started."
    if shown.end and shown.end.error:
        return shown.end.error
    return (
        "It did not start; run it again."
        if shown.status == CREATED
        else f"It was {shown.status} before its first step."
    )


def _at(points: list[tuple[float, float]], lr: float) -> float:
    return min(points, key=lambda p: abs(math.log(p[0] / lr)))[1]


def _same(a: float, b: float) -> bool:
    return abs(math.log(a / b)) < 0.01
