"""Vision transformers that DINOv2 trained without labels (Oquab 2023)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from core.model.architecture import Architecture
from core.model.timm_network import from_timm
from core.registry import Range, architectures


@architectures.register("dinov2")
def dinov2(
    num_classes: int,
    /,
    size: Annotated[Literal["small", "base", "large"], "22, 87 or 304 million parameters"] = "small",
    pretrained: Annotated[bool, "Start from DINOv2's weights, downloaded from the Hugging Face Hub"] = True,
    img_size: Annotated[
        int | tuple[int, int] | None, "Pixels, multiples of 14; empty: the size of the last transform"
    ] = None,
    blocks: Annotated[int, "Number of transformer blocks to keep; 0: all", Range(0, 24)] = 0,
) -> Architecture:
    """A ViT with patches of 14 pixels, whose features know more than classes."""
    options: dict[str, Any] = {"img_size": img_size, "depth": blocks or None}  # timm leaves out what is None
    return from_timm(f"vit_{size}_patch14_dinov2", num_classes, "linear", pretrained, options=options)
