"""Atomic writes, and files opened without following links that another user may have planted."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from core.errors import BadInput

# O_NONBLOCK, so that a pipe in place of a file does not block; Windows has only O_BINARY, POSIX only the others.
FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write to a temporary file beside `path`, flush it to the disk and rename it; raises BadInput on a full disk."""
    content = data.encode(errors="backslashreplace") if isinstance(data, str) else data
    try:
        with replacing(path) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that replaces `path` unless the block raises; raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.randbits(63)}")  # unguessable, so no link can be planted
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FLAGS, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to report
            temporary.unlink()
        raise


def open_own(path: Path, flags: int) -> int:
    """A descriptor of a regular file with a single link; raises OSError if it may be another user's file."""
    try:
        handle = os.open(path, flags | FLAGS, 0o666)
    except OSError as error:
        raise _linked() if error.errno == errno.ELOOP else error from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
        os.close(handle)
        raise _linked()
    return handle


def make_folder(folder: Path) -> None:
    """Create one of the program's own folders and its parents; raises OSError if it is a link."""
    folder.mkdir(parents=True, exist_ok=True)
    refuse_link(folder)


def refuse_link(folder: Path) -> None:
    """Raise OSError if a folder is a link, through which files elsewhere would be written or deleted."""
    if folder.is_symlink():
        raise _linked()


def _linked() -> OSError:
    return OSError(errno.ELOOP, "it is a link, or not a regular file or folder; remove it")


def sync_folder(folder: Path) -> None:
    """Flush a rename in a folder to the disk; does nothing on Windows, which has no call for it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def disk_error(path: Path, error: OSError) -> BadInput:
    """The BadInput for a `path` that could not be written."""
    if disk_is_full(error):
        return BadInput(f"The disk is full: {path.name!r} could not be written; make room in {str(path.parent)!r}.")
    return BadInput(f"{str(path)!r} could not be written: {error.strerror or error}.")


def disk_is_full(error: OSError) -> bool:
    """Whether an error means that the disk is full or the user's quota is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
