"""Any image model of timm, by name."""

from __future__ import annotations

from typing import Annotated, Literal

from core.model.architecture import Architecture
from core.model.timm_network import from_timm
from core.registry import architectures


@architectures.register("timm")
def timm_model(
    num_classes: int,
    /,
    model: Annotated[
        str, "As timm names it, such as convnext_tiny, or with a tag of weights, convnext_tiny.in12k_ft_in1k"
    ],
    pretrained: Annotated[bool, "Start from timm's weights, downloaded from the Hugging Face Hub"] = True,
    head: Annotated[Literal["linear", "concat"], "timm's own classifier, or fastai's head of two layers"] = "linear",
) -> Architecture:
    """Any of timm's models, with the statistics of its weights."""
    return from_timm(model, num_classes, head, pretrained)
