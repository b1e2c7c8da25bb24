"""Metrics against values worked out by hand or published."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from core.errors import BadInput
from core.registry import metrics
from plugins.metrics.accuracy import accuracy
from plugins.metrics.error_rate import error_rate
from plugins.metrics.f1_macro import f1_macro
from plugins.metrics.macro_error import macro_error
from plugins.metrics.top_k_accuracy import top_k_accuracy


def outputs_for(predicted: list[int], classes: int) -> Tensor:
    return one_hot(torch.tensor(predicted), classes).float()


def test_accuracy_and_error_rate_by_hand() -> None:
    outputs, targets = outputs_for([0, 1, 2, 2, 1], 3), torch.tensor([0, 1, 2, 1, 0])
    assert accuracy(outputs, targets) == pytest.approx(3 / 5)
    assert error_rate(outputs, targets) == pytest.approx(2 / 5)


def test_logits_and_probabilities_score_alike() -> None:
    logits, targets = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) * 5, torch.arange(50) % 6
    for entry in metrics:
        assert entry.factory(logits, targets) == entry.factory(logits.softmax(1), targets)


def test_top_k_by_hand() -> None:
    outputs = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    targets = torch.tensor([2, 3, 0])  # second, fourth and fourth
    assert [top_k_accuracy(outputs, targets, k=k) for k in (1, 2, 3, 4)] == pytest.approx([0, 1 / 3, 1 / 3, 1])


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


@pytest.mark.parametrize("entry", list(metrics), ids=lambda e: e.name)
def test_each_says_which_way_is_better(entry: Any) -> None:
    """What is right scores better than what is wrong, in the direction that the metric names."""
    targets = torch.arange(50) % 10
    right = float(entry.factory(outputs_for(targets.tolist(), 10), targets))
    wrong = float(entry.factory(outputs_for(((targets + 1) % 10).tolist(), 10).cumsum(1), targets))
    assert (right > wrong) is entry.factory.higher_is_better


def test_a_metric_that_does_not_say_which_way_is_better_is_refused() -> None:
    with pytest.raises(ValueError, match="metrics 'mine' must have higher_is_better"):
        metrics.register("mine")(lambda outputs, targets, /: 0.0)
    assert "mine" not in metrics


def test_an_option_of_a_metric_counts() -> None:
    outputs, targets = torch.tensor([[0.1, 0.2, 0.3, 0.4]]), torch.tensor([1])
    bound = metrics.bind({"name": "top_k_accuracy", "k": 2})
    assert bound(outputs, targets) == 0 and metrics.create("top_k_accuracy", outputs, targets, k=3) == 1
    assert metrics.bind("accuracy") is accuracy


def test_an_unknown_metric_names_those_there_are() -> None:
    with pytest.raises(BadInput, match=r"'f2' among the metrics; there are: accuracy, error_rate, .*top_k_accuracy"):
        metrics.bind("f2")
