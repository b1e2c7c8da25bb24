"""Architectures from timm: its networks with a new head."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.errors import BadInput, quoted
from core.model.architecture import Architecture

if TYPE_CHECKING:  # torch takes seconds to import, which listing the plugins does not need
    from torch import Tensor, nn


def is_timm(name: str) -> bool:
    """Whether timm has a model of this name, optionally with the tag of its weights, as in `resnet50.a1_in1k`."""
    import timm

    return name in timm.list_pretrained() if "." in name else timm.is_model(name)


def from_timm(
    name: str,
    num_classes: int,
    head: str,
    pretrained: bool,
    weights: dict[str, Tensor] | None = None,
    statistics: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Architecture:
    """A timm network with a new head; its body gets `weights` or, if `pretrained`, weights that timm downloads.

    A tag in the name selects the weights, and with them the input statistics even without `pretrained`. `options` are
    passed to `timm.create_model`, such as `img_size` (a number, or height and width).
    Raises BadInput for an unknown name, unavailable weights, or options or a head that do not suit the network.
    """
    import timm
    import torch
    from torch import nn

    from core.model.head import Classifier, ConcatHead

    if not is_timm(name):
        tagged = timm.list_pretrained(f"{name.partition('.')[0]}.*")[:10]
        known = f"of this one it has: {', '.join(tagged)}" if tagged else "`timm.list_models()` lists its models"
        raise BadInput(f"timm has no model {quoted(name)}; {known}.")
    download = pretrained and weights is None
    if download and not timm.models.is_model_pretrained(name):
        raise BadInput(f"timm has no trained weights for {name!r}; choose another model, or set pretrained to false.")
    options = dict(options or {})
    size = options.get("img_size")
    if size:
        size = options["img_size"] = (size, size) if isinstance(size, int) else tuple(size)
        _check_area(name, size)
    try:
        network: Any = timm.create_model(name, pretrained=download, num_classes=num_classes, **options)
    except TypeError as error:
        if not options:
            raise
        raise BadInput(f"timm's {name!r} does not take {' and '.join(options)} ({error}); leave it out.") from error
    except Exception as error:
        if download:
            raise no_weights(name, error) from error
        if not size or isinstance(error, NotImplementedError):  # raised on the meta device
            raise
        raise _wrong_size(name, size, f"cannot be built for ({error})") from error
    classifiers = _classifiers(network)
    if weights is not None:
        body_weights = {k: v for k, v in weights.items() if not k.startswith(classifiers)}
        missing, unexpected = network.load_state_dict(body_weights, strict=False)
        if unexpected or not all(key.startswith(classifiers) for key in missing):
            raise BadInput(f"These weights are not those of {name!r}: {[*unexpected, *missing][0]!r} does not fit.")
    cfg = network.pretrained_cfg
    mean, std = statistics or (tuple(cfg["mean"]), tuple(cfg["std"]))
    stages = _body_stages(network, classifiers)
    half = (len(stages) + 1) // 2
    body = [[p for stage in part for p in stage] for part in (stages[:half], stages[half:])]
    if not isinstance(network.get_classifier(), nn.Module):
        raise BadInput(f"{name!r} has more than one classifier, which is not supported; choose another model.")
    _check_patches(name, network, size)
    if head == "linear":
        # timm's initial weights can be so large that the first epoch is spent on undoing them.
        for parameter in network.get_classifier().parameters():
            nn.init.zeros_(parameter)
        return Architecture(network, network.get_classifier(), body, mean, std, pretrained, name, size, stages)
    no_map = BadInput(
        f"The head 'concat' pools a feature map [N, C, H, W], which {name!r} does not have; use head 'linear'."
    )
    try:
        network.reset_classifier(0, "")
        with torch.no_grad():
            network.eval()
            features = network.forward_features(torch.zeros(1, 3, *(size or cfg["input_size"][1:])))
    except (AssertionError, AttributeError) as error:  # the network always pools
        raise no_map from error
    if features.ndim != 4 or features.shape[1] != network.num_features:
        raise no_map
    model = Classifier(network, ConcatHead(features.shape[1], num_classes))
    return Architecture(model, model.head, body, mean, std, pretrained, name, size, stages)


def has_fixed_size(name: str) -> bool:
    """Whether a timm network takes only photos of the size for which it is built."""
    import timm

    return is_timm(name) and bool(getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False))


def _check_area(name: str, size: tuple[int, int]) -> None:
    from core.data.transforms import MAX_AREA

    if min(size) < 1 or math.prod(size) > MAX_AREA:
        raise _wrong_size(name, size, f"cannot be built for: they must be 1 to {MAX_AREA:,} in all")


def _check_patches(name: str, network: Any, size: tuple[int, int] | None) -> None:
    """Raise BadInput if the patches do not cover the photo, as timm would ignore the rest of it."""
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if size and patch and any(side % step for side, step in zip(size, patch, strict=True)):
        raise _wrong_size(name, size, f"does not take: its patches need multiples of {patch[0]}")


def _wrong_size(name: str, size: tuple[int, int], why: str) -> BadInput:
    height, width = size
    return BadInput(f"{height} x {width} pixels are a size that {name!r} {why}; change the size in the last transform.")


NO_WEIGHTS = "The weights of {!r} could not be downloaded"


def no_weights(name: str, error: Exception) -> BadInput:
    """The BadInput for weights that could not be downloaded."""
    return BadInput(
        f"{NO_WEIGHTS.format(name)} ({type(error).__name__}); choose the architecture "
        "'efficientnet_lite0', whose weights are installed, or set pretrained to false to start from random ones."
    )


def says_no_weights(error: str) -> bool:
    """Whether an error is that of `no_weights`."""
    before, after = NO_WEIGHTS.split("{!r}")
    return error.startswith(before) and after in error


def _classifiers(network: Any) -> tuple[str, ...]:
    """The name prefixes of the parameters of timm's classifier."""
    names = network.pretrained_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def _body_stages(network: Any, classifiers: tuple[str, ...]) -> list[list[nn.Parameter]]:
    """The body's parameters by timm's coarse layers: the stem, then stages."""
    from timm.models import group_parameters

    named = dict(network.named_parameters())
    if hasattr(network, "group_matcher"):
        layers = group_parameters(network, network.group_matcher(coarse=True))
    else:  # a few of timm's models have none
        layers = {i: [name] for i, name in enumerate(named)}
    stages = [[named[n] for n in names if not n.startswith(classifiers)] for _, names in sorted(layers.items())]
    return [stage for stage in stages if stage]
