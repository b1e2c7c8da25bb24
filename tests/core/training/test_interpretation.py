"""Where a model errs, on made logits whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn.functional import one_hot

from core.data.loaders import DataLoaders
from core.training.interpretation import ClassificationInterpretation

VOCAB = ["cat", "dog", "owl"]
TARGETS = [0, 0, 0, 0, 1, 1, 2]
PREDICTED = [0, 1, 1, 2, 1, 0, 2]


@pytest.fixture
def made() -> ClassificationInterpretation:
    """Seven photos whose true class has the probability that its loss says."""
    logits = one_hot(torch.tensor(PREDICTED), 3) * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])[:, None]
    return ClassificationInterpretation(logits, torch.tensor(TARGETS), [Path(f"{i}.jpg") for i in range(7)], VOCAB)


def test_confusion_matrix_has_the_actual_class_in_rows(made: ClassificationInterpretation) -> None:
    assert made.confusion_matrix().tolist() == [[1, 2, 1], [1, 1, 0], [0, 0, 1]]


def test_most_confused_are_the_largest_first(made: ClassificationInterpretation) -> None:
    assert made.most_confused()[0] == ("cat", "dog", 2)
    assert set(made.most_confused()) == {("cat", "dog", 2), ("cat", "owl", 1), ("dog", "cat", 1)}
    assert made.most_confused(min_val=2) == [("cat", "dog", 2)]
    assert made.most_confused(min_val=3) == []


def test_top_losses_are_the_confident_mistakes(made: ClassificationInterpretation) -> None:
    losses, indices = made.top_losses(3)
    assert indices.tolist() == [5, 3, 2]
    assert losses.tolist() == pytest.approx([math.log(math.exp(x) + 2) for x in (6, 4, 3)], rel=1e-5)
    assert len(made.top_losses(100)[0]) == 7


def test_per_class_figures_by_hand(made: ClassificationInterpretation) -> None:
    cat, dog, owl = made.per_class()
    assert cat == {"class": "cat", "n": 4, "recall": 1 / 4, "precision": 1 / 2, "f1": pytest.approx(1 / 3)}
    assert dog == {"class": "dog", "n": 2, "recall": 1 / 2, "precision": 1 / 3, "f1": pytest.approx(2 / 5)}
    assert owl == {"class": "owl", "n": 1, "recall": 1, "precision": 1 / 2, "f1": pytest.approx(2 / 3)}
    assert made.accuracy == pytest.approx(3 / 7)


def test_a_class_without_photos_has_no_recall() -> None:
    logits = one_hot(torch.tensor([0, 1]), 3).float()
    rows = ClassificationInterpretation(logits, torch.tensor([0, 1]), [], VOCAB).per_class()
    assert rows[2] == {"class": "owl", "n": 0, "recall": None, "precision": None, "f1": None}


def test_the_interval_is_wilsons(made: ClassificationInterpretation) -> None:
    low, high = made.interval
    assert low < 3 / 7 < high
    assert (low, high) == pytest.approx((0.1582, 0.7495), abs=5e-4)


def test_the_pictures_are_pillow_images(
    made: ClassificationInterpretation, make_loaders: Callable[..., DataLoaders]
) -> None:
    small, wide = made.plot_confusion_matrix(), made
    assert isinstance(small, Image.Image)
    wide = ClassificationInterpretation(torch.eye(30), torch.arange(30), [], [f"class {i}" for i in range(30)])
    assert wide.plot_confusion_matrix().width > small.width

    valid = make_loaders().valid
    logits = torch.randn(len(valid.items), 3)
    shown = ClassificationInterpretation(
        logits, torch.tensor(valid.targets), list(valid.items), ["blue", "green", "red"], valid
    )
    sheet = shown.plot_top_losses(2)
    assert isinstance(sheet, Image.Image)
    assert sheet.width > 2 * 40
    first = sheet.crop((8, 8, 48, 48)).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    worst = Path(valid.items[int(shown.top_losses(1)[1])]).name.split("_")[0]
    assert max(range(3), key=first.__getitem__) == ["red", "green", "blue"].index(worst)  # type: ignore[union-attr]


def test_the_report_has_the_figures_of_each_class_and_their_means(
    made: ClassificationInterpretation, capsys: pytest.CaptureFixture[str]
) -> None:
    made.print_classification_report()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["precision", "recall", "f1", "photos"]
    assert rows[1:4] == [
        ["cat", "0.50", "0.25", "0.33", "4"], ["dog", "0.33", "0.50", "0.40", "2"], ["owl", "0.50", "1.00", "0.67", "1"]
    ]  # fmt: skip
    assert rows[4] == ["accuracy", "0.43", "7"]
    assert rows[5] == ["mean", "0.44", "0.58", "0.47", "7"]
    assert rows[6] == ["weighted", "mean", "0.45", "0.43", "0.40", "7"]


def test_the_pictures_take_inches(made: ClassificationInterpretation) -> None:
    assert max(made.plot_confusion_matrix(figsize=(12, 12), dpi=60).size) <= 720
    assert made.plot_confusion_matrix(figsize=(9, 9)).width > made.plot_confusion_matrix(figsize=(3, 3)).width
