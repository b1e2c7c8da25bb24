"""The forms of a recipe's architecture, training, metrics and transforms."""

from __future__ import annotations

from inspect import isclass

from core.data.check import Examined
from core.data.transforms import BatchTransform
from core.model.pretrained import pretrained_of
from core.recipe import LAST, TRAINING, VALID_LOSS, Choice, Recipe, Training
from core.registry import architectures, as_choice, metrics, transforms
from plugins.panels.kit.insight.speed import MeasuredSpeed
from plugins.panels.kit.project.estimate import speed_for
from plugins.panels.kit.project.expected import Speed
from plugins.panels.kit.project.naming import title_of
from plugins.panels.kit.project.places import is_list
from plugins.panels.kit.project.presets import PRESETS, Preset
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import run_view
from plugins.panels.kit.views.form import chooser, chooser_list, form, option
from plugins.panels.kit.views.html import Html, card, doing, duration, joined, notes
from plugins.panels.kit.views.run import about_left

BASIC = ("epochs", "base_lr")  # the training options that are not under Advanced


def basic_form(recipe: Recipe) -> Html:
    """The form of the architecture, the unfrozen epochs and the learning rate."""
    options = [p for p in TRAINING if p.name in BASIC]
    return joined(
        [
            chooser(architectures, recipe.architecture, "architecture", "Network", short=True, about=_comes),
            notes(_weights(recipe), "note"),
            form(options, vars(recipe.training), "training"),
        ]
    )


def _comes(choice: Choice) -> str:
    weights = pretrained_of(choice)
    return weights.comes if weights else ""


def _weights(recipe: Recipe) -> list[str]:
    """Where the weights of the chosen network come from, and their license."""
    if (weights := pretrained_of(recipe.architecture)) is None:
        return []
    license = f"license {weights.license}" if weights.license else "their license is not said"
    return [f"Its pretrained weights: {weights.comes}; {license}."]


def presets(project: Project) -> Html:
    """The presets with their expected times, and what the recipe will take."""
    recipe, found = project.recipe, project.examined
    if recipe is None or not isinstance(found, Examined) or not found.split.train:
        return Html()
    photos, total, speed = len(found.split.train), len(project.names()), speed_for(project.folder, recipe)
    choices = joined(_preset(preset, recipe, speed, photos, total) for preset in PRESETS)
    return Html('<div class="choices presets" role="group" aria-label="Presets">{}</div>{}').format(
        choices, _takes(recipe, speed, photos) if speed else _untimed(project)
    )


def _preset(preset: Preset, recipe: Recipe, speed: Speed | None, photos: int, total: int) -> Html:
    applied = preset.applied(recipe, total)
    seconds = f"about {duration(speed.seconds(applied, photos))}" if speed else ""
    chosen = applied == recipe
    return Html(
        '<button type="button" class="choice{}" data-do="preset" data-name="{}" aria-pressed="{}">'
        "<b>{}</b><i>{}</i><small>{}</small></button>"
    ).format(" chosen" if chosen else "", preset.name, str(chosen).lower(), preset.name, seconds, preset.cost)


def _takes(recipe: Recipe, speed: Speed, photos: int) -> Html:
    """What the recipe will take, and how that is known."""
    memory = f" and {speed.memory / 1000:.1f} GB of memory" if speed.memory else ""
    known = f"by the speed of {title_of(speed.run)}" if speed.run else "measured on a few steps"
    took = f"These options take about {duration(speed.seconds(recipe, photos))}{memory}, {known} on this computer."
    return notes([took], "note")


def _untimed(project: Project) -> Html:
    """What is said, and done once a person sees it, where no speed is known."""
    measured = MeasuredSpeed(project)
    if measured.looking:
        return doing("Timing this network on a few steps, to say how long it will train")
    if measured.possible:
        # who trains at once is not slowed down by it
        ask = Html('<p class="note" data-ask data-after="4">{}</p>')
        return ask.format("How long each takes on this computer is measured in a moment.")
    if run := project.under_way:
        left = about_left(run_view(run))
        when = f", in {left}" if left else ""
        return notes([f"How long each takes is known once the run under way has ended{when}."], "note")
    why = f" Timing it failed: {measured.failed}" if measured.failed else ""
    said = "This network has not been timed on this computer yet; after its first run, expected times stand here."
    return notes([f"{said}{why}"], "note")


def advanced_form(recipe: Recipe) -> Html:
    """The forms of the other training options, loss, optimizer and metrics."""
    training = recipe.training
    plain = [p for p in TRAINING if p.name not in (*BASIC, "best_by") and p.registry is None]
    single = [p for p in TRAINING if p.registry is not None and not is_list(p)]
    chosen = [option(p, getattr(training, p.name), f"training.{p.name}") for p in single]
    return joined(
        [
            card("Training", form(plain, vars(training), "training")),
            card("Loss and optimizer", joined(chosen)),
            card("Metrics", _metrics(training)),
        ]
    )


def transforms_form(recipe: Recipe) -> Html:
    """The forms of the transforms."""
    return joined(
        [
            card("Photo by photo: presizing", _transforms("item_tfms", recipe.item_tfms)),
            card("On the batch: augmentation", _transforms("batch_tfms", recipe.batch_tfms)),
        ]
    )


def _metrics(training: Training) -> Html:
    """The metrics, where only those with options can be added twice, and `best_by`."""
    reported = [as_choice(metric)["name"] for metric in training.metrics]
    offered = [entry.name for entry in metrics if entry.params or entry.name not in reported]
    best_by = next(p for p in TRAINING if p.name == "best_by")
    judges = dict.fromkeys([*reported, VALID_LOSS, LAST, training.best_by])
    return chooser_list(metrics, training.metrics, "training.metrics", "Metric", offered) + option(
        best_by, training.best_by, "training.best_by", list(judges)
    )


def _transforms(key: str, choices: list[Choice]) -> Html:
    """A list of transforms; batch transforms, such as mixup, are only offered in `batch_tfms`."""
    for_batches = [e.name for e in transforms if isclass(e.factory) and issubclass(e.factory, BatchTransform)]
    offered = [e.name for e in transforms if key == "batch_tfms" or e.name not in for_batches]
    return chooser_list(transforms, choices, key, "Transform", offered)
