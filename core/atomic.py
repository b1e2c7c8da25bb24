"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from threading import get_ident

from core.errors import BadInput


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write to a temporary file beside `path`, flush it to the disk and rename it; raises BadInput on a full disk."""
    content = data.encode(errors="backslashreplace") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}{get_ident()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        with suppress(OSError):  # a read-only disk refuses even to take away what is not there
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a rename to the disk; Windows does not need it and has no call for it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def disk_error(path: Path, error: OSError) -> BadInput:
    """What to tell a user when `path` could not be written."""
    if disk_is_full(error):
        return BadInput(f"The disk is full: {path.name!r} could not be written; make room in {str(path.parent)!r}.")
    return BadInput(f"{str(path)!r} could not be written: {error.strerror or error}.")


def disk_is_full(error: OSError) -> bool:
    """Whether there was no room, or no more that this user may take."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
