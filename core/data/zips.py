"""Zip files from elsewhere, opened with care: a directory of a million members takes a gigabyte once it is read."""

from __future__ import annotations

import os
import zipfile
from typing import IO

from core.errors import BadInput

MAX_ENTRIES = 500_000  # with folders, and the twins of files that macOS packs
ENTRY = b"PK\x01\x02"  # begins each in the directory, at least every 192 kB
CHUNK = 2**20
BLOCK = 4096  # bytes of the disk that an empty file or a folder takes


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """The zip in an open file; raises BadInput for one of too many members, and what `zipfile` raises."""
    if _listed(file) > MAX_ENTRIES:
        raise BadInput(f"This zip file lists over {MAX_ENTRIES:,} files and folders; make several of it.")
    return zipfile.ZipFile(file)


def _listed(file: IO[bytes]) -> int:
    """How many members the directory lists, counted backwards from the end to where there can be none any more."""
    listed, end = 0, file.seek(0, os.SEEK_END)
    while end > 0 and listed <= MAX_ENTRIES:
        start = max(0, end - CHUNK)
        file.seek(start)
        found = file.read(end - start).count(ENTRY)
        if not found:
            break
        listed, end = listed + found, start
    return listed
