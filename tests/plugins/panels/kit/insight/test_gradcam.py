"""Grad-CAM finds where the evidence is, in a network of convolutions and in a transformer; else one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.data.photo import View
from core.errors import BadInput
from core.model.architecture import Architecture, build_architecture
from core.model.predictor import Predictor
from plugins.panels.kit.insight.gradcam import gradcam, where_it_looks


def predictor(model: str, size: int = 64, **options: object) -> Predictor:
    """A network with random weights and a head that is not zero."""
    torch.manual_seed(0)
    built = build_architecture({"name": "timm", "model": model, "pretrained": False, **options}, 3, (size, size))
    for parameter in built.head.parameters():
        nn.init.normal_(parameter)
    return Predictor(built, [View(size=(size, size))], ["a", "b", "c"])


class Brightness(nn.Module):
    """Its one channel is how bright each place is, which speaks for class 1 and against class 0."""

    num_features = 1

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(images.mean(1, keepdim=True), 8)

    def forward_head(self, feature_map: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        pooled = feature_map.mean((2, 3))
        return pooled if pre_logits else torch.cat([-pooled, pooled], 1)


def test_the_evidence_is_where_it_is() -> None:
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[8:16, 80:88] = 255
    network = Brightness().requires_grad_(False)
    network.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)
    built = Architecture(network, nn.Identity(), [], (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    model = Predictor(built, [View(size=(64, 96))], ["dark", "bright"])
    heat = gradcam(model, pixels, 1)
    assert heat.shape == (8, 12) and heat.max() == 1 and (heat.argmax() // 12, heat.argmax() % 12) == (1, 10)
    assert not gradcam(model, pixels, 0).any(), "nothing speaks for it"
    shown = np.asarray(where_it_looks(model, pixels, 1)).astype(int)
    assert shown.shape[1] == 560 and shown[70, 490, 0] > shown[70, 490, 2] + 50 and shown[300, 50].sum() < 30


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
def test_a_network_of_timm_has_a_map_and_is_left_as_it_was(name: str) -> None:
    model = predictor(name, 160 if name == "test_vit" else 64)
    side = model.views[0].size[0]
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3)).astype(np.uint8)
    heat = gradcam(model, pixels, 2)
    assert heat.ndim == 2 and min(heat.shape) > 1 and 0 <= heat.min() <= heat.max() <= 1
    assert all(p.grad is None for p in model.architecture.model.parameters())
    assert not any(module._forward_pre_hooks for module in model.architecture.model.modules())


def test_a_network_without_places_is_one_sentence() -> None:
    class Flat(Brightness):
        def forward_features(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))

        def forward_head(self, feature_map: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
            return feature_map

    network = Flat()
    network.anchor = nn.Parameter(torch.zeros(1))
    model = Predictor(Architecture(network, nn.Identity(), []), [View(size=(8, 8))], ["a", "b", "c"])
    with pytest.raises(BadInput, match="no feature map"):
        gradcam(model, np.zeros((8, 8, 3), np.uint8), 1)
