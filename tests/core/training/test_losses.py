"""Cross-entropy against the figures of fastbook's chapter 5, and against torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core.training.losses import CrossEntropy, balanced_weights, loss_for

LOGITS = torch.tensor(
    [[0.6734, 0.2576], [0.4689, 0.4607], [-2.2457, -0.3727], [4.4164, -1.2760], [0.9233, 0.5347], [1.0698, 1.6187]]
)
TARGETS = torch.tensor([0, 1, 0, 1, 1, 0])


def test_cross_entropy_is_the_books() -> None:
    loss = CrossEntropy()
    each = [loss(LOGITS[i : i + 1], TARGETS[i : i + 1]).item() for i in range(6)]
    assert each == pytest.approx([0.5067, 0.6973, 2.0160, 5.6958, 0.9062, 1.0048], abs=1e-4)
    assert loss(LOGITS, TARGETS).item() == pytest.approx(1.8045, abs=1e-4)


def test_the_bear_table() -> None:
    """exp(-loss) is the softmax: teddy .02, grizzly -2.49, brown 1.25."""
    outputs = torch.tensor([[0.02, -2.49, 1.25]])
    shares = [torch.exp(-CrossEntropy()(outputs, torch.tensor([i]))).item() for i in range(3)]
    assert shares == pytest.approx([0.2221, 0.0180, 0.7599], abs=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_is_torchs(smoothing: float) -> None:
    logits, targets = torch.randn(32, 7, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 7
    expected = nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, targets)
    torch.testing.assert_close(CrossEntropy(label_smoothing=smoothing)(logits, targets), expected)


def test_balanced_weights_are_those_of_scikit_learns_manual() -> None:
    """compute_class_weight("balanced", y=[1, 1, 1, 1, 0, 0]) gives [1.5, 0.75] in its documentation."""
    assert balanced_weights([1, 1, 1, 1, 0, 0], 2).tolist() == [1.5, 0.75]


def test_balanced_loss_counts_every_class_alike() -> None:
    """On the whole data set it is the mean over classes of their mean losses."""
    logits = torch.randn(10, 3, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0] * 6 + [1] * 3 + [2])
    plain = nn.CrossEntropyLoss(reduction="none")(logits, targets)
    expected = torch.stack([plain[targets == c].mean() for c in range(3)]).mean()
    torch.testing.assert_close(loss_for(targets.tolist(), 3, class_weights="balanced")(logits, targets), expected)


def test_the_loss_is_plain_unless_asked() -> None:
    logits, targets = torch.randn(10, 3), torch.tensor([0] * 6 + [1] * 3 + [2])
    torch.testing.assert_close(loss_for(targets.tolist(), 3)(logits, targets), nn.CrossEntropyLoss()(logits, targets))


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_a_batch_in_parts_has_the_loss_and_gradient_of_the_batch(weights: str) -> None:
    targets = torch.tensor([0] * 6 + [1] * 3 + [2])
    loss = loss_for(targets.tolist(), 3, 0.1, weights)  # type: ignore[arg-type]
    whole, parts = (torch.randn(10, 3, generator=torch.Generator().manual_seed(2)).requires_grad_() for _ in range(2))
    total = loss(whole, targets)
    total.backward()
    pieces = [loss(x, y) * len(y) / 10 for x, y in zip(parts.split(4), targets.split(4), strict=True)]
    sum(pieces).backward()  # type: ignore[union-attr]
    torch.testing.assert_close(sum(pieces), total)
    torch.testing.assert_close(parts.grad, whole.grad)


def test_a_class_without_photos_does_not_spoil_the_weights() -> None:
    assert torch.isfinite(balanced_weights([0, 0, 2], 3)).all()
