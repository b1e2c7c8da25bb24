"""Any timm image model, by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from core.model.architecture import Architecture
from core.model.timm_network import from_timm, has_fixed_size
from core.registry import Range, architectures


@architectures.register("timm")
def timm_model(
    num_classes: int,
    /,
    model: Annotated[
        str, "timm model name, such as convnext_tiny, optionally with a pretrained tag: convnext_tiny.in12k_ft_in1k"
    ],
    pretrained: Annotated[bool, "Start from pretrained weights, downloaded from the Hugging Face Hub"] = True,
    head: Annotated[Literal["linear", "concat"], "timm's classifier, or fastai's two-layer head"] = "linear",
    drop_path_rate: Annotated[
        float, Range(0, 0.9), "Stochastic depth: share of residual blocks dropped in training; 0: timm's default"
    ] = 0.0,
    img_size: Annotated[
        int | tuple[int, int] | None,
        "Input size in pixels, only for a model of a fixed size, such as a ViT; empty: the size of the last transform",
    ] = None,
    dynamic_img_size: Annotated[
        bool, "A ViT keeps timm's input size and accepts others: position embeddings are interpolated per batch"
    ] = False,
) -> Architecture:
    """Any timm model, with the mean and std that its pretrained weights expect."""
    options: dict[str, Any] = {}
    if drop_path_rate:
        options["drop_path_rate"] = drop_path_rate
    if dynamic_img_size:
        options["dynamic_img_size"] = True
    if img_size and has_fixed_size(model):
        options["img_size"] = img_size
    return from_timm(model, num_classes, head, pretrained, options=options)
