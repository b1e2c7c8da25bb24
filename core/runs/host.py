"""The machine and namespace of a run's process, and whether the system killed it for lack of memory."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from core.atomic import write_atomic

PROCESS = "process.json"
SILENT = 120.0  # seconds without an event after which a process elsewhere is considered dead
KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
ADVICE = "lower training.batch_size or training.micro_batch, or end other programs"


def introduce(folder: Path) -> None:
    """Write where this process runs, and how many processes the system has killed for memory; raises BadInput."""
    file = next((f for f in _counters() if _count(f) is not None), Path())
    here = {"host": platform.node(), "place": _place(), "kills": _count(file), "counter": str(file)}
    write_atomic(folder / PROCESS, json.dumps(here))


def is_here(folder: Path) -> bool:
    """Whether process ids of the run are valid here; True if the run did not record where it runs."""
    return bool(_introduced(folder).get("place", _place()) == _place())


def elsewhere(folder: Path, lock: str, events: str) -> str:
    """The machine or container of a process that is not here but wrote an event lately, or ""."""
    with suppress(OSError):
        lately = abs(time.time() - (folder / events).stat().st_mtime) < SILENT
        if lately and (folder / lock).stat().st_size and not is_here(folder):
            return str(_introduced(folder).get("host") or "another machine")
    return ""


def lacked_memory(folder: Path) -> bool:
    """Whether the system has killed a process for lack of memory since the run's process started here."""
    found = _introduced(folder)
    before, now = found.get("kills"), _count(Path(str(found.get("counter"))))
    return isinstance(before, int) and now is not None and now > before and is_here(folder)


def _introduced(folder: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        document = json.loads((folder / PROCESS).read_text(encoding="utf-8"))
        return document if isinstance(document, dict) else {}
    return {}


@cache
def _place() -> str:
    """The scope in which a process id is unique: a boot of a machine, and a namespace of process ids."""
    boot, namespace = "", ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    return f"{boot} {namespace}" if boot else platform.node()  # a laptop's name changes with its network


def _counters() -> Iterator[Path]:
    """The files that count out-of-memory kills, in this process's control group (v1 or v2) or on the machine."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kind, group = line.split(":", 2)
            if kind == "memory":
                yield Path(f"/sys/fs/cgroup/memory{group}/memory.oom_control")
            elif not kind:
                yield Path(f"/sys/fs/cgroup{group}/memory.events")
    yield Path("/proc/vmstat")


def _count(file: Path) -> int | None:
    with suppress(OSError):
        if found := KILLS.search(file.read_text()):
            return int(found[1])
    return None


def peak_memory() -> float:
    """The most memory that this process has taken, in MB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (2**20 if sys.platform == "darwin" else 2**10), 1)
