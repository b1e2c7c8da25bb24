"""Architecture: a network of body and head, with its parameter groups and input statistics."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from core.errors import BadInput, quoted
from core.registry import architectures

if TYPE_CHECKING:  # torch takes seconds to import, which listing the plugins does not need
    from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass
class Architecture:
    """A network with a new head, as returned by the plugins in plugins/architectures/.

    `model` has `forward_features` ([N, 3, H, W] to a feature map) and `forward_head` (to logits [N, classes], or with
    `pre_logits=True` to the input of its last layers), as timm's models and `Classifier` have. `head` is new.
    `groups` are the body's parameters from the first layers to the last, for discriminative learning rates, and
    `stages` the same in smaller parts, of which the first can stay frozen; by default they are the groups. `timm` is
    the name of the same network in timm, if it has one; `img_size` is the fixed height and width of its input, if any.
    """

    model: Any
    head: nn.Module
    groups: list[list[nn.Parameter]]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    pretrained: bool = False
    timm: str | None = None
    img_size: tuple[int, int] | None = None
    stages: list[list[nn.Parameter]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stages = self.stages or self.groups
        self.groups = [group for group in (*self.groups, list(self.head.parameters())) if group]

    def normalise(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in 0..1, normalised by the statistics of the weights, in channels-last memory format."""
        import torch

        # filled by kernels, as a copy from the CPU would wait for all that an accelerator has still to do
        mean, std = (torch.cat([images.new_full((1, 1, 1, 1), v) for v in s], 1) for s in (self.mean, self.std))
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in 0..1 to logits [N, classes]."""
        return self.model(self.normalise(images))  # type: ignore[no-any-return]

    def feature_map(self, images: Tensor) -> Tensor:
        """The body's output for images [N, 3, H, W] in 0..1."""
        return self.model.forward_features(self.normalise(images))  # type: ignore[no-any-return]

    def features(self, images: Tensor) -> Tensor:
        """The features of images [N, 3, H, W] in 0..1 before the head's trainable layers, the input of `logits`."""
        return self.model.forward_head(self.feature_map(images), pre_logits=True)  # type: ignore[no-any-return]

    def logits(self, features: Tensor) -> Tensor:
        """Features, as `features` of this network or its fused copy returns in eval mode, to logits [N, classes]."""
        from core.model.head import logits_of

        return logits_of(self.head, features)

    def has_features(self, images: Tensor) -> bool:
        """Whether `logits(features(images))` equals the network's output in eval mode, for `images` [N, 3, H, W]."""
        import torch
        from torch.func import functional_call

        from core.model.head import logits_of

        head, random = copy.deepcopy(self.head), torch.Generator().manual_seed(0)
        for parameter in head.parameters():  # a zero-initialised head would hide a difference
            parameter.data.copy_(torch.randn(parameter.shape, generator=random))
        weights: dict[str, Tensor] = {f"{self.head_name}.{name}": p for name, p in head.named_parameters()}
        try:
            with torch.no_grad():
                expected = functional_call(self.model, weights, (self.normalise(images),))
                found = logits_of(head, self.features(images))
        except Exception:  # of anybody's network, which may call its head in another way
            return False
        return found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-4, atol=1e-5)

    def fused_copy(self, images: Tensor, frozen_only: bool = False) -> Architecture:
        """A faster copy in eval mode, with the body's batch norms fused into the layers before them.

        With `frozen_only` it is for training: only frozen norms are fused, and what is trained belongs to both.
        `images` [N, 3, H, W] are examples of its input. A network that cannot be copied, or of which no frozen norm can
        be fused, is itself put in eval mode.
        """
        from core.model.fuse import fused
        from core.model.head import Body

        try:
            model: Any = fused(Body(self.model), images, frozen_only).model
        except (RuntimeError, AttributeError):  # torch cannot copy a weight that is computed from others
            model = self.model.eval()
        return replace(self, model=model, head=model.get_submodule(self.head_name), groups=self.groups[:-1])

    @property
    def head_name(self) -> str:
        """The name of the head among the network's modules."""
        return next(str(name) for name, module in self.model.named_modules() if module is self.head)

    def freeze(self, train_bn: bool = False) -> None:
        """Freeze all but the head and, with `train_bn`, the norm layers of the body."""
        self.freeze_to(-1, train_bn)

    def freeze_to(self, n: int, train_bn: bool = False) -> None:
        """Freeze all but `groups[n:]` and, with `train_bn`, the norm layers of the body; raises BadInput."""
        if not -len(self.groups) <= n < len(self.groups):
            raise BadInput(f"There is no parameter group {n} to freeze to; give a number below {len(self.groups)}.")
        self.model.requires_grad_(False)
        for parameter in (p for group in self.groups[n:] for p in group):
            parameter.requires_grad_(True)
        if train_bn:
            for norm in self.body_norms():
                norm.requires_grad_(True)

    def unfreeze(self, frozen_stages: int | None = 0) -> None:
        """Unfreeze all parameters but those of the body's first stages, all of these if there are fewer.

        None: half of the stages of a pretrained body, whose first layers would hardly change.
        """
        if frozen_stages is None:
            frozen_stages = len(self.stages) // 2 if self.pretrained else 0
        self.model.requires_grad_(True)
        for parameter in (p for stage in self.stages[:frozen_stages] for p in stage):
            parameter.requires_grad_(False)

    @property
    def frozen(self) -> bool:
        """Whether there is a body and all of its parameters are frozen."""
        body = self.groups[:-1]
        return bool(body) and not any(p.requires_grad for group in body for p in group)

    def train_mode(self, train_bn: bool) -> None:
        """Set train mode, except for a frozen body and, unless `train_bn`, the norm layers of the body."""
        self.model.train()
        if self.frozen:
            self.model.eval()
            self.head.train()
            return
        for norm in self.body_norms():
            if not train_bn or not any(p.requires_grad for p in norm.parameters()):
                norm.eval()

    def body_norms(self) -> Iterator[nn.Module]:
        """The norm layers outside the head."""
        from core.model.head import NORMS

        own = set(self.head.modules())
        return (m for m in self.model.modules() if isinstance(m, NORMS) and m not in own)


def build_architecture(
    choice: Mapping[str, Any], num_classes: int, size: tuple[int, int] | None = None, **options: Any
) -> Architecture:
    """The architecture of a recipe's `{"name": ..., **options}`, with those of `options` that it has; raises BadInput.

    If it has an option `img_size`, this is set to `size`, the height and width in pixels of the photos to train on,
    unless the choice sets it or `dynamic_img_size`.
    """
    own = {p.name for p in architectures[str(choice.get("name"))].params}
    if size and not choice.get("img_size") and not choice.get("dynamic_img_size"):
        options["img_size"] = size
    chosen = {**choice, **{name: value for name, value in options.items() if name in own}}
    built: Architecture = architectures.build(chosen, num_classes)
    # a model that was saved with an img_size without effect, which has no `size`, is still loaded
    if size and choice.get("img_size") and built.timm and not built.img_size:
        raise BadInput(
            f"{built.timm!r} takes photos of any size, so its img_size {quoted(choice['img_size'])} would have no "
            "effect; leave it out, and change the size in the last transform."
        )
    return built


def parameters_of(choice: Mapping[str, Any]) -> int:
    """The number of parameters of a recipe's choice, counted on the meta device without memory; raises BadInput."""
    import torch

    known = architectures[choice["name"]].params
    fresh = {"pretrained": False} if any(p.name == "pretrained" for p in known) else {}
    with torch.device("meta"):
        network = architectures.build({**choice, **fresh}, 2).model
    return sum(p.numel() for p in network.parameters())
