"""A recipe: JSON in, JSON out, and a sentence for whatever does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import BadInput
from core.recipe import LAST, TRAINING, VALID_LOSS, Recipe, Training
from core.registry import check_options, metrics

BOOK: dict[str, Any] = {
    "version": 3,
    "source": {"name": "folder", "path": "/photos"},
    "labeller": {"name": "regex", "pattern": "(.+)_\\d+\\.jpg$"},
    "splitter": {"name": "random", "valid_pct": 0.2, "seed": 42},
    "item_tfms": [{"name": "resize", "size": 460, "method": "crop"}],
    "batch_tfms": [{"name": "aug_transforms", "size": [224, 192], "min_scale": 0.75}],
    "architecture": {"name": "resnet34", "pretrained": True},
    "training": {"epochs": 3, "base_lr": 0.004, "batch_size": 64, "metrics": ["error_rate", "accuracy"], "seed": 0},
}


def changed(**keys: Any) -> dict[str, Any]:
    return {k: v for k, v in (BOOK | keys).items() if v is not ...}


def test_round_trip() -> None:
    recipe = Recipe.from_dict(BOOK)
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe and again.to_json() == recipe.to_json()
    document = json.loads(recipe.to_json())
    assert {k: v for k, v in document.items() if k != "training"} == {k: v for k, v in BOOK.items() if k != "training"}
    whole = json.loads(json.dumps(vars(Training()))) | BOOK["training"]
    assert document["training"] == whole | BOOK["training"] | {
        "metrics": [{"name": "error_rate"}, {"name": "accuracy"}]
    }


def test_training_may_be_left_out() -> None:
    assert Recipe.from_dict(changed(training=...)).training == Training()


def test_the_document_is_left_as_it_is() -> None:
    before = json.dumps(BOOK)
    Recipe.from_dict(BOOK).with_settings(["training.epochs=9", "item_tfms.0.size=9"])
    assert json.dumps(BOOK) == before


def test_defaults_of_training_pass_their_own_check() -> None:
    check_options(TRAINING, {p.name: p.default for p in TRAINING}, "training")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (changed(colour=1), "A recipe has no key 'colour'; it has: architecture, batch_tfms"),
        (changed(splitter=...), "This recipe has no 'splitter'"),
        (changed(version=4), "version 4; this program reads versions 1 to 3"),
        (changed(version=...), "version None"),
        (changed(version="1"), "version '1'"),
        (changed(source="folder"), "source must look like"),
        (changed(source={"path": "/x"}), "source must look like"),
        (changed(labeller={"name": ["regex"]}), "labeller must look like"),
        (changed(labeller={"name": "regexp"}), "no 'regexp' among the labellers; there are: by_hand, csv"),
        (changed(labeller={"name": "regex", "patern": "x"}), "has no option 'patern'; it has: pattern"),
        (changed(splitter={"name": "random", "valid_pct": "20%"}), "valid_pct is '20%', but must be a number"),
        (changed(item_tfms={"name": "resize"}), "item_tfms must be a list of transforms"),
        (changed(item_tfms=["resize"]), "item_tfms must look like"),
        (changed(batch_tfms=[{"name": "aug_transforms", "min_scale": 2}]), "min_scale is 2, but must lie between"),
        (changed(architecture={"name": "timm"}), "needs 'model'"),
        (changed(architecture={"name": "resnet34", "num_classes": 3}), "has no option 'num_classes'"),
        (changed(training=[]), "training must be an object"),
        (changed(training={"epoch": 3}), "training has no option 'epoch'; it has: epochs"),
        (changed(training={"epochs": "3"}), "epochs is '3', but must be a whole number"),
        (changed(training={"epochs": -1}), "epochs is -1, but must lie between 0 and 1000"),
        (
            changed(training={"metrics": "accuracy"}),
            "metrics is 'accuracy', but must be a list of the metrics: accuracy,",
        ),
        (changed(training={"loss": {"name": "cross_entropy", "class_weights": "some"}}), "one of 'none', 'balanced'"),
        (changed(training={"loss": "hinge"}), "no 'hinge' among the losses; there are: cross_entropy, focal"),
        (changed(training={"loss": {"gamma": 1}}), "no '' among the losses"),
        (changed(training={"optimizer": 5}), "optimizer is 5, but must be one of the optimizers: adamw, sgd"),
        (
            changed(training={"optimizer": {"name": "sgd", "beta2": 0.9}}),
            "'sgd' has no option 'beta2'; it has: weight_d",
        ),
        (changed(training={"metrics": ["accurate"]}), "no 'accurate' among the metrics; there are: accuracy"),
        (changed(training={"metrics": [{"name": "top_k_accuracy", "k": 0}]}), "k is 0, but must lie between 1"),
        (
            changed(training={"best_by": "luck"}),
            "best_by is 'luck', but must be one of 'valid_loss', 'last', 'accuracy'",
        ),
        (changed(training={"label_smoothing": 0.1}), "training has no option 'label_smoothing'"),
        (changed(training={"base_lr": float("nan")}), "base_lr is nan"),
        ([BOOK], "A recipe is a JSON object, not list"),
        (None, "A recipe is a JSON object"),
    ],
)
def test_what_is_wrong_is_named(document: Any, message: str) -> None:
    with pytest.raises(BadInput) as error:
        Recipe.from_dict(document)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "not json", '{"version": ' + "9" * 5000 + "}", "[" * 100_000])
def test_text_that_is_not_json(text: str) -> None:
    with pytest.raises(BadInput, match="This recipe is not JSON"):
        Recipe.from_json(text)


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("training.epochs=7", lambda r: r.training.epochs == 7),
        ("training.bad_photos=stop", lambda r: r.training.bad_photos == "stop"),
        ("training.train_bn=true", lambda r: r.training.train_bn is True),
        ('training.metrics=["accuracy"]', lambda r: r.training.metrics == ({"name": "accuracy"},)),
        ('training.metrics=[{"name": "top_k_accuracy", "k": 3}]', lambda r: r.training.metrics[0].get("k") == 3),
        ("training.loss=focal", lambda r: r.training.loss == {"name": "focal"}),
        ("training.loss.label_smoothing=0.1", lambda r: r.training.loss.get("label_smoothing") == 0.1),
        ("training.label_smoothing=0.1", lambda r: r.training.loss.get("label_smoothing") == 0.1),
        ("training.weight_decay=0.1", lambda r: r.training.optimizer.get("weight_decay") == 0.1),
        ("training.base_lr=1e-3", lambda r: r.training.base_lr == 0.001),
        ("source.path=/a=b", lambda r: r.source["path"] == "/a=b"),
        ("labeller.pattern=^([a-z]+)[0-9]", lambda r: r.labeller["pattern"] == "^([a-z]+)[0-9]"),
        ("splitter.seed=null", lambda r: r.splitter["seed"] is None),
        ("item_tfms.0.size=[20, 40]", lambda r: r.item_tfms[0]["size"] == [20, 40]),
        ("batch_tfms.0.max_rotate=25", lambda r: r.batch_tfms[0].get("max_rotate") == 25),
        ("batch_tfms=[]", lambda r: r.batch_tfms == []),
        ('architecture={"name": "timm", "model": "x"}', lambda r: r.architecture.get("model") == "x"),
    ],
)
def test_settings(setting: str, read: Callable[[Recipe], bool]) -> None:
    recipe = Recipe.from_dict(BOOK)
    assert not read(recipe) and read(recipe.with_settings([setting]))


def test_settings_are_applied_in_turn() -> None:
    settings = ["architecture.name=efficientnet_lite0", "training.epochs=2", "training.epochs=5"]
    recipe = Recipe.from_dict(BOOK).with_settings(settings)
    assert (recipe.architecture["name"], recipe.training.epochs, recipe.splitter) == (
        "efficientnet_lite0",
        5,
        BOOK["splitter"],
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.epochs", "--set takes PATH=VALUE"),
        ("training.epoch=3", "has no option 'epoch'"),
        ("trainig.epochs=3", "this recipe has no 'trainig.epochs'"),
        ("item_tfms.3.size=3", "this recipe has no 'item_tfms.3.size'"),
        ("item_tfms.x.size=3", "this recipe has no 'item_tfms.x.size'"),
        ("item_tfms.9=3", "this recipe has no 'item_tfms.9'"),
        ("source.path.x.y=3", "this recipe has no 'source.path.x.y'"),
        ("training.epochs=many", "epochs is 'many'"),
        ("colour=red", "no key 'colour'"),
        ("version=4", "version 4"),
        pytest.param("training.epochs=" + "9" * 5000, "epochs is '999", id="digits"),
        pytest.param("training.epochs=" + "[" * 100_000, "epochs is '[[[", id="brackets"),
    ],
)
def test_settings_that_do_not_fit(setting: str, message: str) -> None:
    with pytest.raises(BadInput) as error:
        Recipe.from_dict(BOOK).with_settings([setting])
    assert message in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_bytes_may_be_what_powershell_writes(encoding: str) -> None:
    document = changed(source={"name": "folder", "path": "/Büro/写真"})
    recipe = Recipe.from_dict(document)
    assert Recipe.from_json(json.dumps(document, ensure_ascii=False).encode(encoding)) == recipe


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"\x80", b"", b"\xff\xfe\x00"])
def test_bytes_that_are_not_json(content: bytes) -> None:
    with pytest.raises(BadInput):
        Recipe.from_json(content)


def test_another_plugin_is_set_without_the_options_of_the_old_one() -> None:
    recipe = Recipe.from_dict(BOOK | {"labeller": {"name": "regex", "pattern": "(.+)_"}})
    assert recipe.with_settings(["labeller.name=folder"]).labeller == {"name": "folder"}
    kept = recipe.with_settings(["architecture.name=resnet18"]).architecture
    assert kept == recipe.architecture | {"name": "resnet18"}
    with pytest.raises(BadInput, match="no option 'pattern'"):  # asked for, not left over
        Recipe.from_dict(BOOK | {"labeller": {"name": "folder"}}).with_settings(["labeller.pattern=x"])


@pytest.mark.parametrize("training", [{"metrics": ["f2"]}, {"metrics": ["accuracy", "Error_rate"]}, {"best_by": "f2"}])
def test_a_metric_that_there_is_not_is_refused_with_those_there_are(training: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"(f2|Error_rate)'.*accuracy.*top_k_accuracy"):
        Recipe.from_dict(changed(training=training))


def test_the_best_epoch_is_chosen_by_any_metric_there_is() -> None:
    (best_by,) = (p for p in TRAINING if p.name == "best_by")
    assert set(best_by.choices) == {VALID_LOSS, LAST, *(entry.name for entry in metrics)}


def test_another_loss_does_not_have_the_options_of_the_old_one() -> None:
    recipe = Recipe.from_dict(BOOK).with_settings(
        ["training.loss.label_smoothing=0.1", "training.loss.class_weights=balanced"]
    )
    assert recipe.with_settings(["training.loss.name=focal"]).training.loss == {
        "name": "focal",
        "class_weights": "balanced",
    }
    assert recipe.with_settings(["training.loss=focal", "training.loss.gamma=1"]).training.loss == {
        "name": "focal",
        "gamma": 1,
    }
