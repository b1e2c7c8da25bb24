"""Fusing of batch norms in eval mode into the convolutions and linear layers before them."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LINEAR = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
TOLERANCE = 1e-5  # relative to the largest output


def fused(model: nn.Module, example: Tensor, frozen_only: bool = False) -> nn.Module:
    """A copy in eval mode with its batch norms fused, or a plain copy if the outputs would differ.

    With `frozen_only`, these are the norms that are frozen as the layers before them are; without any, the model itself
    is returned. The copy shares what is trained with the model, so that training it trains the model. The outputs are
    compared on noise of the shape of `example` [N, 3, H, W].
    """
    copied = copy.deepcopy(model).eval().cpu()  # a GPU may round the compared outputs to lower precision
    noise = torch.rand(example.shape, generator=torch.Generator().manual_seed(0))
    noise = noise.contiguous(memory_format=torch.channels_last)
    before, pairs = _pairs(copied, noise)
    new: dict[nn.Module, nn.Module] = {}
    for layer, norm in pairs:
        if frozen_only and any(p.requires_grad for p in (*layer.parameters(), *norm.parameters())):
            continue
        fuse: Any = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
        new |= {layer: fuse(layer, norm), norm: nn.Sequential(*norm.children())}  # timm's have an activation
    if frozen_only and not new:
        return model.eval()  # a copy would only take memory
    for parent in list(copied.modules()):
        for name, child in parent.named_children():
            setattr(parent, name, new.get(child, child))
    found = (copied if _is_same(copied, noise, before) else copy.deepcopy(model).eval()).to(example.device)
    if frozen_only:
        _share(model, found)
    return found


def _share(model: nn.Module, copied: nn.Module) -> None:
    """Put the model's trained parameters and its buffers in the place of their copies."""
    trained = [(name, p) for name, p in model.named_parameters(remove_duplicate=False) if p.requires_grad]
    for name, tensor in (*trained, *model.named_buffers(remove_duplicate=False)):
        owner, _, attribute = name.rpartition(".")
        module = copied.get_submodule(owner)
        for tensors in (module._parameters, module._buffers):
            if attribute in tensors:  # a fused norm has none
                tensors[attribute] = tensor  # type: ignore[assignment]


def _is_same(model: nn.Module, images: Tensor, expected: Tensor) -> bool:
    try:
        with torch.inference_mode():
            difference = (model(images) - expected).abs().max()
    except Exception:  # a network may use attributes of a norm layer that is gone
        return False
    return bool(difference <= TOLERANCE * expected.abs().max())  # False for NaN


def _pairs(model: nn.Module, images: Tensor) -> tuple[Tensor, list[tuple[nn.Module, Any]]]:
    """The network's output, and pairs of a layer and the only consumer of its output, a batch norm."""
    calls: Counter[nn.Module] = Counter()
    producer: dict[int, nn.Module] = {}
    found: list[tuple[nn.Module, nn.Module, int]] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        calls[module] += 1
        if isinstance(module, LINEAR):
            producer[id(output)] = module
        elif inputs and id(inputs[0]) in producer:
            found.append((producer[id(inputs[0])], module, id(inputs[0])))

    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, LINEAR) or _is_batch_norm(m)]
    with torch.inference_mode(), _Uses() as uses:
        output = model(images)
    for hook in hooks:
        hook.remove()
    once = [(layer, norm) for layer, norm, key in found if calls[layer] == calls[norm] == uses.count[key] == 1]
    return output, once


def _is_batch_norm(module: nn.Module) -> bool:
    """Whether this is a batch norm with running statistics, torch's or timm's with an activation."""
    from timm.layers.norm_act import BatchNormAct2d, SyncBatchNormAct

    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, BatchNormAct2d, SyncBatchNormAct)
    return type(module) in kinds and module.running_mean is not None


class _Uses(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts how many operations use each tensor."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: Counter[int] = Counter()
        self.kept: list[Tensor] = []  # a freed tensor's id could be reused by another

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        self.count.update(map(id, tensors))
        self.kept += tensors
        return func(*args, **(kwargs or {}))
