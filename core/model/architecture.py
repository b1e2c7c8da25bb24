"""An architecture: a body that makes a feature map, a head that makes logits, and the statistics of its weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.errors import BadInput
from core.registry import architectures

if TYPE_CHECKING:  # torch takes seconds to import, and the plugins that import this are only listed at first
    from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass
class Architecture:
    """What a plugin in plugins/architectures/ returns.

    `model` has `forward_features` ([N, 3, H, W] to a feature map) and `forward_head` (to logits [N, classes], or with
    `pre_logits=True` to what enters its last layers), as timm's models and `Classifier` have. `head` is the part of it
    that is new. `groups` are the body's parameters from the first layers to the last; learning rates rise along them.
    `timm` is the name by which timm builds the same network, if it does; `img_size` is the height and width that it was
    built for, if it was built for one.
    """

    model: Any
    head: nn.Module
    groups: list[list[nn.Parameter]]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    pretrained: bool = False
    timm: str | None = None
    img_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self.groups = [group for group in (*self.groups, list(self.head.parameters())) if group]

    def normalise(self, images: Tensor) -> Tensor:
        """Values in 0..1 to what the weights were trained with: [N, 3, H, W], channels last in memory."""
        import torch

        mean, std = (images.new_tensor(s).view(1, 3, 1, 1) for s in (self.mean, self.std))
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Values in 0..1 [N, 3, H, W] to logits [N, classes]."""
        return self.model(self.normalise(images))  # type: ignore[no-any-return]

    def feature_map(self, images: Tensor) -> Tensor:
        """The body's output for values in 0..1 [N, 3, H, W]."""
        return self.model.forward_features(self.normalise(images))  # type: ignore[no-any-return]

    def features(self, images: Tensor) -> Tensor:
        """The features of values in 0..1 [N, 3, H, W] just before the head's layers that learn, as `logits` takes."""
        return self.model.forward_head(self.feature_map(images), pre_logits=True)  # type: ignore[no-any-return]

    def logits(self, features: Tensor) -> Tensor:
        """Features of a network in eval mode, this one or its fused copy, to logits [N, classes]."""
        from core.model.head import logits_of

        return logits_of(self.head, features)

    def has_features(self, images: Tensor) -> bool:
        """Whether `logits` of `features` are what the network, in eval mode, makes of `images` [N, 3, H, W]."""
        import torch
        from torch.func import functional_call

        from core.model.head import logits_of

        head, random = copy.deepcopy(self.head), torch.Generator().manual_seed(0)
        for parameter in head.parameters():  # a new head may be zero, which would hide a difference
            parameter.data.copy_(torch.randn(parameter.shape, generator=random))
        weights: dict[str, Tensor] = {f"{self.head_name}.{name}": p for name, p in head.named_parameters()}
        try:
            with torch.no_grad():
                expected = functional_call(self.model, weights, (self.normalise(images),))
                found = logits_of(head, self.features(images))
        except (TypeError, RuntimeError, IndexError):  # of a network that calls its head in another way
            return False
        return found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-4, atol=1e-5)

    def fused_copy(self, images: Tensor) -> Architecture:
        """A faster copy for inference alone, with the body's batch norms fused into the layers before them.

        `images` [N, 3, H, W] are examples of what it will see. A network that cannot be copied is returned itself.
        """
        from core.model.fuse import fused
        from core.model.head import Body

        try:
            model: Any = fused(Body(self.model), images).model
        except RuntimeError:  # of torch, where a weight is computed from others
            model = self.model.eval()
        return replace(self, model=model, head=model.get_submodule(self.head_name), groups=[])

    @property
    def head_name(self) -> str:
        """Where the head is in the network."""
        return next(str(name) for name, module in self.model.named_modules() if module is self.head)

    def freeze(self, train_bn: bool = False) -> None:
        """Only the head learns; with `train_bn` the norm layers of the body do too."""
        self.freeze_to(-1, train_bn)

    def freeze_to(self, n: int, train_bn: bool = False) -> None:
        """Only `groups[n:]` learn; with `train_bn` the norm layers of the body do too. Raises BadInput."""
        if not -len(self.groups) <= n < len(self.groups):
            raise BadInput(f"There is no group {n} of layers to freeze to; give a number below {len(self.groups)}.")
        self.model.requires_grad_(False)
        for parameter in (p for group in self.groups[n:] for p in group):
            parameter.requires_grad_(True)
        if train_bn:
            for norm in self.body_norms():
                norm.requires_grad_(True)

    def unfreeze(self) -> None:
        """Everything learns."""
        self.model.requires_grad_(True)

    @property
    def frozen(self) -> bool:
        """Whether there is a body, and no parameter of it learns."""
        body = self.groups[:-1]
        return bool(body) and not any(p.requires_grad for group in body for p in group)

    def train_mode(self, train_bn: bool) -> None:
        """Training mode, but for a frozen body, or for the norm layers of the body unless `train_bn`."""
        self.model.train()
        if self.frozen:
            self.model.eval()
            self.head.train()
        elif not train_bn:
            for norm in self.body_norms():
                norm.eval()

    def body_norms(self) -> Iterator[nn.Module]:
        """The norm layers that are not in the head."""
        from core.model.head import NORMS

        own = set(self.head.modules())
        return (m for m in self.model.modules() if isinstance(m, NORMS) and m not in own)


def build_architecture(
    choice: Mapping[str, Any], num_classes: int, size: tuple[int, int] | None = None, **options: Any
) -> Architecture:
    """What a recipe's `{"name": ..., options}` describes, with those of `options` that it has; raises BadInput.

    One with an option `img_size` is built for photos of `size`, height and width in pixels, unless the choice says
    which, or that the network takes any (`dynamic_img_size`).
    """
    own = {p.name for p in architectures[str(choice.get("name"))].params}
    if size and not choice.get("img_size") and not choice.get("dynamic_img_size"):
        options["img_size"] = size
    chosen = {**choice, **{name: value for name, value in options.items() if name in own}}
    return architectures.build(chosen, num_classes)  # type: ignore[no-any-return]


def parameters_of(choice: Mapping[str, Any]) -> int:
    """How many parameters the network of a recipe's choice has, found without memory for them; raises BadInput."""
    import torch

    known = architectures[choice["name"]].params
    fresh = {"pretrained": False} if any(p.name == "pretrained" for p in known) else {}
    with torch.device("meta"):
        network = architectures.build({**choice, **fresh}, 2).model
    return sum(p.numel() for p in network.parameters())
