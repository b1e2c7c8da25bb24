"""Losses against the figures of fastbook's chapter 5, against torch and against their papers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from core.errors import BadInput
from core.registry import losses
from plugins.losses.cross_entropy import CrossEntropy
from plugins.losses.focal import Focal

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
    assert CrossEntropy(torch.tensor([2, 4]), class_weights="balanced").weight.tolist() == [1.5, 0.75]


def test_balanced_loss_counts_every_class_alike() -> None:
    """On the whole data set it is the mean over classes of their mean losses."""
    logits = torch.randn(10, 3, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0] * 6 + [1] * 3 + [2])
    plain = nn.CrossEntropyLoss(reduction="none")(logits, targets)
    expected = torch.stack([plain[targets == c].mean() for c in range(3)]).mean()
    torch.testing.assert_close(CrossEntropy(targets.bincount(), class_weights="balanced")(logits, targets), expected)


def test_the_loss_is_plain_unless_asked() -> None:
    logits, targets = torch.randn(10, 3), torch.tensor([0] * 6 + [1] * 3 + [2])
    torch.testing.assert_close(
        losses.create("cross_entropy", targets.bincount())(logits, targets), nn.CrossEntropyLoss()(logits, targets)
    )


LOSSES = [
    pytest.param({"name": entry.name, **options}, id=f"{entry.name}-{len(options)}")
    for entry in losses
    for options in ({}, {"class_weights": "balanced"})
]


@pytest.mark.parametrize("choice", LOSSES)
def test_micro_batches_add_up_to_the_batch(choice: dict[str, Any]) -> None:
    targets = torch.tensor([0] * 6 + [1] * 3 + [2])
    loss = losses.build(choice, targets.bincount())
    whole, chunks = (torch.randn(10, 3, generator=torch.Generator().manual_seed(2)).requires_grad_() for _ in range(2))
    total = loss(whole, targets)
    total.backward()
    pieces = [loss(x, y) * len(y) / 10 for x, y in zip(chunks.split(4), targets.split(4), strict=True)]
    torch.stack(pieces).sum().backward()
    torch.testing.assert_close(sum(pieces), total)
    torch.testing.assert_close(chunks.grad, whole.grad)


@pytest.mark.parametrize("choice", LOSSES)
def test_a_soft_target_costs_what_its_classes_cost(choice: dict[str, Any]) -> None:
    """lambda L(a) + (1 - lambda) L(b), as mixup trains (Zhang 2017, section 2); and one-hot targets are the classes."""
    logits = torch.randn(10, 3, generator=torch.Generator().manual_seed(3))
    a, b = torch.tensor([0] * 6 + [1] * 3 + [2]), torch.tensor([2, 1, 0, 0, 1, 2, 0, 1, 2, 0])
    loss = losses.build(choice, a.bincount())
    one, other = (nn.functional.one_hot(t, 3).float() for t in (a, b))
    torch.testing.assert_close(loss(logits, one), loss(logits, a))
    torch.testing.assert_close(loss(logits, 0.3 * one + 0.7 * other), 0.3 * loss(logits, a) + 0.7 * loss(logits, b))


def test_soft_targets_are_torchs() -> None:
    logits, shares = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(4))
    targets = shares.softmax(1)
    expected = nn.CrossEntropyLoss(label_smoothing=0.2)(logits, targets)
    torch.testing.assert_close(CrossEntropy(label_smoothing=0.2)(logits, targets), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_lins(gamma: float) -> None:
    """FL(p) = -(1 - p) ** gamma log(p), by the formula; without gamma it is cross-entropy."""
    p = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)
    logits = torch.stack([p.log(), (1 - p).log()], 1)
    by_hand = sum((1 - q) ** gamma * -math.log(q) for q in p.tolist()) / 3
    assert Focal(gamma=gamma)(logits, torch.zeros(3, dtype=torch.long)).item() == pytest.approx(by_hand)


def test_focal_has_a_gradient_where_a_photo_is_certain() -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    Focal(gamma=0.5)(logits, torch.tensor([0, 0])).backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_balanced_weights_without_counts_are_refused() -> None:
    with pytest.raises(BadInput, match=r"dls\.class_counts"):
        CrossEntropy(class_weights="balanced")


def test_a_class_without_photos_does_not_spoil_the_weights() -> None:
    assert CrossEntropy(torch.tensor([2, 0, 1]), class_weights="balanced").weight.isfinite().all()
