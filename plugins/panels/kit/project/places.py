"""Paths of options in a recipe, such as `training.metrics.0.k`, and what else changes with an option."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_origin

from core.errors import BadInput
from core.hints import LISTS
from core.recipe import TRAINING, VALID_LOSS, Choice, Recipe
from core.registry import Param, architectures, as_choice, labellers, splitters, transforms

PLACES = (  # besides the options of `training`
    Param("labeller", Choice, None, registry=labellers),
    Param("splitter", Choice, None, registry=splitters),
    Param("item_tfms", list[Choice], None, registry=transforms),
    Param("batch_tfms", list[Choice], None, registry=transforms),
    Param("architecture", Choice, None, registry=architectures),
)


def find(recipe: Recipe, path: str) -> tuple[Param, Any]:
    """The option at a path that forms may change, and its value; raises BadInput if the recipe has none."""
    section, _, rest = path.partition(".")
    value: Any = recipe.to_dict()
    params: tuple[Param, ...] = PLACES
    names = path
    if section == "training":
        value, params, names = value[section], TRAINING, rest
    for name in names.split("."):
        known = {p.name: p for p in params}
        if name not in known:
            raise BadInput(f"This recipe has no option {path!r} that a form can set.")
        param = known[name]
        if isinstance(value, (list, tuple)):
            value = value[int(name)]
        else:
            value = as_choice(value).get(name, None if param.required else param.default)
        params = _inside(param, value)
    return param, value


def is_list(param: Param) -> bool:
    """Whether an option is a list."""
    return get_origin(param.type) in LISTS


def follow_metrics(before: Recipe, after: Recipe) -> Recipe:
    """`after`, with `best_by` set to another metric if the one it names is no longer reported."""
    was, now = ([as_choice(metric)["name"] for metric in recipe.training.metrics] for recipe in (before, after))
    if after.training.best_by not in set(was) - set(now):
        return after
    return replace(after, training=replace(after.training, best_by=next(iter(now), VALID_LOSS)))


def check_transforms(recipe: Recipe) -> None:
    """Raise BadInput if training cannot use the transforms, for instance if none of them sets a size."""
    from core.data.pipeline import Pipeline  # imports torch, which takes seconds

    lists = recipe.item_tfms, recipe.batch_tfms
    if any(_is_incomplete(choice) for choices in lists for choice in choices):
        return
    try:
        built = [[transforms.build(choice) for choice in choices] for choices in lists]
    except BadInput:
        raise
    except Exception:  # a third-party transform failed; training reports why
        return
    Pipeline(*built)


def _inside(param: Param, value: Any) -> tuple[Param, ...]:
    if param.registry is None:
        return ()
    if is_list(param):
        return tuple(replace(param, name=str(i), type=Choice) for i in range(len(value)))
    return param.registry[as_choice(value)["name"]].params


def _is_incomplete(choice: Choice) -> bool:
    """Whether a required option is still empty."""
    return any(p.required and choice[p.name] == "" for p in transforms[choice["name"]].params)
