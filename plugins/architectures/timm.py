"""Any timm image model, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from core.model.architecture import Architecture
from core.model.pretrained import Weights, downloads, starts_from
from core.model.timm_network import from_timm, has_fixed_size
from core.registry import Range, architectures


def _weights(choice: Mapping[str, Any]) -> Weights | None:
    """Those of the model that timm names, in the cache of the Hub; without a model, whatever it will be."""
    if not choice.get("model"):
        return Weights(comes="weights to download", here=False)
    import timm
    from huggingface_hub import try_to_load_from_cache

    config = timm.get_pretrained_cfg(str(choice["model"]), allow_unregistered=True)
    if not config or not config.hf_hub_id:
        return None
    cached = try_to_load_from_cache(config.hf_hub_id, "model.safetensors")
    return downloads(config.license or "", "weights", isinstance(cached, str))


@architectures.register("timm")
@starts_from(_weights)
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
