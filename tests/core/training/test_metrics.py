"""Figures of merit against values worked out by hand or published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.training.learner import vision_learner
from core.training.metrics import (
    METRICS,
    accuracy,
    confusion,
    error_rate,
    f1_macro,
    macro_error,
    metric,
    top_k_accuracy,
    wilson_interval,
)


def outputs_for(predicted: list[int], classes: int) -> Tensor:
    return one_hot(torch.tensor(predicted), classes).float()


def test_accuracy_and_error_rate_by_hand() -> None:
    outputs, targets = outputs_for([0, 1, 2, 2, 1], 3), torch.tensor([0, 1, 2, 1, 0])
    assert accuracy(outputs, targets) == pytest.approx(3 / 5)
    assert error_rate(outputs, targets) == pytest.approx(2 / 5)


def test_logits_and_probabilities_score_alike() -> None:
    logits, targets = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) * 5, torch.arange(50) % 6
    for score in METRICS.values():
        assert score(logits, targets) == score(logits.softmax(1), targets)


def test_top_k_by_hand() -> None:
    outputs = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    targets = torch.tensor([2, 3, 0])  # second, fourth and fourth
    assert [top_k_accuracy(outputs, targets, k) for k in (1, 2, 3, 4)] == pytest.approx([0, 1 / 3, 1 / 3, 1])


def test_top_five_of_three_classes_is_everything() -> None:
    assert top_k_accuracy(torch.rand(4, 3), torch.tensor([0, 1, 2, 0])) == 1


def test_f1_macro_is_that_of_scikit_learns_manual() -> None:
    """f1_score([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1], average="macro") gives 0.267 in its documentation."""
    assert f1_macro(outputs_for([0, 2, 1, 0, 0, 1], 3), torch.tensor([0, 1, 2, 0, 1, 2])) == pytest.approx(0.8 / 3)


def test_f1_macro_leaves_out_a_class_that_is_nowhere() -> None:
    assert f1_macro(outputs_for([0, 1], 5), torch.tensor([0, 1])) == 1
    assert f1_macro(outputs_for([0, 4], 5), torch.tensor([0, 1])) == pytest.approx(1 / 3)  # 1, 0 and 0


def test_macro_error_counts_rare_classes_as_much() -> None:
    targets = torch.tensor([0] * 8 + [1] * 2)
    outputs = outputs_for([0] * 10, 2)
    assert error_rate(outputs, targets) == pytest.approx(0.2)
    assert macro_error(outputs, targets) == pytest.approx(0.5)


def test_rows_of_the_confusion_matrix_are_the_actual_classes() -> None:
    counts = confusion(outputs_for([1, 1, 2, 0], 3), torch.tensor([0, 1, 0, 2]))
    assert counts.tolist() == [[0, 1, 1], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_is_newcombes(hits: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    assert wilson_interval(hits / n, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_stays_within_zero_and_one() -> None:
    assert wilson_interval(1.0, 20) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5)
    assert wilson_interval(0.0, 0) == (0.0, 1.0)


def test_an_unknown_metric_names_those_there_are() -> None:
    with pytest.raises(BadInput, match=r"'f2'.*accuracy, error_rate, f1_macro, macro_error, top_k_accuracy"):
        metric("f2")
    assert metric("f1_macro") is f1_macro


@pytest.mark.parametrize("metrics", [["error_rate"], "error_rate", [accuracy, 5]])
def test_a_learner_says_what_a_metric_is(make_loaders: Callable[..., DataLoaders], metrics: Any) -> None:
    with pytest.raises(BadInput, match=r"^A metric is a function, such as accuracy.+is none\.$"):
        vision_learner(make_loaders(), "timm", pretrained=False, model="test_resnet", metrics=metrics)
