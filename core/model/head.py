"""The head of fastai's cnn_learner, and modules that join a head to a body."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


class ConcatPool(nn.Module):
    """Concatenated global max and average pooling: [N, C, H, W] to [N, 2C]."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """[N, C, H, W] to [N, 2C]."""
        return torch.cat([feature_map.amax((2, 3)), feature_map.mean((2, 3))], 1)


class ConcatHead(nn.Sequential):
    """Concat pooling, then two linear layers with batch norm and dropout, Kaiming-normal (fastai's `create_head`)."""

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
        """Feature map [N, C, H, W] to features [N, 2C]."""
        return self[0](feature_map)  # type: ignore[no-any-return]

    def logits(self, features: Tensor) -> Tensor:
        """Features [N, 2C] to logits [N, classes]."""
        for layer in list(self)[1:]:
            features = layer(features)
        return features


def logits_of(head: nn.Module, features: Tensor) -> Tensor:
    """The logits [N, classes] of a head for features from `forward_head(pre_logits=True)`."""
    if isinstance(head, ConcatHead):
        return head.logits(features)
    if isinstance(head, nn.Conv2d):  # some of timm's classifiers are
        features = features.flatten(1)[..., None, None]
    return head(features).flatten(1)  # type: ignore[no-any-return]


class Calibrated(nn.Module):
    """A network whose logits are divided by a temperature."""

    def __init__(self, model: nn.Module, temperature: float) -> None:
        super().__init__()
        self.model: Any = model
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to calibrated logits [N, classes]."""
        return self.model(images) / self.temperature  # type: ignore[no-any-return]

    def forward_features(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to a feature map."""
        return self.model.forward_features(images)  # type: ignore[no-any-return]

    def forward_head(self, feature_map: Tensor, pre_logits: bool = False) -> Tensor:
        """A feature map to calibrated logits [N, classes], or with `pre_logits` to the head's features."""
        found = self.model.forward_head(feature_map, pre_logits=pre_logits)
        return found if pre_logits else found / self.temperature  # type: ignore[no-any-return]


class WithFeatures(Calibrated):
    """A calibrated network that returns its features too."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """[N, 3, H, W] to calibrated logits [N, classes] and features [N, D]."""
        feature_map = self.forward_features(images)
        return self.forward_head(feature_map), self.forward_head(feature_map, pre_logits=True).flatten(1)


class Body(nn.Module):
    """A network without its head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to a feature map."""
        return self.model.forward_features(images)  # type: ignore[no-any-return]


class Classifier(nn.Module):
    """A body and a head with timm's `forward_features` and `forward_head`."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward_features(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to a feature map."""
        body: Any = self.body
        return body.forward_features(images) if hasattr(body, "forward_features") else body(images)  # type: ignore[no-any-return]

    def forward_head(self, feature_map: Tensor, pre_logits: bool = False) -> Tensor:
        """A feature map to logits [N, classes], or with `pre_logits` to the head's features."""
        if pre_logits:
            return self.head.features(feature_map) if isinstance(self.head, ConcatHead) else feature_map
        return self.head(feature_map)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to logits [N, classes]."""
        return self.forward_head(self.forward_features(images))
