"""The state of any optimizer as tensors and JSON, so that training resumes bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

GROUP = "group"
SCHEDULED = ("lr", "layers")  # of a parameter group; the loop sets them


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The tensors of an optimizer's state: `N.slot` for its parameter N, `groupN.slot` for its parameter group N."""
    state = optimizer.state_dict()
    named = [*state["state"].items(), *((f"{GROUP}{i}", group) for i, group in enumerate(state["param_groups"]))]
    return {f"{i}.{k}": v for i, slots in named for k, v in slots.items() if isinstance(v, Tensor)}


def optimizer_document(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The numbers of an optimizer's state that are not tensors, such as its counts of steps, for JSON."""
    state = optimizer.state_dict()
    slots = {str(i): _numbers(values) for i, values in state["state"].items()}
    return {"slots": slots, "groups": [_numbers(group) for group in state["param_groups"]]}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], document: Mapping[str, Any] | None = None
) -> None:
    """Load `optimizer_tensors` and `optimizer_document`; raises ValueError if they belong to other parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    document = document or {"slots": {}, "groups": []}
    state: dict[int, dict[str, Any]] = {int(i): dict(values) for i, values in document["slots"].items()}
    groups = optimizer.state_dict()["param_groups"]
    for group, values in zip(groups, document["groups"], strict=False):
        group |= values
    for name, tensor in tensors.items():
        number, slot = name.split(".")
        if number.startswith(GROUP):
            groups[int(number.removeprefix(GROUP))][slot] = tensor.clone()
            continue
        parameter = parameters[int(number)]
        if tensor.ndim == parameter.ndim and tensor.ndim and tensor.shape != parameter.shape:
            raise ValueError(f"the optimizer's {name} has the shape {list(tensor.shape)}")
        state.setdefault(int(number), {})[slot] = tensor.clone()  # steps update it in place
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for parameter, slots in optimizer.state.items():
        for slot, value in slots.items():  # other strides round sums differently
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                slots[slot] = torch.empty_like(parameter).copy_(value)


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if isinstance(v, (bool, int, float)) and k not in SCHEDULED}
