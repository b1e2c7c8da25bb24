"""Which of two epochs is kept: accuracy decides where the validation photos can tell them apart, else the loss."""

from __future__ import annotations

import pytest
import torch

from core.training.best import Best, is_better, more_right
from core.training.validate import Outputs


def outputs(right: int, of: int, first: int = 0) -> Outputs:
    """Outputs for photos of class 0, of which those before `right` are predicted so."""
    logits = torch.tensor([[1.0, 0.0] if i < right else [0.0, 1.0] for i in range(of)])
    return Outputs(logits, torch.zeros(of, dtype=torch.long), list(range(first, first + of)))


@pytest.mark.parametrize(
    ("right", "kept_right", "of", "loss", "better"),
    [
        (24, 23, 24, 0.9, False),  # one photo more, and a much higher loss
        (23, 24, 24, 0.1, True),
        (24, 24, 24, 0.3, False),  # of two that are equal the first is kept
        (95, 85, 100, 0.9, True),  # ten photos more of a hundred, none less
        (85, 95, 100, 0.1, False),
    ],
)
@pytest.mark.parametrize("best_by", ["accuracy", "error_rate"])
def test_accuracy_decides_where_it_differs_and_else_the_loss(
    best_by: str, right: int, kept_right: int, of: int, loss: float, better: bool
) -> None:
    sign = 1 if best_by == "accuracy" else -1
    kept = Best("unfrozen", 0, sign * kept_right / of, 0.3, {}, outputs(kept_right, of))
    assert is_better(best_by, sign * right / of, loss, outputs(right, of), kept) is better


def test_only_photos_that_both_have_are_compared() -> None:
    assert more_right(outputs(20, 20), outputs(0, 20)) == 1
    assert more_right(outputs(0, 20), outputs(20, 20)) == -1
    assert more_right(outputs(20, 20), outputs(0, 20, first=17)) == 0, "three photos tell nothing"
    assert more_right(outputs(20, 20), outputs(0, 20, first=20)) is None
