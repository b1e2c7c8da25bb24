"""Grad-CAM: where in a photo a network sees what speaks for a class (Selvaraju 2017)."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import BadInput

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from core.model.predictor import Predictor

NO_MAP = "This network has no feature map, so it cannot be shown where it looks; another architecture would have one."
STRENGTH = 0.65  # of the colour where it looks most
SIDE = 560  # pixels of the picture's longer side


def where_it_looks(model: Predictor, pixels: NDArray[np.uint8], index: int) -> Image.Image:
    """The pixels [H, W, 3] that a model saw, with what speaks for class `index` in red; raises BadInput."""
    heat = gradcam(model, pixels, index)
    scale = SIDE / max(pixels.shape[:2])
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    seen = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR), dtype=np.float32)
    shares = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)[..., None]
    colour = np.concatenate([np.full_like(shares, 255), 220 * (1 - shares), np.zeros_like(shares)], axis=2)
    return Image.fromarray((seen + STRENGTH * shares * (colour - seen)).clip(0, 255).astype(np.uint8))


def gradcam(model: Predictor, pixels: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
    """The map [h, w] of what speaks for class `index`, from 0 to 1; raises BadInput if the network has none."""
    import torch

    network = model.architecture.model
    body = getattr(network, "body", network)
    images = model.tensor(pixels)[None].to(model.device).requires_grad_()
    inputs, me = [], get_ident()

    def keep(block: Any, given: tuple[Any, ...]) -> None:
        if get_ident() == me and isinstance(given[0], torch.Tensor):  # another request may use the network too
            inputs.append(given[0])

    blocks = getattr(body, "blocks", None)
    hook = blocks[-1].register_forward_pre_hook(keep) if isinstance(blocks, torch.nn.Sequential) and blocks else None
    try:
        with torch.enable_grad():
            feature_map = network.forward_features(images)
            score = network.forward_head(feature_map)[0, index]
            # a transformer that pools its class token alone ignores the last tokens of the patches
            for candidate in (feature_map, *inputs):
                if (heat := _heat(body, score, candidate)) is not None:
                    return heat
    except (RuntimeError, TypeError, ValueError, AttributeError):  # of anybody's network
        pass
    finally:
        if hook:
            hook.remove()
    raise BadInput(NO_MAP)


def _heat(body: Any, score: Tensor, feature_map: Any) -> NDArray[np.float32] | None:
    """The map for a score, if it depends on the feature map and this has places."""
    import torch

    (slope,) = torch.autograd.grad(score, feature_map, retain_graph=True)
    values, slopes = (_placed(body, found.detach().float()) for found in (feature_map, slope))
    if values is None or slopes is None or not slopes.abs().max() > 0:
        return None
    heat = (values * slopes.mean((0, 1))).sum(2).relu()
    if not heat.max() > 0:  # everything speaks against it
        return np.zeros(heat.shape, np.float32)
    return (heat / heat.max()).cpu().numpy()


def _placed(body: Any, found: Tensor) -> Tensor | None:
    """A feature map of one photo as [h, w, C], from [1, C, h, w], [1, h, w, C] or tokens [1, T, C]."""
    channels = getattr(body, "num_features", found.shape[1])
    if found.ndim == 4:
        return found[0].permute(1, 2, 0) if found.shape[1] == channels or found.shape[3] != channels else found[0]
    if found.ndim != 3:
        return None
    tokens = found[0, getattr(body, "num_prefix_tokens", 0) :]
    height, width = getattr(getattr(body, "patch_embed", None), "grid_size", None) or (round(len(tokens) ** 0.5),) * 2
    return tokens.reshape(height, width, -1) if height * width == len(tokens) else None
