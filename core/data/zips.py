"""Safe opening of untrusted zip files: reading the directory of a million members takes a gigabyte."""

from __future__ import annotations

import os
import zipfile
from typing import IO

from core.errors import BadInput

MAX_ENTRIES = 500_000  # including folders and the `__MACOSX` copies of files
ENTRY = b"PK\x01\x02"  # start of each directory entry, which is at most 192 kB long
CHUNK = 2**20
BLOCK = 4096  # bytes on disk of an empty file or folder


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """The zip in an open file; raises BadInput if it has too many members, and the errors of `zipfile`."""
    if _listed(file) > MAX_ENTRIES:
        raise BadInput(f"This zip file lists over {MAX_ENTRIES:,} files and folders; split it into several.")
    return zipfile.ZipFile(file)


def _listed(file: IO[bytes]) -> int:
    """The number of members in the directory, counted backwards from the end of the file."""
    listed, end = 0, file.seek(0, os.SEEK_END)
    while end > 0 and listed <= MAX_ENTRIES:
        start = max(0, end - CHUNK)
        file.seek(start)
        found = file.read(end - start).count(ENTRY)
        if not found:
            break
        listed, end = listed + found, start
    return listed
