"""What forms send: values in their own type, plugins at a place, and lists with more, with less, in another order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from core.as_python import as_python
from core.errors import BadInput
from core.recipe import TRAINING, Training
from core.registry import Entry, Param, Range, params_of, registries
from plugins.panels.kit.project.edits import choose, edit, parsed, typed
from plugins.panels.kit.project.places import PLACES, find, is_list
from plugins.panels.kit.project.project import Project

AT = [(p.name, p) for p in PLACES] + [(f"training.{p.name}", p) for p in TRAINING if p.registry is not None]
PLUGINS = [
    pytest.param(path, param, entry, id=f"{path}-{entry.name}")
    for path, param in AT
    for entry in registries[param.registry.kind if param.registry else ""]
]


def options(
    kind: Literal["a", "b"] = "b",
    count: Annotated[int, "How many", Range(1, 9)] = 3,
    share: Annotated[float | None, "Of it", Range(0, 1)] = None,
    on: bool = True,
    name: str = "x",
) -> None:
    """Options of every sort."""


@pytest.mark.parametrize(
    ("name", "sent", "value"),
    [
        ("kind", "a", "a"),
        ("count", "7", 7),
        ("share", "", None),
        ("share", "0.25", 0.25),
        ("on", "false", False),
        ("name", "7", "7"),
        ("name", "", ""),
        ("count", "many", "many"),
    ],
)
def test_values_come_back_in_their_own_type(name: str, sent: str, value: Any) -> None:
    param = next(p for p in params_of(options) if p.name == name)
    found = parsed(param, sent)
    assert (found, type(found)) == (value, type(value))


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    project = Project(tmp_path)
    project.open({"name": "folder", "path": str(photos)})
    return project


def test_what_is_sent_reaches_the_recipe(project: Project) -> None:
    edit(project, {"option": "training.base_lr", "value": "0.01"})
    edit(project, {"option": "training.metrics", "value": '["accuracy", "error_rate"]'})
    edit(project, {"option": "batch_tfms.0.size", "value": "64"})
    choose(project, {"option": "splitter", "value": "stratified"})
    edit(project, {"option": "splitter.valid_pct", "value": "0.5"})
    recipe = project.require_recipe()
    assert recipe.training.base_lr == 0.01 and recipe.training.metrics == ({"name": "accuracy"}, {"name": "error_rate"})
    assert recipe.batch_tfms[0]["size"] == 64
    assert recipe.splitter == {"name": "stratified", "valid_pct": 0.5}


@pytest.mark.parametrize(
    "path",
    ["", "x", "training", "training.x", "source.path", "labeller.x", "labeller.name", "batch_tfms.9.size",
     "batch_tfms.x.size", "training.epochs.x", "version", "__class__"],
)  # fmt: skip
def test_a_place_that_is_none_is_refused(project: Project, path: str) -> None:
    before = project.recipe
    with pytest.raises(BadInput):
        edit(project, {"option": path, "value": "3"})
    with pytest.raises(BadInput):
        choose(project, {"option": path, "value": "regex"})
    assert project.recipe == before


@pytest.mark.parametrize("data", [{}, {"option": None}, {"option": "training.epochs"}, {"option": ["a"], "value": {}}])
def test_nonsense_is_a_sentence(project: Project, data: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        edit(project, data)


def test_every_option_of_training_can_be_sent(project: Project) -> None:
    for param in TRAINING:
        value = getattr(Training(), param.name)
        path, sent = typed(project, {"option": f"training.{param.name}", "value": _as_sent(value)})
        assert path == f"training.{param.name}" and sent == (list(value) if isinstance(value, tuple) else value)


def _as_sent(value: Any) -> str:
    if isinstance(value, (tuple, dict)):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


@pytest.mark.parametrize(
    ("hint", "sent", "value"),
    [
        (Path, "photos", "photos"),
        (Path, "5", "5"),
        (str | None, "5", "5"),
        (Path | None, "", None),
        (dict[str, float], '{"cat": 2}', {"cat": 2}),
        (dict[str, float], "{", "{"),
        (Sequence[str], '["a"]', ["a"]),
        (float, "NaN", "NaN"),
        (list, "[" * 100_000, "[" * 100_000),
    ],
)
def test_a_form_gives_them_in_their_own_type(hint: Any, sent: str, value: Any) -> None:
    assert parsed(Param("value", hint, None), sent) == value


@pytest.mark.parametrize(("path", "param", "entry"), PLUGINS)
def test_every_plugin_can_be_chosen_and_its_options_set(
    project: Project, path: str, param: Param, entry: Entry[Any]
) -> None:
    choose(project, {"option": path, "value": entry.name} | ({"do": "add"} if is_list(param) else {}))
    if is_list(param):
        path += f".{len(find(project.require_recipe(), path)[1]) - 1}"
    for option in entry.params:
        if not option.required:
            edit(project, {"option": f"{path}.{option.name}", "value": _as_sent(option.default)})
    chosen = find(project.require_recipe(), path)[1]
    defaults = {p.name: p.default for p in entry.params if not p.required}
    assert json.loads(json.dumps(chosen)) == json.loads(json.dumps(chosen | defaults | {"name": entry.name}))


def names(project: Project, path: str) -> list[str]:
    """The plugins of a list of the recipe."""
    return [choice["name"] for choice in find(project.require_recipe(), path)[1]]


def do(project: Project, what: str, path: str, value: str = "") -> None:
    """Press a button of a list."""
    choose(project, {"do": what, "option": path, "value": value})


def test_a_list_is_added_to_moved_and_removed_from(project: Project) -> None:
    do(project, "add", "batch_tfms", "mixup")
    edit(project, {"option": "batch_tfms.1.alpha", "value": "0.2"})
    do(project, "add", "batch_tfms", "flip")
    assert names(project, "batch_tfms") == ["aug_transforms", "mixup", "flip"]
    assert "MixUp(alpha=0.2)" in as_python(project.require_recipe())
    before = project.recipe
    do(project, "up", "batch_tfms.1")
    assert names(project, "batch_tfms") == ["mixup", "aug_transforms", "flip"]
    assert find(project.require_recipe(), "batch_tfms.0.alpha")[1] == 0.2, "its options move along"
    do(project, "down", "batch_tfms.0")
    assert project.recipe == before, "moved back, nothing is lost"
    do(project, "up", "batch_tfms.0")
    do(project, "down", "batch_tfms.2")
    assert project.recipe == before, "there is nothing beyond the ends"
    do(project, "remove", "batch_tfms.0")
    assert names(project, "batch_tfms") == ["mixup", "flip"]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({"do": "remove", "option": "item_tfms.0"}, "one size"),
        ({"option": "item_tfms.0", "value": "flip"}, "one size"),
        ({"do": "add", "option": "item_tfms", "value": "nonesuch"}, "nonesuch"),
        ({"do": "up", "option": "item_tfms.7"}, "item_tfms.7"),
        ({"do": "remove", "option": "labeller"}, "labeller"),
        ({"do": "add", "option": "training.loss", "value": "focal"}, "training.loss"),
        ({"option": "training.metrics", "value": "accuracy"}, "training.metrics"),
    ],
)
def test_a_list_that_training_cannot_use_is_refused(project: Project, data: dict[str, str], word: str) -> None:
    do(project, "remove", "batch_tfms.0")
    before = project.recipe
    with pytest.raises(BadInput, match=word):
        choose(project, data)
    assert project.recipe == before


def test_the_best_epoch_follows_the_metrics(project: Project) -> None:
    def best_by() -> str:
        return project.require_recipe().training.best_by

    do(project, "add", "training.metrics", "f1_macro")
    do(project, "add", "training.metrics", "top_k_accuracy")
    edit(project, {"option": "training.metrics.2.k", "value": "3"})
    assert find(project.require_recipe(), "training.metrics")[1][2] == {"name": "top_k_accuracy", "k": 3}
    assert best_by() == "error_rate"
    do(project, "remove", "training.metrics.0")
    assert best_by() == "f1_macro"
    choose(project, {"option": "training.metrics.0", "value": "accuracy"})
    assert best_by() == "accuracy"
    edit(project, {"option": "training.best_by", "value": "last"})
    do(project, "remove", "training.metrics.0")
    assert best_by() == "last", "which is no metric"
    edit(project, {"option": "training.best_by", "value": "top_k_accuracy"})
    do(project, "remove", "training.metrics.0")
    assert best_by() == "valid_loss" and project.require_recipe().training.metrics == ()


@pytest.mark.parametrize(("hint", "refused"), [(Path, OSError), (str, BadInput)])
def test_a_transform_may_wait_for_what_a_person_must_give(
    project: Project, monkeypatch: pytest.MonkeyPatch, hint: Any, refused: type[Exception]
) -> None:
    """Training refuses it, not the form that it is chosen with."""

    def overlay(picture: Any) -> Any:
        """A picture laid over each photo."""
        raise refused("This is no picture.")

    overlay.__annotations__["picture"] = hint
    transforms = registries["transforms"]
    monkeypatch.setattr(transforms, "_entries", dict(transforms._entries))
    transforms.register("overlay")(overlay)
    do(project, "add", "item_tfms", "overlay")
    assert isinstance(find(project.require_recipe(), "item_tfms.1.picture")[1], str)
    do(project, "up", "item_tfms.1")
    do(project, "remove", "item_tfms.0")
    assert names(project, "item_tfms") == ["resize"]
