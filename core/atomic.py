"""Files that are written whole or not at all, and never through a link that somebody else may have laid."""

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

# Windows has neither of the first two, POSIX not the third; a pipe in place of a file must not be waited for
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
    """A new file beside `path` that takes its place, unless the block ends with an error; raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.randbits(63)}")  # which nobody can lay a link for
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FLAGS, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to be told
            temporary.unlink()
        raise


def open_own(path: Path, flags: int) -> int:
    """A descriptor of a regular file with one name; raises OSError where a link may lead to somebody else's file."""
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
    """Make a folder of the program's own, with those above it; raises OSError where a link stands in its place."""
    folder.mkdir(parents=True, exist_ok=True)
    refuse_link(folder)


def refuse_link(folder: Path) -> None:
    """Raise OSError where a link stands in place of a folder, as what is written or deleted in it is elsewhere."""
    if folder.is_symlink():
        raise _linked()


def _linked() -> OSError:
    return OSError(errno.ELOOP, "it is a link, or not a plain file or folder, which may be somebody else's; remove it")


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
