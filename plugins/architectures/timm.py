"""Any image model of timm, by name."""

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
        str, "As timm names it, such as convnext_tiny, or with a tag of weights, convnext_tiny.in12k_ft_in1k"
    ],
    pretrained: Annotated[bool, "Start from timm's weights, downloaded from the Hugging Face Hub"] = True,
    head: Annotated[Literal["linear", "concat"], "timm's own classifier, or fastai's head of two layers"] = "linear",
    drop_path_rate: Annotated[
        float, Range(0, 0.9), "Share of the residual blocks left out of a step of training; 0: as timm sets it"
    ] = 0.0,
    img_size: Annotated[
        int | tuple[int, int] | None,
        "Pixels that a network of one size, such as a ViT, is built for; empty: the size of the last transform",
    ] = None,
    dynamic_img_size: Annotated[
        bool, "A ViT keeps timm's size and takes others too: its positions are interpolated for each batch"
    ] = False,
) -> Architecture:
    """Any of timm's models, with the statistics of its weights."""
    options: dict[str, Any] = {}
    if drop_path_rate:
        options["drop_path_rate"] = drop_path_rate
    if dynamic_img_size:
        options["dynamic_img_size"] = True
    if img_size and has_fixed_size(model):
        options["img_size"] = img_size
    return from_timm(model, num_classes, head, pretrained, options=options)
