"""The name of the device on the page, known from the start, before anything has imported torch."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from core.device import AUTO, choose, cores, wanted
from core.errors import BadInput


def device_name() -> str:
    """The name of the device that is used here; without torch, which takes seconds to import, what the system says."""
    torch = sys.modules.get("torch")
    imported = torch is not None and not getattr(torch.__spec__, "_initializing", False)
    return _asked() if imported else _glanced()


@cache
def _asked() -> str:
    try:
        return choose().name
    except BadInput:
        return f"no {wanted(AUTO)}"  # which a run refuses with what there is


@cache
def _glanced() -> str:
    name = wanted(AUTO)
    if name == "cpu":
        return cores()
    if name in (AUTO, "mps") and sys.platform == "darwin" and platform.machine() == "arm64":
        return "Apple GPU"
    gpus = _nvidia() if _built_for_nvidia() else []
    number = name.partition(":")[2] or "0"
    return gpus[int(number)] if number.isdecimal() and int(number) < len(gpus) else cores()


def _built_for_nvidia() -> bool:
    """Whether the installed torch has CUDA, as a file of it says."""
    spec = find_spec("torch")
    with suppress(OSError):
        about = Path(spec.origin).with_name("version.py").read_text() if spec and spec.origin else ""
        return re.search(r"^cuda\b.*= '", about, re.MULTILINE) is not None
    return False


def _nvidia() -> list[str]:
    """The names of the GPUs that NVIDIA's driver shows to this process."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):  # there is no driver
        return []
    names = done.stdout.splitlines()
    if shown is None:
        return names
    return [names[int(i)] for i in shown.split(",") if i.isdecimal() and int(i) < len(names)]
