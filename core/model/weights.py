"""Checks of untrusted weights: their size, types and values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

MEGABYTE = 1_000_000
MAX_HEADER_ENTRY = 1000  # bytes of a tensor's name, type, shape and offsets in the header, generously


def check_size(file: Path, network: nn.Module) -> None:
    """Raise ValueError if a safetensors file is far larger or smaller than the network; it is not parsed."""
    state, size = network.state_dict(), file.stat().st_size
    with file.open("rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
    needed = sum(tensor.nbytes for tensor in state.values())
    if not needed / 2 - MEGABYTE <= size <= needed * 2 + MEGABYTE:  # half or double precision are allowed
        raise ValueError(f"it needs {needed / 1e6:.0f} MB, but {file.name} has {size / 1e6:.0f}")
    if header > MAX_HEADER_ENTRY * (len(state) + 1):
        raise ValueError(f"the header of {file.name} has {header / 1e6:.1f} MB, too much for {len(state)} tensors")


def take_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights into a network; raises RuntimeError, or ValueError if a type differs or a value is not finite."""
    for name, own in network.state_dict().items():
        if name in weights and weights[name].is_floating_point() != own.is_floating_point():
            raise ValueError(f"{name!r} has the type {weights[name].dtype} instead of {own.dtype}")
    network.load_state_dict(weights)
    if name := damaged_weight(network):
        raise ValueError(f"{name!r} has values that are not finite, or a variance below zero")


def damaged_weight(network: nn.Module) -> str:
    """The name of a tensor with NaN, infinity or a negative variance, or "" if there is none."""
    parameters = {name for name, _ in network.named_parameters()}
    for name, tensor in network.state_dict().items():
        if name not in parameters and ".running_" not in f".{name}":  # a mask may hold infinities
            continue
        if tensor.is_floating_point() and not math.isfinite(tensor.sum()):  # a single pass over the values
            return name
        if name.endswith("running_var") and tensor.min() < 0:
            return name
    return ""
