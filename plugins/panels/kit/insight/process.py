"""A process beside the app, for long work on a project's photos: of low priority, and over when the app is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from core.atomic import disk_error, open_own, write_atomic
from core.environment import environment

ASKED, LOG = "asked.json", "log.txt"  # in the folder of an errand
_processes: dict[Path, subprocess.Popen[bytes]] = {}  # the last of each folder


class Errand:
    """One thing that is found out about a project by a process beside the app, in a folder of the workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def looking(self) -> bool:
        """Whether the process is at work."""
        process = _processes.get(self.folder)
        return process is not None and process.poll() is None

    @property
    def failed(self) -> str:
        """Why the last process failed, or ""."""
        process = _processes.get(self.folder)
        if process is None or not process.poll():
            return ""
        said: list[str] = []
        with suppress(OSError):
            said = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return (said or ["It was ended."])[-1].removeprefix("error: ")

    def begin(self, module: str, asked: Mapping[str, Any]) -> None:
        """Start a module, which finds what it is asked in `asked.json` of the folder; raises BadInput."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / ASKED, json.dumps(asked))
        _processes[self.folder] = begin(module, str(self.folder), log=self.folder / LOG)


def errands(workspace: Path) -> str:
    """What changes when an errand about a workspace begins or ends."""
    return str(sorted((f.name, p.pid, p.poll()) for f, p in list(_processes.items()) if f.parent == workspace))


def begin(module: str, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a module whose first act is `stay_behind`; raises BadInput."""
    try:
        with os.fdopen(open_own(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as said:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.PIPE,  # closed when this program ends, and so does the process
                stdout=said,
                stderr=said,
                env=environment(),
                start_new_session=sys.platform != "win32",
            )
    except OSError as error:
        raise disk_error(log, error) from error


def stay_behind(niceness: int = 19) -> None:
    """Let pages and training go first, and end this process when its stdin is closed: nobody waits for it any more."""
    with suppress(AttributeError, OSError):
        os.nice(niceness)

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):  # not of the buffer, whose lock a process cannot end with
            pass
        os._exit(0)

    Thread(target=wait, daemon=True).start()
