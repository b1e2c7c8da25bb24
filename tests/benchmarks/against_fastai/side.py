"""What both sides share: the task comes as the argument, one line of JSON goes out last; nothing of either engine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from statistics import median
from types import SimpleNamespace
from typing import Any

Figures = dict[str, Any]


def answer(functions: Mapping[str, Callable[[Any], Figures]]) -> None:
    """Do the task of the command line with the function it names, and print its figures."""
    task = SimpleNamespace(**json.loads(sys.argv[1]))
    print("\n" + json.dumps(functions[task.do](task)), flush=True)


def seconds(do: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def import_seconds(statement: str) -> float:
    """How long a fresh process takes for it after torch and torchvision are there; the median of five."""
    code = (
        f"import time, torch, torchvision; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(5)]
    return median(float(printed.splitlines()[-1]) for printed in runs)


def milliseconds(do: Callable[[Any], Any], items: Sequence[Any]) -> float:
    """The median over all items but the first three, which warm up."""
    return 1000 * median([seconds(partial(do, item)) for item in items][3:])


def between(moments: Sequence[float]) -> float:
    """The median time from one moment to the next, in ms, without the first, which warms up."""
    return 1000 * median([after - before for before, after in pairwise(moments)][1:])


def by_epoch(ends: Sequence[float], accuracies: Sequence[float]) -> Figures:
    """Figures of a training from the seconds at which its epochs ended and what they scored."""
    found: Figures = {}
    for i, (end, accuracy) in enumerate(zip(ends, accuracies, strict=True)):
        found |= {f"epoch {i}, s": end, f"epoch {i}, accuracy": accuracy}
    return found


def of_packages(*names: str) -> Figures:
    """Their versions."""
    return {name: version(name) for name in names}
