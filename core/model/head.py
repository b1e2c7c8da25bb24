"""The head that fastai's cnn_learner makes, and what joins it to a body."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


class ConcatPool(nn.Module):
    """The maximum and the mean of each channel of a feature map [N, C, H, W]: [N, 2C]."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """[N, C, H, W] to [N, 2C]."""
        return torch.cat([feature_map.amax((2, 3)), feature_map.mean((2, 3))], 1)


class ConcatHead(nn.Sequential):
    """Concat pool, then two linear layers with norm and dropout, Kaiming-normal (fastai's `create_head`)."""

    def __init__(self, channels: int, num_classes: int, hidden: int = 512, dropout: float = 0.5) -> None:
        super().__init__(
            ConcatPool(),
            nn.BatchNorm1d(2 * channels),
            nn.Dropout(dropout / 2),
            nn.Linear(2 * channels, hidden, bias=False),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(hidden),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes, bias=False),
        )
        for layer in self:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)

    def features(self, feature_map: Tensor) -> Tensor:
        """[N, C, H, W] to [N, 2C]."""
        return self[0](feature_map)  # type: ignore[no-any-return]

    def logits(self, features: Tensor) -> Tensor:
        """[N, 2C] to [N, classes]."""
        for layer in list(self)[1:]:
            features = layer(features)
        return features


def logits_of(head: nn.Module, features: Tensor) -> Tensor:
    """What a head makes of its own features, or of those of `forward_head(pre_logits=True)`: logits [N, classes]."""
    if isinstance(head, ConcatHead):
        return head.logits(features)
    if isinstance(head, nn.Conv2d):  # some of timm's classifiers are
        features = features.flatten(1)[..., None, None]
    return head(features).flatten(1)  # type: ignore[no-any-return]


class Body(nn.Module):
    """A network without its head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to a feature map."""
        return self.model.forward_features(images)  # type: ignore[no-any-return]


class Classifier(nn.Module):
    """A body and a head under the names that timm gives their two halves."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward_features(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to a feature map."""
        body: Any = self.body
        return body.forward_features(images) if hasattr(body, "forward_features") else body(images)  # type: ignore[no-any-return]

    def forward_head(self, feature_map: Tensor, pre_logits: bool = False) -> Tensor:
        """A feature map to logits [N, classes], or to the features that the head makes them of."""
        if pre_logits:
            return self.head.features(feature_map) if isinstance(self.head, ConcatHead) else feature_map
        return self.head(feature_map)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to logits [N, classes]."""
        return self.forward_head(self.forward_features(images))
