"""An architecture: a body that makes features, a head that makes logits, and the statistics of its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from core.errors import BadInput, quoted
from core.registry import architectures

if TYPE_CHECKING:  # torch takes seconds to import, and the plugins that import this are only listed at first
    from torch import Tensor, nn

    from core.model.joint import Joint

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass
class Architecture:
    """What a plugin in plugins/architectures/ returns.

    `model` has `forward_features` ([N, 3, H, W] to features) and `forward_head` (features to logits [N, classes]), as
    timm's models and `Classifier` have. `head` is the part of it that is new. `groups` are the body's parameters from
    the first layers to the last; learning rates rise along them. `timm` is the name by which timm builds the same
    network, if it does.
    """

    model: Any
    head: nn.Module
    groups: list[list[nn.Parameter]]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    pretrained: bool = False
    timm: str | None = None
    _joint: Joint | None = field(default=None, init=False, repr=False)

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

    def maps(self, images: Tensor) -> Tensor:
        """What the body makes of values in 0..1 [N, 3, H, W]."""
        return self.model.forward_features(self.normalise(images))  # type: ignore[no-any-return]

    def features(self, images: Tensor) -> Tensor:
        """What enters the head of a resting network, of values in 0..1 [N, 3, H, W]; pooled, if the head begins so."""
        from core.model.joint import Joint

        maps = self.maps(images)
        self._joint = self._joint or Joint.of(self.model, self.head, maps)
        return self._joint.enter(self.model, self.head, maps)

    def logits(self, features: Tensor) -> Tensor:
        """What the head makes of `features`, its own or those of a copy at rest: logits [N, classes]."""
        assert self._joint is not None, "logits before any features were made"
        return self._joint.leave(self.model, self.head, features)

    def at_rest(self, images: Tensor) -> Architecture:
        """A copy that only answers, faster, as the norms of its body are in the weights before them.

        `images` [N, 3, H, W] are some of those that it will see. A network that cannot be copied is its own copy.
        """
        import torch

        from core.model.fold import folded
        from core.model.head import Body

        name = next(name for name, module in self.model.named_modules() if module is self.head)
        try:
            model: Any = folded(Body(self.model), images).model
        except RuntimeError:  # of torch, where a weight is computed from others
            model = self.model.eval()
        copy = replace(self, model=model, head=model.get_submodule(name), groups=[])
        with torch.inference_mode():
            copy.features(images)
        self._joint = copy._joint
        return copy

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
        """Ready for a step: a frozen body rests altogether; else its norm layers alone, unless `train_bn`."""
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


def build_architecture(choice: Mapping[str, Any], num_classes: int, **options: Any) -> Architecture:
    """What a recipe's `{"name": ..., options}` describes, with those of `options` that it has; raises BadInput."""
    own = {p.name for p in architectures[str(choice.get("name"))].params}
    chosen = {**choice, **{name: value for name, value in options.items() if name in own}}
    return architectures.build(chosen, num_classes)  # type: ignore[no-any-return]


def is_timm(name: str) -> bool:
    """Whether timm has a model of this name, which may end in the tag of its weights, as in `resnet50.a1_in1k`."""
    import timm

    return name in timm.list_models() or name in timm.list_pretrained()


def parameters_of(choice: Mapping[str, Any]) -> int:
    """How many parameters the network of a recipe's choice has, found without memory for them; raises BadInput."""
    import torch

    known = architectures[choice["name"]].params
    fresh = {"pretrained": False} if any(p.name == "pretrained" for p in known) else {}
    with torch.device("meta"):
        network = architectures.build({**choice, **fresh}, 2).model
    return sum(p.numel() for p in network.parameters())


def from_timm(
    name: str,
    num_classes: int,
    head: str,
    pretrained: bool,
    weights: dict[str, Tensor] | None = None,
    statistics: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None,
) -> Architecture:
    """A timm network with a new head; `weights` are loaded into its body, otherwise timm downloads them if asked.

    A tag in the name says which weights, and so which statistics, also where none are asked for. Raises BadInput for a
    name timm does not have, weights that cannot be had, or a head that does not fit.
    """
    import timm
    import torch
    from torch import nn

    from core.model.head import Classifier, concat_head

    if not is_timm(name):
        tagged = timm.list_pretrained(f"{name.partition('.')[0]}.*")[:10]
        known = f"of this one it has: {', '.join(tagged)}" if tagged else "`timm.list_models()` names them"
        raise BadInput(f"timm has no model {quoted(name)}; {known}.")
    download = pretrained and weights is None
    if download and not timm.models.is_model_pretrained(name):
        raise BadInput(f"timm has no trained weights for {name!r}; choose another model, or set pretrained to false.")
    try:
        network: Any = timm.create_model(name, pretrained=download, num_classes=num_classes)
    except Exception as error:
        if not download:
            raise
        raise no_weights(name, error) from error
    classifiers = _classifiers(network)
    if weights is not None:
        body_weights = {k: v for k, v in weights.items() if not k.startswith(classifiers)}
        missing, unexpected = network.load_state_dict(body_weights, strict=False)
        if unexpected or not all(key.startswith(classifiers) for key in missing):
            raise BadInput(f"These weights are not those of {name!r}: {[*unexpected, *missing][0]!r} does not fit.")
    cfg = network.pretrained_cfg
    mean, std = statistics or (tuple(cfg["mean"]), tuple(cfg["std"]))
    body = _body_groups(network, classifiers)
    if not isinstance(network.get_classifier(), nn.Module):
        raise BadInput(f"{name!r} has more than one classifier, which this program cannot train; choose another model.")
    if head == "linear":
        # timm's own start can be so large that the first epoch is spent on undoing it
        for parameter in network.get_classifier().parameters():
            nn.init.zeros_(parameter)
        return Architecture(network, network.get_classifier(), body, mean, std, pretrained, name)
    no_maps = BadInput(f"The head 'concat' pools maps [N, C, H, W], which {name!r} does not make; use head 'linear'.")
    try:
        network.reset_classifier(0, "")
        with torch.no_grad():
            network.eval()
            features = network.forward_features(torch.zeros(1, *cfg["input_size"]))
    except (AssertionError, AttributeError) as error:  # of a network that always pools
        raise no_maps from error
    if features.ndim != 4 or features.shape[1] != network.num_features:
        raise no_maps
    model = Classifier(network, concat_head(features.shape[1], num_classes))
    return Architecture(model, model.head, body, mean, std, pretrained, name)


def no_weights(name: str, error: Exception) -> BadInput:
    """The sentence for weights that could not be downloaded."""
    return BadInput(
        f"The weights of {name!r} could not be downloaded ({type(error).__name__}); choose the architecture "
        "'efficientnet_lite0', whose weights are installed, or set pretrained to false to start from random ones."
    )


def _classifiers(network: Any) -> tuple[str, ...]:
    """The prefixes of the parameters that belong to timm's classifier."""
    names = network.pretrained_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def _body_groups(network: Any, classifiers: tuple[str, ...]) -> list[list[nn.Parameter]]:
    """The body's parameters in two halves, by timm's coarse layers (stem, then stages)."""
    from timm.models import group_parameters

    named = dict(network.named_parameters())
    if hasattr(network, "group_matcher"):
        layers = group_parameters(network, network.group_matcher(coarse=True))
    else:  # a few of timm's models have none
        layers = {i: [name] for i, name in enumerate(named)}
    stages = [[named[n] for n in names if not n.startswith(classifiers)] for _, names in sorted(layers.items())]
    stages = [stage for stage in stages if stage]
    half = (len(stages) + 1) // 2
    return [[p for stage in part for p in stage] for part in (stages[:half], stages[half:])]
