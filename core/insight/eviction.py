"""The size limit of the feature cache: its least recently used files are deleted."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

MAX_CACHE_BYTES = 2_000_000_000  # features of about 300,000 photos


def evict(cache: Path, limit: int) -> None:
    """Delete the least recently used files in the folders of a cache until at most `limit` bytes are left.

    Folders that are empty afterwards are deleted too; links are not followed.
    """
    folders = [folder for folder in cache.glob("*") if folder.is_dir() and not folder.is_symlink()]
    files: list[tuple[int, int, Path]] = []
    for file in (file for folder in folders for file in folder.iterdir()):
        with suppress(OSError):  # another process has deleted it
            about = file.lstat()
            files.append((about.st_mtime_ns, about.st_size, file))
    total = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if total <= limit:
            break
        with suppress(OSError):
            file.unlink()
            total -= size
    for folder in folders:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
