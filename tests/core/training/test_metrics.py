"""What metrics are made of, against values worked out by hand or published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.events import EpochEnded
from core.registry import metrics as registered
from core.training.loop import fit
from core.training.metrics import confusion, higher_is_better, named, wilson_interval
from core.training.state import TrainState
from core.training.task import Stage
from core.training.vision_learner import vision_learner
from plugins.metrics.accuracy import accuracy


def outputs_for(predicted: list[int], classes: int) -> Tensor:
    return one_hot(torch.tensor(predicted), classes).float()


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


@pytest.mark.parametrize("metrics", [["error_rate"], "error_rate", [accuracy, 5]])
def test_a_learner_says_what_a_metric_is(make_loaders: Callable[..., DataLoaders], metrics: Any) -> None:
    with pytest.raises(BadInput, match=r"^A metric is a function, such as accuracy.+is not one\.$"):
        vision_learner(make_loaders(), "timm", pretrained=False, model="test_resnet", metrics=metrics)


def test_a_metric_is_known_by_its_registered_name_and_judges_with_its_options(
    make_loaders: Callable[..., DataLoaders],
) -> None:
    """One whose function has another name than the plugin."""

    @registered.register("zz_at_least")
    @higher_is_better
    def share(outputs: Tensor, targets: Tensor, /, least: float = 1.0) -> float:
        return least

    try:
        bound = registered.bind({"name": "zz_at_least", "least": 0.25})
        assert list(named([bound, accuracy, share])) == ["zz_at_least", "accuracy", "zz_at_least 2"]
        learn = vision_learner(make_loaders(), "timm", pretrained=False, model="test_resnet", metrics=bound)
        state = TrainState(learn.task, [Stage("short", 1, (1e-3,) * 3)], best_by="zz_at_least")
        (ended,) = (event for event in fit(state) if isinstance(event, EpochEnded))
    finally:
        registered.discard(__name__)
    assert ended.metrics == {"zz_at_least": 0.25}
    assert state.best is not None and state.best.value == 0.25
