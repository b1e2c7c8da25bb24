"""A run as a process of its own, which outlives the one that started it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

import core
from core.atomic import disk_error, open_own
from core.errors import BadInput
from core.runs.run import CREATED, Run

SECRET = re.compile(r"TOKEN|SECRET|PASSW|.PWD$|KEY$|_PAT$|CREDENTIAL|_AUTH$|CONNECTION_STRING", re.IGNORECASE)
LOGIN = re.compile(r"://[^/@\s]*:[^/@\s]*@")  # a password in an address


def start(
    run: Run,
    queue: bool = True,
    accept_changes: bool = False,
    seconds: float | None = None,
    cache: Path | None = None,
) -> None:
    """Begin a run, or go on with it, in a new session of the operating system; returns once it holds its lock.

    After `seconds` of training it finishes early. Presized photos are kept in `cache`, or in the workspace.
    Raises BadInput, with what the process said, if it died before that.
    """
    name = "resume"
    if run.status == CREATED:
        name = "lr-find" if run.is_lr_find else "train"
    flags = [] if queue else ["--no-queue"]
    if accept_changes and name == "resume":
        flags.append("--accept-changes")
    if seconds is not None and name != "lr-find":
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
            if run.since()[0] and process.returncode == 0:  # it was quicker than we looked
                return
            said = log.read_bytes()[before:].decode(errors="replace").strip()
            raise BadInput(said.splitlines()[-1].removeprefix("error: ") if said else f"{run.name!r} did not start.")
        time.sleep(0.05)


def environment() -> dict[str, str]:
    """This process's variables for another one: it finds this program, and knows no secret."""
    known = {name: value for name, value in os.environ.items() if not _secret(name, value)}
    here = str(Path(core.__file__).parents[1])
    path = os.pathsep.join(filter(None, (here, known.get("PYTHONPATH"))))
    return known | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}


def _secret(name: str, value: str) -> bool:
    if name == "OLDPWD" or name.lower().endswith("_proxy"):  # without it there may be no network
        return False
    return bool(SECRET.search(name) or LOGIN.search(value))


def _family(process: int) -> set[int]:
    """A process and those that it started: the python of a virtual environment is such a one on Windows."""
    with suppress(psutil.Error):
        return {process, *(child.pid for child in psutil.Process(process).children(recursive=True))}
    return {process}


def _session() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    return {"start_new_session": True}
