"""The head that fastai's cnn_learner makes."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConcatPool(nn.Module):
    """Maps [N, C, H, W] to their largest and their mean values: [N, 2C]."""

    def forward(self, features: Tensor) -> Tensor:
        """[N, C, H, W] to [N, 2C]."""
        return torch.cat([features.amax((2, 3)), features.mean((2, 3))], 1)


def concat_head(features: int, num_classes: int, hidden: int = 512, dropout: float = 0.5) -> nn.Sequential:
    """Concat pool, then two linear layers with norm and dropout, Kaiming-normal (fastai's `create_head`)."""
    head = nn.Sequential(
        ConcatPool(),
        nn.BatchNorm1d(2 * features),
        nn.Dropout(dropout / 2),
        nn.Linear(2 * features, hidden, bias=False),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(hidden),
        nn.Dropout(dropout),
        nn.Linear(hidden, num_classes, bias=False),
    )
    for layer in head:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
    return head
