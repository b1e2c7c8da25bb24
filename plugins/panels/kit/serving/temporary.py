"""The folder of uploads: private, removed with its app or after it, and swept by age."""

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
LOCK = "lock"  # in it, held by the app
UNFINISHED = 600.0  # seconds after which an upload that does not grow was cut off
EVERY = 60.0  # seconds between two sweeps


def upload_folder() -> Path:
    """A new folder that this user alone may read, after those of apps that are gone have been removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = old.lstat()
            ours = os.name != "posix" or about.st_uid == os.getuid()
            begun = time.time() - about.st_mtime > EVERY  # else its app may be about to take the lock
            if ours and begun and (old / LOCK).is_file() and holder(old / LOCK) is None:
                shutil.rmtree(old, ignore_errors=True)  # which follows no link
            elif ours and begun:
                old.rmdir()  # if it is empty
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = ProcessLock(folder / LOCK)
    lock.take()
    lock.announce()
    return folder


def keep_swept(folder: Path, seconds: float) -> None:
    """From now on remove what lies in the folder of uploads for longer than that."""

    def work() -> None:
        while True:
            sweep(folder, seconds)
            time.sleep(EVERY)

    Thread(target=work, daemon=True, name="sweep").start()


def sweep(folder: Path, seconds: float) -> None:
    """Remove files that are older than `seconds`, uploads that were cut off, and folders that are empty."""
    now = time.time()
    for here, _, names in os.walk(folder, topdown=False):
        for name in names:
            file, top = Path(here, name), Path(here) == folder
            with suppress(OSError):  # somebody else's sweep, or still open on Windows
                age = now - file.lstat().st_mtime
                if age > (min(UNFINISHED, seconds) if top else seconds) and not (top and name == LOCK):
                    file.unlink()
        with suppress(OSError):  # not empty
            if Path(here) != folder and now - os.lstat(here).st_mtime > UNFINISHED:  # else a file may be on its way
                os.rmdir(here)
