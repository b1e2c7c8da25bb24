"""Weights that may be anybody's: no larger than their network needs, of its kind, and finite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

MEGABYTE = 1_000_000
ENTRY = 1000  # bytes that a tensor takes in a header, far more than its name, type, shape and place do


def check_size(file: Path, network: nn.Module) -> None:
    """Raise ValueError where a safetensors file is far larger or smaller than the network; nothing of it is parsed."""
    state, size = network.state_dict(), file.stat().st_size
    with file.open("rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
    needed = sum(tensor.nbytes for tensor in state.values())
    if not needed / 2 - MEGABYTE <= size <= needed * 2 + MEGABYTE:  # saved in half or in double precision
        raise ValueError(f"it takes {needed / 1e6:.0f} MB, and {file.name} holds {size / 1e6:.0f}")
    if header > ENTRY * (len(state) + 1):
        raise ValueError(f"the header of {file.name} takes {header / 1e6:.1f} MB, too much for {len(state)} tensors")


def take_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a network its weights; raises RuntimeError, or ValueError where one is not of its kind or not finite."""
    for name, own in network.state_dict().items():
        if name in weights and weights[name].is_floating_point() != own.is_floating_point():
            raise ValueError(f"{name!r} holds {weights[name].dtype} in place of {own.dtype}")
    network.load_state_dict(weights)
    if name := damaged_weight(network):
        raise ValueError(f"{name!r} holds numbers that are not finite, or a variance below zero")


def damaged_weight(network: nn.Module) -> str:
    """The name of a tensor that holds a NaN, an infinity or a negative variance, with which no photo has an answer."""
    learnt = {name for name, _ in network.named_parameters()}
    for name, tensor in network.state_dict().items():
        if name not in learnt and ".running_" not in f".{name}":  # a mask may hold infinities
            continue
        if tensor.is_floating_point() and not math.isfinite(tensor.sum()):  # one pass; only the absurd overflow
            return name
        if name.endswith("running_var") and tensor.min() < 0:
            return name
    return ""
