"""A head is scikit-learn's logistic regression; cross-validation keeps groups together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from core.insight.heads import FOLDS, Head, cross_validated, folds_of


def blobs(photos: int = 90, classes: int = 3, spread: float = 2.0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    targets = np.arange(photos) % classes
    centres = rng.normal(size=(classes, 12)) * 1.5
    values = centres[targets] + rng.normal(size=(photos, 12)) * spread
    return torch.tensor(values, dtype=torch.float32), torch.tensor(targets)


@pytest.mark.parametrize("decay", [0.002, 0.2])
def test_it_is_logistic_regression(decay: float) -> None:
    features, targets = blobs()
    scaled = StandardScaler().fit_transform(features.numpy())
    oracle = LogisticRegression(C=1 / (2 * decay * len(targets)), tol=1e-8, max_iter=10_000).fit(scaled, targets)
    found = Head.fit(features, targets, 3, decay).logits(features).softmax(1)
    assert np.allclose(found, oracle.predict_proba(scaled), atol=2e-3)


def test_a_feature_that_never_changes_says_nothing() -> None:
    features, targets = blobs()
    features[:, 4] = 7.0
    assert Head.fit(features, targets, 3).logits(features).isfinite().all()


def test_no_photo_is_judged_by_a_head_that_saw_it_or_its_twin() -> None:
    """Two equal photos of one label, alone in their corner: each would vouch for the other's wrong label."""
    features, targets = blobs(spread=0.5)
    far = features[0] + 1.0
    features = torch.cat([features, far[None], far[None]])
    targets = torch.cat([targets, torch.tensor([1, 1])])
    apart = cross_validated(features, targets, 3).softmax(1)[-1, 1]
    together = cross_validated(features, targets, 3, groups=[*range(90), 90, 90]).softmax(1)[-1, 1]
    assert together < apart


def test_folds_spread_classes_and_keep_groups() -> None:
    targets = [i % 4 for i in range(103)]
    groups = [i // 2 if i < 40 and targets[i] == 0 else 1000 + i for i in range(103)]
    groups[0] = groups[4] = groups[8] = 1
    folds = folds_of(targets, groups)
    assert set(folds.tolist()) == set(range(FOLDS))
    for group in set(groups):
        assert len({int(folds[i]) for i in range(103) if groups[i] == group}) == 1
    for target in range(4):
        counts = [sum(targets[i] == target and folds[i] == fold for i in range(103)) for fold in range(FOLDS)]
        assert max(counts) - min(counts) <= 3
    assert torch.equal(folds, folds_of(targets, groups))
