"""Starting a run in its own process, which outlives the one that starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from core.atomic import disk_error, open_own
from core.environment import environment
from core.errors import BadInput
from core.runs.host import ADVICE
from core.runs.run import CREATED, Run

SIGKILL = 9  # `signal` does not have it on Windows


def start(
    run: Run,
    queue: bool = True,
    accept_changes: bool = False,
    seconds: float | None = None,
    cache: Path | None = None,
) -> None:
    """Start or resume a run in a process of a new session; returns once the process holds the run's lock.

    `seconds` is the time limit, as in `StopSignals`. Presized photos are kept in `cache`, by default in the workspace.
    Raises BadInput with the last line that the process printed if it ends before that.
    """
    name = "resume"
    if run.status == CREATED:
        name = "lr-find" if run.is_lr_find else "train"
    flags = [] if queue else ["--no-queue"]
    if accept_changes and name == "resume":
        flags.append("--accept-changes")
    if seconds is not None:
        flags += ["--finish-after", str(seconds)]
    if cache is not None:
        flags += ["--cache", str(cache)]
    log = run.folder / "log.txt"
    try:
        with os.fdopen(open_own(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as output:
            before = output.tell()
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "core", name, str(run.folder.resolve()), *flags],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                **_session(),
            )
    except OSError as error:
        raise disk_error(log, error) from error
    while run.process not in _family(process.pid):
        if process.poll() is not None:
            if run.since()[0] and process.returncode == 0:  # the run has completed already
                return
            if process.returncode == -SIGKILL:
                raise BadInput(f"{run.name!r} was killed, probably because the system ran out of memory; {ADVICE}.")
            text = log.read_bytes()[before:].decode(errors="replace").strip()
            raise BadInput(text.splitlines()[-1].removeprefix("error: ") if text else f"{run.name!r} did not start.")
        time.sleep(0.05)


def _family(process: int) -> set[int]:
    """The ids of a process and its children; on Windows a virtual environment's python runs as a child."""
    with suppress(psutil.Error):
        return {process, *(child.pid for child in psutil.Process(process).children(recursive=True))}
    return {process}


def _session() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    return {"start_new_session": True}
