"""fastbook's chapter 5 in its own words, on sixty photos and in small; and the public names."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import core
from core.training.fine_tune import HEAD_EPOCHS
from tests.matrix import thinned

CHAPTER = """
from core import *
from plugins import *

pets = DataBlock(blocks=(ImageBlock, CategoryBlock), get_items=get_image_files, splitter=RandomSplitter(seed=42),
                 get_y=using_attr(RegexLabeller(r'(.+)_\\d+.jpg$'), 'name'),
                 item_tfms=Resize(SMALL[0]), batch_tfms=aug_transforms(size=SMALL[1], min_scale=0.75))
dls = pets.dataloaders(path)
summary = pets.summary(path); batch = dls.show_batch()
learn = cnn_learner(dls, ARCH, metrics=error_rate, **OPTIONS)
suggestion = learn.lr_find(**FEWER)
fine_tuned = learn.fine_tune(2, base_lr=3e-3)
learn.unfreeze(); last = learn.fit_one_cycle(1, lr_max=slice(1e-6, 1e-4))
predicted = learn.predict(file); preds = learn.get_preds(); tta = learn.tta()
confusion = learn.confusion_matrix(); confused = learn.most_confused(min_val=5); top = learn.top_losses(9)
learn.save(model_folder); loaded = load_learner(model_folder)
"""

# fresh names, as a notebook has: architecture, its options, what stands for 460 and 224, and for lr_find's 100 steps
VARIANTS = {
    "efficientnet_lite0": ("efficientnet_lite0", {}, (48, 32), {}),
    "resnet34": ("resnet34", {"pretrained": False}, (48, 32), {"num_it": 6}),
}

Words = dict[str, Any]


@pytest.fixture(scope="session")
def pets(data_folder: Path) -> Path:
    return data_folder / "tiny_pets"


@pytest.fixture(scope="session", params=thinned(VARIANTS, {"efficientnet_lite0"}.__contains__))
def chapter(request: pytest.FixtureRequest, pets: Path, tmp_path_factory: pytest.TempPathFactory) -> Words:
    """Everything that the chapter's lines leave behind."""
    name, options, sizes, fewer = VARIANTS[request.param]
    words: Words = {
        "path": pets,
        "file": next(pets.glob("Sphynx_*.jpg")),
        "model_folder": tmp_path_factory.mktemp(name) / "model_folder",
        "SMALL": sizes,
        "OPTIONS": options,
        "FEWER": fewer,
    }
    torch.manual_seed(0)
    exec(CHAPTER.replace("ARCH", name), words)
    return words


def test_the_photos_are_found_and_divided(chapter: Words) -> None:
    dls = chapter["dls"]
    assert dls.vocab == ["Abyssinian", "Bengal", "Sphynx", "american_bulldog"]
    assert (dls.c, len(dls.train.items), len(dls.valid.items)) == (4, 48, 12)
    images, targets = dls.one_batch()
    side = chapter["SMALL"][1]
    assert images.shape == (48, 3, side, side) and targets.shape == (48,)
    assert "60 photos, 4 classes" in chapter["summary"]
    assert "FAILED" not in chapter["summary"]


def test_pictures_are_pillow_images(chapter: Words) -> None:
    learn = chapter["learn"]
    interpretation = chapter["ClassificationInterpretation"].from_learner(learn)
    pictures = [
        chapter["batch"],
        chapter["dls"].show_batch(unique=True, max_n=4),
        learn.show_results(max_n=4),
        learn.recorder.plot_loss(),
        learn.recorder.plot_lr_find(),
        interpretation.plot_confusion_matrix(),
        interpretation.plot_top_losses(4),
    ]
    for picture in pictures:
        assert isinstance(picture, Image.Image)
        assert len(picture.convert("RGB").getcolors(2**24)) > 2  # something is on it


def test_lr_find_suggests_or_says_why_not(chapter: Words) -> None:
    suggestion = chapter["suggestion"]
    assert suggestion._fields == ("valley", "steep", "minimum")
    if chapter["learn"].recorder.suggestion.reason:
        assert set(suggestion) == {None}
    else:
        assert all(1e-8 < rate < 10 for rate in suggestion)


def test_training_returns_its_epochs(chapter: Words) -> None:
    assert [e.epoch for e in chapter["fine_tuned"]] == [0, 0, 1]  # one frozen, two unfrozen
    assert [e.epoch for e in chapter["last"]] == [0]
    for epoch in chapter["fine_tuned"]:
        assert list(epoch.metrics) == ["error_rate"]
        assert epoch.metrics["error_rate"] * 12 == pytest.approx(round(epoch.metrics["error_rate"] * 12))
    losses = chapter["learn"].recorder.losses
    assert len(losses) == 3 + (
        HEAD_EPOCHS if chapter["learn"].task.architecture.pretrained else 1
    )  # one batch an epoch
    assert len(chapter["learn"].recorder.epochs) == 4


def test_predictions_have_their_shapes_and_sums(chapter: Words) -> None:
    label, index, probabilities = chapter["predicted"]
    assert label == chapter["dls"].vocab[index]
    assert probabilities.shape == (4,)
    for shares, targets in (chapter["preds"], chapter["tta"]):
        assert shares.shape == (12, 4) and targets.shape == (12,)
        torch.testing.assert_close(shares.sum(1), torch.ones(12))
    assert torch.equal(chapter["preds"][1], chapter["tta"][1])
    assert not torch.equal(chapter["preds"][0], chapter["tta"][0])


def test_the_mistakes_agree_with_the_predictions(chapter: Words) -> None:
    shares, targets = chapter["preds"]
    assert chapter["confusion"].sum() == 12
    assert chapter["confusion"].diag().sum() == (shares.argmax(1) == targets).sum()
    assert all(n >= 5 for _, _, n in chapter["confused"])
    losses, indices = chapter["top"]
    assert losses.tolist() == sorted(losses.tolist(), reverse=True) and len(losses) == 9
    torch.testing.assert_close(losses, -shares[indices, targets[indices]].log(), rtol=1e-3, atol=1e-4)


def test_the_loaded_model_answers_the_same(chapter: Words) -> None:
    label, index, probabilities = chapter["loaded"].predict(chapter["file"])
    assert (label, index) == chapter["predicted"][:2]
    assert torch.equal(probabilities, chapter["predicted"][2])


def test_the_tta_is_a_quarter_of_the_plain_one(chapter: Words) -> None:
    learn = chapter["learn"]
    plain = learn.get_preds()[0]
    torch.testing.assert_close(learn.tta(n=1, beta=1.0)[0], plain)
    views = learn.tta(n=2, beta=0.0)[0]
    torch.testing.assert_close(learn.tta(n=2, beta=0.25)[0], 0.75 * views + 0.25 * plain)


@pytest.fixture(scope="session")
def words() -> Words:
    """The chapter's vocabulary in a fresh namespace."""
    found: Words = {}
    exec("from core import *\nfrom plugins import *\nfrom torch import nn", found)
    return found


@pytest.fixture(scope="session")
def block(words: Words) -> Callable[..., Any]:
    def make(**changes: Any) -> Any:
        chosen = {
            "blocks": (words["ImageBlock"], words["CategoryBlock"]),
            "get_items": words["get_image_files"],
            "splitter": words["RandomSplitter"](seed=42),
            "get_y": words["using_attr"](words["RegexLabeller"](r"(.+)_\d+.jpg$"), "name"),
            "item_tfms": words["Resize"](48),
            **changes,
        }
        return words["DataBlock"](**{k: v for k, v in chosen.items() if v is not None})

    return make


def test_it_learns_the_breeds(words: Words, block: Callable[..., Any], pets: Path) -> None:
    """Four breeds on 48 photos, ImageNet's weights: chance is an error of 0.75."""
    augment = words["aug_transforms"](size=96, min_scale=0.75)
    dls = block(item_tfms=words["Resize"](128), batch_tfms=augment).dataloaders(pets, bs=12)
    torch.manual_seed(0)
    learn = words["cnn_learner"](dls, words["efficientnet_lite0"], metrics=words["error_rate"])
    assert learn.fine_tune(3, base_lr=1e-3)[-1].metrics["error_rate"] <= 0.34  # 4 of 12


@pytest.mark.parametrize(
    "transform",
    [
        "Resize(48)",
        "Resize(48, ResizeMethod.Squish)",
        "Resize(48, ResizeMethod.Pad, pad_mode='zeros')",
        "Resize(48, 'pad', pad_mode=PadModes.Border)",
        "Resize((48, 48))",
        "RandomResizedCrop(48, min_scale=0.3)",
    ],
)
def test_item_transforms(transform: str, words: Words, block: Callable[..., Any], pets: Path) -> None:
    dls = block(item_tfms=eval(transform, words)).dataloaders(pets)
    for loader in (dls.train, dls.valid):
        images, _ = next(iter(loader))
        assert images.shape[1:] == (3, 48, 48)
        assert images.min() >= 0 and images.max() <= 1 and images.std() > 0.1
    assert isinstance(dls.show_batch(max_n=4), Image.Image)


def test_resize_methods_show_different_things(words: Words, block: Callable[..., Any], pets: Path) -> None:
    methods = words["ResizeMethod"]
    crop, squish, pad = (
        next(iter(block(item_tfms=words["Resize"](48, m, pad_mode="zeros")).dataloaders(pets).valid))[0]
        for m in (methods.Crop, methods.Squish, methods.Pad)
    )
    assert not torch.allclose(crop, squish, atol=0.1) and not torch.allclose(squish, pad, atol=0.1)
    black = [(x.sum(1) == 0).all(2) | (x.sum(1) == 0).all(1) for x in (crop, squish, pad)]  # rows or columns
    assert [b.any().item() for b in black] == [False, False, True]


def test_a_block_has_fastais_defaults(words: Words, block: Callable[..., Any], pets: Path) -> None:
    """Without a splitter a random fifth is for validation; without get_items the source is the items."""
    dls = block(splitter=None).dataloaders(pets)
    assert (len(dls.train.items), len(dls.valid.items)) == (48, 12)
    files = words["get_image_files"](pets)
    assert len(block(get_items=None).dataloaders(files[:30]).train.items) == 24


@pytest.mark.parametrize(
    "loss",
    ["nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(label_smoothing=0.1)", "CrossEntropy(label_smoothing=0.1)", "None"],
)
def test_loss_functions(loss: str, words: Words, block: Callable[..., Any], pets: Path) -> None:
    dls = block().dataloaders(pets, bs=24)
    given = eval(loss, words)
    metrics = [words[n] for n in ("accuracy", "error_rate", "top_k_accuracy", "f1_macro")]
    learn = words["vision_learner"](dls, words["efficientnet_lite0"], loss_func=given, metrics=metrics)
    start = learn.validate()
    assert start["valid_loss"] == pytest.approx(torch.tensor(4.0).log().item(), rel=1e-3)  # no opinion yet
    (epoch,) = learn.fit_one_cycle(1, 5e-3)
    assert list(epoch.metrics) == ["accuracy", "error_rate", "top_k_accuracy", "f1_macro"]
    assert epoch.metrics["top_k_accuracy"] == 1  # of four classes, five
    assert epoch.metrics["accuracy"] + epoch.metrics["error_rate"] == pytest.approx(1)
    assert epoch.valid_loss != start["valid_loss"]


def test_the_suggestions_are_those_asked_for(words: Words, block: Callable[..., Any], pets: Path) -> None:
    learn = words["cnn_learner"](block().dataloaders(pets, bs=12), words["efficientnet_lite0"])
    lr_min, lr_steep = learn.lr_find(num_it=30, suggest_funcs=(words["minimum"], words["steep"]))
    rates = learn.recorder.suggestion.rates
    assert list(rates) == ["minimum", "steep"] and (lr_min, lr_steep) == tuple(rates.values())
    one = learn.lr_find(num_it=10, suggest_funcs=words["valley"])
    assert one.valley is None and learn.recorder.suggestion.reason


def test_a_learner_of_trained_weights_begins_frozen(words: Words, block: Callable[..., Any], pets: Path) -> None:
    dls = block().dataloaders(pets)
    assert words["cnn_learner"](dls, words["efficientnet_lite0"]).task.architecture.frozen
    assert not words["cnn_learner"](dls, words["resnet18"], pretrained=False).task.architecture.frozen


def test_other_photos_are_scored_with_their_labels(words: Words, block: Callable[..., Any], pets: Path) -> None:
    dls = block().dataloaders(pets)
    learn = words["cnn_learner"](dls, words["efficientnet_lite0"])
    files = sorted(pets.glob("Bengal_*.jpg"))[:5]
    shares, targets = learn.get_preds(dl=dls.test_dl(files, labels=["Bengal"] * 5))
    assert shares.shape == (5, 4) and targets.tolist() == [1] * 5
    assert learn.get_preds(dl=dls.test_dl(files))[0].shape == (5, 4)
    with pytest.raises(words["BadInput"], match="'Poodle'"):
        dls.test_dl(files, labels=["Poodle"] * 5)


def test_an_architecture_nobody_registered(words: Words, block: Callable[..., Any], pets: Path) -> None:
    with pytest.raises(words["BadInput"], match="efficientnet_lite0"):
        words["cnn_learner"](block().dataloaders(pets), "resnet_34")


CORE_WORDS = """DataBlock ImageBlock CategoryBlock get_image_files using_attr cnn_learner vision_learner load_learner
    ClassificationInterpretation minimum steep valley"""
PLUGIN_WORDS = """RegexLabeller RandomSplitter Resize ResizeMethod RandomResizedCrop aug_transforms
    resnet18 resnet34 resnet50 resnet101 resnet152 efficientnet_lite0
    error_rate accuracy top_k_accuracy f1_macro CrossEntropy Focal MixUp CutMix"""


def test_exported_members() -> None:
    assert core.__all__ == sorted(set(core.__all__))
    for name in core.__all__:
        member = getattr(core, name)
        home = getattr(member, "__module__", "core.registry")
        if name in core._HOME and core._HOME[name].startswith("core.") and name != "CrossEntropyLossFlat":
            assert home.startswith("core."), name
    assert set(CORE_WORDS.split()) <= set(core.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        core.nonsense  # noqa: B018


def test_plugins_words() -> None:
    plugins = importlib.import_module("plugins")
    assert set(PLUGIN_WORDS.split()) <= set(plugins.__all__)
    assert all(getattr(plugins, name) for name in plugins.__all__)
    assert not set(plugins.__all__) & set(core.__all__)  # nobody hides anybody


def test_core_is_there_at_once_and_never_brings_gradio() -> None:
    """`import core` alone must not import torch, which takes seconds."""
    code = "import core, sys, json; print(json.dumps([n for n in ('torch', 'timm', 'gradio') if n in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(core.__file__).parents[1],
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == []
