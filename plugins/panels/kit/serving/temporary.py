"""The temporary folder of uploads: private, swept by age, and removed when the app ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

from core.lock import ProcessLock, holder

PREFIX = "presize-uploads-"
LOCK = "lock"  # a file in the folder, locked by the app
UNFINISHED = 600.0  # seconds without growth after which an upload counts as cut off
EVERY = 60.0  # seconds between two sweeps


def upload_folder() -> Path:
    """Create a folder that only this user may read, and remove those of apps that have ended."""
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = old.lstat()
            ours = os.name != "posix" or about.st_uid == os.getuid()
            begun = time.time() - about.st_mtime > EVERY  # else its app may not have taken the lock yet
            if ours and begun and (old / LOCK).is_file() and holder(old / LOCK) is None:
                shutil.rmtree(old, ignore_errors=True)  # does not follow links
            elif ours and begun:
                old.rmdir()  # only if empty
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = ProcessLock(folder / LOCK)
    lock.take()
    lock.announce()
    return folder


def keep_swept(folder: Path, seconds: float) -> None:
    """Start a thread that removes uploads older than `seconds` from the folder."""

    def work() -> None:
        while True:
            sweep(folder, seconds)
            time.sleep(EVERY)

    Thread(target=work, daemon=True, name="sweep").start()


def sweep(folder: Path, seconds: float) -> None:
    """Remove files older than `seconds`, uploads that were cut off, and empty folders."""
    now = time.time()
    for here, _, names in os.walk(folder, topdown=False):
        for name in names:
            file, top = Path(here, name), Path(here) == folder
            with suppress(OSError):  # already removed, or still open on Windows
                age = now - file.lstat().st_mtime
                if age > (min(UNFINISHED, seconds) if top else seconds) and not (top and name == LOCK):
                    file.unlink()
        with suppress(OSError):  # not empty
            if (
                Path(here) != folder and now - os.lstat(here).st_mtime > UNFINISHED
            ):  # else an upload may be about to use it
                os.rmdir(here)
