"""The head that fastai's cnn_learner makes, and what joins it to a body."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


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


class Body(nn.Module):
    """A network without its head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to features."""
        return self.model.forward_features(images)  # type: ignore[no-any-return]


class Classifier(nn.Module):
    """A body and a head under the names that timm gives their two halves."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward_features(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to features."""
        body: Any = self.body
        return body.forward_features(images) if hasattr(body, "forward_features") else body(images)  # type: ignore[no-any-return]

    def forward_head(self, features: Tensor) -> Tensor:
        """Features to logits [N, classes]."""
        return self.head(features)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to logits [N, classes]."""
        return self.forward_head(self.forward_features(images))
