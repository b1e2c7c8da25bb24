"""ResNets with torchvision's ImageNet weights (He et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from core.model.architecture import Architecture
from core.model.pretrained import Weights, downloads, starts_from
from core.model.timm_network import from_timm, no_weights
from core.registry import architectures

Pretrained = Annotated[bool, "Start from ImageNet weights"]
Head = Annotated[Literal["linear", "concat"], "timm's classifier, or fastai's two-layer head"]


def _download(file: str, size: str) -> Callable[[Any], Weights]:
    """The weights that torchvision keeps in a file of torch's cache; timm, too, gives their license as BSD."""

    def here() -> bool:
        import torch

        return Path(torch.hub.get_dir(), "checkpoints", file).is_file()

    return lambda _: downloads("bsd-3-clause", size, here())


def _resnet(name: str, num_classes: int, pretrained: bool, head: str) -> Architecture:
    weights = None
    if pretrained:
        from torchvision.models import get_model  # slow to import

        try:
            weights = get_model(name, weights="IMAGENET1K_V1").state_dict()
        except Exception as error:  # download errors of any type
            raise no_weights(name, error) from error
    return from_timm(name, num_classes, head, pretrained, weights)


@architectures.register("resnet18")
@starts_from(_download("resnet18-f37072fd.pth", "47 MB"))
def resnet18(num_classes: int, /, pretrained: Pretrained = True, head: Head = "concat") -> Architecture:
    """ResNet-18, 11 million parameters."""
    return _resnet("resnet18", num_classes, pretrained, head)


@architectures.register("resnet34")
@starts_from(_download("resnet34-b627a593.pth", "87 MB"))
def resnet34(num_classes: int, /, pretrained: Pretrained = True, head: Head = "concat") -> Architecture:
    """ResNet-34, 21 million parameters."""
    return _resnet("resnet34", num_classes, pretrained, head)


@architectures.register("resnet50")
@starts_from(_download("resnet50-0676ba61.pth", "103 MB"))
def resnet50(num_classes: int, /, pretrained: Pretrained = True, head: Head = "concat") -> Architecture:
    """ResNet-50, 24 million parameters."""
    return _resnet("resnet50", num_classes, pretrained, head)


@architectures.register("resnet101")
@starts_from(_download("resnet101-63fe2227.pth", "179 MB"))
def resnet101(num_classes: int, /, pretrained: Pretrained = True, head: Head = "concat") -> Architecture:
    """ResNet-101, 43 million parameters."""
    return _resnet("resnet101", num_classes, pretrained, head)


@architectures.register("resnet152")
@starts_from(_download("resnet152-394f9c45.pth", "242 MB"))
def resnet152(num_classes: int, /, pretrained: Pretrained = True, head: Head = "concat") -> Architecture:
    """ResNet-152, 58 million parameters."""
    return _resnet("resnet152", num_classes, pretrained, head)
