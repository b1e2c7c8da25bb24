"""A process beside the app, for long work on a project's photos: of low priority, and over when the app is."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from core.atomic import disk_error, open_own
from core.environment import environment


def begin(module: str, *arguments: str, log: Path, output: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a module whose first act is `stay_behind`; it writes to `output`, or else to its log. Raises BadInput."""
    try:
        with ExitStack() as files:
            said = files.enter_context(_empty(log))
            return subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.PIPE,  # closed when this program ends, and so does the process
                stdout=files.enter_context(_empty(output)) if output else said,
                stderr=said,
                env=environment(),
                start_new_session=sys.platform != "win32",
            )
    except OSError as error:
        raise disk_error(log, error) from error


def stay_behind() -> None:
    """Let pages and training go first, and end this process when its stdin is closed: nobody waits for it any more."""
    with suppress(AttributeError, OSError):
        os.nice(19)

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):  # not of the buffer, whose lock a process cannot end with
            pass
        os._exit(0)

    Thread(target=wait, daemon=True).start()


def _empty(file: Path) -> BinaryIO:
    return os.fdopen(open_own(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb")
