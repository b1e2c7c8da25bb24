"""The two engines as processes, and the environment that fastai has for itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.memory import PAUSE, private

ROOT = Path(__file__).parents[3]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PINNED = ("torch", "torchvision", "timm", "pillow", "numpy")  # as they are here, where pip allows it


@dataclass(frozen=True)
class Engine:
    """A Python and the module that it answers tasks with."""

    python: Path
    module: str

    def ask(self, task: dict[str, Any]) -> dict[str, Any]:
        """The figures of one task, done by a fresh process; its peak private memory instead where `watch` is set."""
        command = [str(self.python), "-m", f"{__package__}.{self.module}", json.dumps(task)]
        pipe = subprocess.PIPE
        with (
            subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process,
            ThreadPoolExecutor(1) as pool,
        ):
            peak = pool.submit(peak_of, process) if task.get("watch") else None
            output, errors = process.communicate()
        if process.returncode:
            sys.exit(f"error: {self.module} failed at {task['do']!r}:\n{errors[-3000:]}")
        return {"peak, GB": peak.result() / 1e9} if peak else json.loads(output.splitlines()[-1])


OURS = Engine(Path(sys.executable), "ours")


def peak_of(process: subprocess.Popen[str]) -> int:
    """The most bytes that a process and its children have for themselves until it ends."""
    peak = 0
    while process.returncode is None:
        peak = max(peak, private(process.pid))
        time.sleep(PAUSE)
    return peak


def fastai(folder: Path) -> Engine:
    """fastai in a virtual environment in `folder`, made unless it is there."""
    python = folder.absolute() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pins = [f"{name}=={version(name).partition('+')[0]}" for name in PINNED]
    wanted = "\n".join([REQUIREMENTS.read_text(), *pins])
    made = folder / "made.txt"
    if not made.is_file() or made.read_text() != wanted:
        print(f"installing fastai into {folder} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "-r", str(REQUIREMENTS)]
        if subprocess.run([*install, *pins]).returncode:
            subprocess.run(install, check=True)
        made.write_text(wanted)
    return Engine(python, "theirs")
