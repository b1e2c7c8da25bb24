"""A stand-in for an Apple GPU: the CPU, described as one, with everything forbidden that one refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core import device
from core.device import KINDS, REFLECTION, ZEROS, Device


class StandIn(Device):
    """The CPU as another device: its random generator is the device's own."""

    @property
    def _module(self) -> Any:
        def nothing() -> None: ...

        return SimpleNamespace(
            get_rng_state=torch.get_rng_state,
            set_rng_state=torch.set_rng_state,
            empty_cache=nothing,
            synchronize=nothing,
        )


@contextmanager
def described(**facts: Any) -> Iterator[None]:
    """Within this context the CPU is a device of which these `facts` hold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "cpu", lambda cpu: StandIn(cpu, "Stand-in", **facts))
        device._described.cache_clear()
        try:
            yield
        finally:
            device._described.cache_clear()


class _Functions(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (func is torch.grid_sampler and args[3] == 1) or (kwargs or {}).get("padding_mode") == "border":
            raise RuntimeError("MPS: Unsupported Border padding mode")
        return func(*args, **(kwargs or {}))


class _Kernels(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if any(isinstance(x, torch.Tensor) and x.dtype == torch.float64 for x in tree_leaves((args, kwargs, found))):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        if "fused" in str(func):
            raise RuntimeError("fused=True requires all the params to be floating point Tensors of supported devices")
        return found


@contextmanager
def apple_gpu(**facts: Any) -> Iterator[None]:
    """The CPU as an Apple GPU: no float64, no border padding, no fused optimizer."""
    modes = frozenset((REFLECTION, ZEROS))
    known = {"precisions": ("fp32", "fp16"), "float64": False, "padding_modes": modes, **facts}
    with described(**known), _Functions(), _Kernels():
        yield
