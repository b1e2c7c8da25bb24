"""The device that computes: which there are, and what each of them can do; the one place that asks for its type."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from core.errors import BadInput, quoted

if TYPE_CHECKING:  # torch takes seconds to import, which help and lists do not need
    import numpy as np
    import torch
    from torch import Tensor
    from torch.amp.grad_scaler import GradScaler

AUTO = "auto"
VARIABLE = "PRESIZE_DEVICE"  # the device of this machine, whatever a recipe from another one says
LOCAL_RANK = "LOCAL_RANK"  # torchrun's number of this process among those on this machine
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
SWITCH_INTERVAL = 2e-4  # seconds; 5e-3 is Python's own
NO_MEMORY = re.compile(r"out of memory|DefaultCPUAllocator|CU(DNN|BLAS|SPARSE|SOLVER)_STATUS\w*ALLOC\w*FAILED")
BORDER, REFLECTION, ZEROS = "border", "reflection", "zeros"


@dataclass(frozen=True)
class Device:
    """A device of torch with its name for people, and what it can do.

    `precisions` are those it computes in, the one that `auto` takes first. A `host` device is the CPU, whose results
    are there at once; kernels of others are launched, and run later. `capacity` is how many photos a micro-batch has
    when nothing else is said, 0 being all of the batch.
    """

    torch: torch.device
    name: str
    precisions: tuple[str, ...] = ("fp32",)
    host: bool = False
    fused: bool = False  # fused kernels of optimizers
    pinned: bool = False  # copies from pinned memory run beside the kernels
    streams: bool = False
    float64: bool = True
    padding_modes: frozenset[str] = field(default=frozenset((BORDER, REFLECTION, ZEROS)))  # of grid_sample
    capacity: int = 0
    validation: int = 1  # how many times as large as in training batches of validation are

    def precision(self, name: str = AUTO) -> str:
        """The precision of an option, with `auto` resolved; raises BadInput if this device does not have it."""
        if name == AUTO:
            return self.precisions[0]
        if name not in self.precisions:
            raise BadInput(
                f"training.precision is {quoted(name)}, but {self.name} computes in {', '.join(self.precisions)}; "
                f"choose one of these, or {AUTO}."
            )
        return name

    def autocast(self, precision: str) -> AbstractContextManager[Any]:
        """The context in which layers compute in a precision; it keeps no cast weights.

        Each use of a weight casts it anew: a cast that was kept under `no_grad` would cut the gradient of a later use,
        and the graph of one kept from a micro-batch would be gone in the next.
        """
        import torch

        low = getattr(torch, DTYPES[precision])
        return torch.autocast(self.torch.type, low, enabled=precision != "fp32", cache_enabled=False)

    def scaler(self, precision: str) -> GradScaler | None:
        """The loss scaling without which gradients vanish in fp16; None in other precisions."""
        from torch.amp.grad_scaler import GradScaler

        return GradScaler(self.torch.type) if precision == "fp16" else None

    def tune(self) -> None:
        """Set what holds for the whole process: TF32 for fp32 matrices, and the fastest convolution for each shape.

        A thread that reads photos waits for the interpreter for one interval each time; a kernel takes microseconds.
        """
        import torch

        if not self.host:
            sys.setswitchinterval(SWITCH_INTERVAL)
        if self.torch.type == "cuda":
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True

    def random_state(self) -> Tensor | None:
        """The state of the device's own random generator, which dropout uses; None on the CPU."""
        return None if self.host else self._module.get_rng_state()

    def set_random_state(self, state: Tensor) -> None:
        """Restore `random_state`; a state of another kind of device is ignored, as it means nothing here."""
        if (own := self.random_state()) is not None and own.shape == state.shape:
            self._module.set_rng_state(state)

    def send(self, values: np.ndarray[Any, Any]) -> Tensor:
        """A copy of small values on the device, for which no kernel is waited; float64 becomes float32."""
        import torch

        small = values.astype("float32") if values.dtype == "float64" else values.copy()
        tensor = torch.from_numpy(small)
        return tensor.pin_memory().to(self.torch, non_blocking=True) if self.pinned else tensor.to(self.torch)

    def fetch(self, values: Tensor) -> Callable[[], Tensor]:
        """Start to copy a tensor to the CPU; the function that is returned waits for the copy, but no later kernel."""
        import torch

        if not self.pinned:
            return lambda: values.cpu()
        copied = torch.empty_like(values, device="cpu", pin_memory=True).copy_(values, non_blocking=True)
        there = self._module.current_stream(self.torch).record_event()

        def wait() -> Tensor:
            there.synchronize()
            return copied

        return wait

    def free_memory(self) -> int:
        """Bytes of the device's own memory that are free; 0 if it shares the CPU's."""
        if self.torch.type == "cuda":
            return int(self._module.mem_get_info(self.torch)[0])
        return 0

    def release_memory(self) -> None:
        """Give what freed tensors took back, so that smaller ones find room."""
        if not self.host:
            self._module.empty_cache()

    def peak_memory(self) -> int:
        """The most bytes that tensors took since the last call; 0 where that is not counted."""
        if self.torch.type != "cuda":
            return 0
        peak = int(self._module.max_memory_allocated(self.torch))
        self._module.reset_peak_memory_stats(self.torch)
        return peak

    def synchronize(self) -> None:
        """Wait until everything that was launched is done."""
        if not self.host:
            self._module.synchronize()

    @property
    def _module(self) -> Any:
        import torch

        return torch.get_device_module(self.torch)


def choose(name: str | torch.device = AUTO) -> Device:
    """A device by name, such as `cuda:1`, or the best there is, or `PRESIZE_DEVICE`; raises BadInput naming what is."""
    import torch

    if isinstance(name, torch.device):
        return _described(name)
    name = name.strip().lower()
    if name == AUTO and (name := wanted(AUTO)) == AUTO:
        name = available()[0]
    if name not in available():
        raise BadInput(f"There is no device {quoted(name)} here; there are: {', '.join(available())}.")
    return _described(torch.device(name))


def wanted(option: str) -> str:
    """The name of the device to use where a recipe says `option`: `PRESIZE_DEVICE` goes before it."""
    return os.environ.get(VARIABLE, "").strip().lower() or option


def available() -> list[str]:
    """The names of the devices that torch can use here, the best first."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = ["cuda", *(f"cuda:{i}" for i in range(gpus))] if gpus else []
    return [*names, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def check_compiler() -> None:
    """Raise BadInput, naming what is missing, if torch.compile cannot build the code that it writes in C++."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "cl"]
    if not any(map(shutil.which, names)):
        raise BadInput(
            f"training.compile needs a C++ compiler, and there is no {' or '.join(names)} here; install one, or set "
            "training.compile to false."
        )
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if not os.path.exists(header):
        raise BadInput(
            f"training.compile needs Python's header files, and there is no {header}; install them, such as by the "
            "package python3-dev, or set training.compile to false."
        )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device is out of memory, in the words of any library that torch calls."""
    import torch

    said = isinstance(error, RuntimeError) and NO_MEMORY.search(str(error)) is not None
    return said or isinstance(error, (torch.OutOfMemoryError, MemoryError))


def join_processes(timeout: Any) -> None:
    """Join torchrun's process group: numbers and objects travel by gloo, tensors on a GPU by NCCL."""
    import torch

    gpus = wanted(AUTO) != "cpu" and torch.cuda.is_available()
    if gpus:
        torch.cuda.set_device(int(os.environ[LOCAL_RANK]))
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=timeout)


def _cuda(device: torch.device) -> Device:
    import torch

    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    tensor_cores = torch.cuda.get_device_capability(device) >= (7, 0)  # before them fp16 is no faster
    precisions = ("bf16", "fp16", "fp32") if bf16 else ("fp16", "fp32") if tensor_cores else ("fp32", "fp16")
    name = torch.cuda.get_device_name(device)
    return Device(device, name, precisions, fused=_fused(device), pinned=True, streams=True, validation=4)


def _mps(device: torch.device) -> Device:
    modes = frozenset((REFLECTION, ZEROS))  # pytorch#125098
    return Device(
        device, "Apple GPU", ("fp32", "fp16"), fused=_fused(device), float64=False, padding_modes=modes, validation=4
    )  # fp16 is a choice: where it pays has not been measured


def _cpu(device: torch.device) -> Device:
    return Device(device, cores(), ("fp32", "bf16", "fp16"), host=True, fused=_fused(device), capacity=CPU_MICRO_BATCH)


KINDS: dict[str, Callable[[torch.device], Device]] = {"cuda": _cuda, "mps": _mps, "cpu": _cpu}
CPU_MICRO_BATCH = 16  # photos whose activations fit a CPU's caches


@cache
def _described(device: torch.device) -> Device:
    make = KINDS.get(device.type)
    return make(device) if make else Device(device, device.type, fused=_fused(device))


def _fused(device: torch.device) -> bool:
    """Whether this torch has fused optimizers for a type of device; asked, as it changes from version to version."""
    try:
        from torch.utils._foreach_utils import _get_fused_kernels_supported_devices as supported
    except ImportError:
        return False
    return device.type in supported()


def cores() -> str:
    """The CPU for people, with its number of cores."""
    count = os.cpu_count() or 1
    return f"{count} CPU core{'s' * (count > 1)}"
