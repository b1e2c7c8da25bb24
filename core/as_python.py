"""A recipe as the Python code that one would write in a notebook with fastai's API, ready to run."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import core
from core.recipe import TRAINING, Choice, Recipe, Training
from core.registry import (
    NameOrChoice,
    Registry,
    architectures,
    as_choice,
    labellers,
    losses,
    metrics,
    optimizers,
    sources,
    splitters,
    transforms,
)

WIDTH = 100
WORKSPACE = "workspace"  # the default of the command line
KEYWORDS = {"batch_size": "bs"}  # options of training whose keyword argument has another name


def as_python(recipe: Recipe, corrected: bool = False) -> str:
    """Code that builds and trains the learner of a recipe; raises BadInput if a learner cannot express the recipe.

    If people `corrected` labels or left photos out, it reads the journal of the workspace.
    """
    before, photos, block = _data(recipe, corrected)
    training = recipe.training
    scores = ", ".join(_bound(metrics, choice) for choice in training.metrics)
    loss = _made(losses, training.loss, "dls.class_counts")
    optimizer = _bound(optimizers, training.optimizer)
    learner = [
        "dls",
        *_architecture(recipe.architecture),
        *([f"metrics=[{scores}]"] if scores else []),
        *([f"loss_func={loss}"] if loss != _made(losses, Training.loss, "dls.class_counts") else []),
        *([f"opt_func={optimizer}"] if optimizer != _bound(optimizers, Training.optimizer) else []),
        *_changed(recipe, "train_bn", "micro_batch", "ema", "precision", "compile"),
    ]
    changed = _changed(recipe, "base_lr", "freeze_epochs", "lr_mult", "features", "frozen_stages")
    fine_tune = [_literal(training.epochs), *changed]
    alone = ", ".join(_changed(recipe, "best_by", "patience", "bad_photos"))
    lines = [
        "import torch",
        "",
        "from core import *",
        "from plugins import *",
        "",
        *before,
        _call("block = DataBlock", block, width=0),
        _call("dls = block.dataloaders", [photos, *_changed(recipe, "batch_size", "seed", "device", "resident")]),
        f"torch.manual_seed({_literal(training.seed)})  # the same initial weights of the head as in a run",
        _call("learn = vision_learner", learner),
        *([f"# Only runs have {alone}; this learner keeps the model of the last step."] if alone else []),
        _call("learn.fine_tune", fine_tune),
    ]
    return "\n".join(lines) + "\n"


def _data(recipe: Recipe, corrected: bool) -> tuple[list[str], str, list[str]]:
    """The lines before the DataBlock, the first argument of `dataloaders`, and the arguments of DataBlock."""
    labeller, splitter = _made(labellers, recipe.labeller), _made(splitters, recipe.splitter)
    source = sources.build(recipe.source, Path(WORKSPACE))
    word = getattr(getattr(source, "get_items", None), "__name__", "")
    listed = word in core.__all__ and getattr(core, word) is source.get_items
    renamed = not listed and hasattr(source, "original")  # the source may have renamed its photos
    if listed:
        before, photos, get_items = [], _literal(source.root), [f"get_items={word}"]
    else:
        created = _created(sources, recipe.source, f"Path({_literal(WORKSPACE)})")
        before, photos, get_items = [f"source = {created}"], "source()", []
    if corrected:
        items = f"{word}({photos})" if listed else photos
        given = [items, labeller, splitter, _literal(WORKSPACE), *(["source.original"] if renamed else [])]
        before.append(_call("photos = CorrectedPhotos", given))
        photos, get_items, labeller, splitter = "photos", [], "photos.get_y", "photos.splitter"
    elif renamed:
        before += [f"labeller = {labeller}", f"splitter = {splitter}"]
        takes = _taken(splitters[recipe.splitter["name"]].factory)
        labels, files = ", labels" * (takes > 1), ", items" * (takes > 2)
        labeller = "lambda p: labeller(source.original(p))"
        splitter = f"lambda items{labels}: splitter([source.original(p) for p in items]{labels}{files})"
    tfms = [*_tfms("item_tfms", recipe.item_tfms), *_tfms("batch_tfms", recipe.batch_tfms)]
    blocks = "blocks=(ImageBlock, CategoryBlock)"
    return before, photos, [blocks, *get_items, f"splitter={splitter}", f"get_y={labeller}", *tfms]


def _taken(splitter: Any) -> int:
    """How many of items, labels and files the splitters of this factory take, as DataBlock reads from the signature."""
    return len(inspect.signature(splitter.__call__).parameters) - 1 if isinstance(splitter, type) else 2


def _tfms(name: str, choices: Sequence[Choice]) -> list[str]:
    made = [_made(transforms, choice) for choice in choices]
    if len(made) == 1 and get_origin(get_type_hints(transforms[choices[0]["name"]].factory).get("return")) is list:
        return [f"{name}={made[0]}"]
    return [f"{name}=[{', '.join(made)}]"] if made else []


def _architecture(choice: Choice) -> list[str]:
    entry = architectures[choice["name"]]
    own = {p.name: p.default for p in entry.params if p.name == "pretrained"}
    # vision_learner's default of `pretrained` is True, whatever the architecture's own is.
    options = _options(architectures, own | as_choice(choice), pretrained=True)
    return [_word(entry.factory) or _literal(entry.name), *options]


def _bound(registry: Registry[Any], choice: NameOrChoice) -> str:
    """The factory as code, to be called with what the engine supplies; a partial if it has options."""
    options = _options(registry, choice)
    word = _word(registry[as_choice(choice)["name"]].factory)
    if not word:
        return f"{registry.kind}.bind({_literal(as_choice(choice))})"
    return f"partial({', '.join([word, *options])})" if options else word


def _made(registry: Registry[Any], choice: NameOrChoice, *supplied: str) -> str:
    word = _word(registry[as_choice(choice)["name"]].factory)
    return (
        f"{word}({', '.join([*supplied, *_options(registry, choice)])})"
        if word
        else _created(registry, choice, *supplied)
    )


def _created(registry: Registry[Any], choice: NameOrChoice, *supplied: str) -> str:
    name = _literal(as_choice(choice)["name"])
    return f"{registry.kind}.create({', '.join([name, *supplied, *_options(registry, choice)])})"


def _word(factory: Callable[..., Any]) -> str:
    """The name of a factory in `from plugins import *`, or ""."""
    name: str = getattr(factory, "__name__", "")
    return name if vars(importlib.import_module("plugins")).get(name) is factory else ""


def _options(registry: Registry[Any], choice: NameOrChoice, **defaults: Any) -> list[str]:
    registry.check(choice)  # a recipe built in Python was not checked, and its names become code
    options = as_choice(choice)
    return _keywords(options, {p.name: p.default for p in registry[options["name"]].params} | defaults)


def _changed(recipe: Recipe, *options: str) -> list[str]:
    own = {p.name: p.default for p in TRAINING}
    called = {KEYWORDS.get(option, option): option for option in options}
    values = {word: getattr(recipe.training, option) for word, option in called.items()}
    return _keywords(values, {word: own[option] for word, option in called.items()})


def _keywords(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """`name=value` for each value that differs from its default, in the order of the defaults."""
    return [
        f"{name}={_literal(values[name])}"
        for name, default in defaults.items()
        if name in values and not _same(values[name], default)
    ]


def _same(value: Any, default: Any) -> bool:
    return value == default or (isinstance(default, tuple) and _literal(value) == _literal(default))  # JSON has lists


def _call(name: str, arguments: Sequence[str], width: int = WIDTH) -> str:
    line = f"{name}({', '.join(arguments)})"
    return line if len(line) <= width else "\n    ".join([f"{name}(", *(f"{a}," for a in arguments)]) + "\n)"


def _literal(value: Any) -> str:
    """The value as a Python literal, a raw string where that reads better; no string can end its quotes early."""
    if isinstance(value, str):
        quote, raw = "'" if '"' in value else '"', "r" if "\\" in value else ""
        plain = quote not in value and value.isprintable() and not value.endswith("\\")
        return f"{raw}{quote}{value}{quote}" if plain else repr(value)
    if isinstance(value, Path):
        return _literal(str(value))
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)
