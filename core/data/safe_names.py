"""File names from archives, changed so that every system can write them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import PurePosixPath

MAX_NAME_LENGTH = 1000  # characters of a name that are considered
DEEPEST = 20  # folder levels; outer ones are dropped
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)


def safe_name(part: str) -> str:
    """A file or folder name that Linux, macOS and Windows all accept."""
    if len(part) > MAX_NAME_LENGTH:  # NFC is quadratic
        part = part[: MAX_NAME_LENGTH // 2] + part[-MAX_NAME_LENGTH // 2 :]
    part = re.sub(r'[<>:"|?*\\\x00-\x1f\x7f-\x9f\ud800-\udfff]', "_", unicodedata.normalize("NFC", part))
    part = part.rstrip(". ")
    stem, dot, suffix = part.rpartition(".")
    if len(part.encode()) > 200:  # the limit is 255 bytes on Linux
        head, tail = (stem, dot + suffix) if dot and len(suffix) < 8 else (part, "")
        part = head.encode()[:190].decode(errors="ignore") + tail
    return f"_{part}" if not part or RESERVED.fullmatch(part) else part


def distinct(names: list[PurePosixPath]) -> list[PurePosixPath]:
    """`names`, unique on systems that ignore case: files are numbered, folders get one spelling."""
    spelled: dict[str, str] = {}
    folders = [
        PurePosixPath(*(spelled.setdefault("/".join(parts[: n + 1]).casefold(), part) for n, part in enumerate(parts)))
        for parts in (name.parts[:-1] for name in names)
    ]
    taken, counts, result = set(spelled), Counter[str](), []
    for folder, name in zip(folders, names, strict=True):
        free = folder / name.name
        wanted = free.as_posix().casefold()
        while free.as_posix().casefold() in taken:
            counts[wanted] += 1
            free = folder / f"{name.stem}-{counts[wanted] + 1}{name.suffix}"
        taken.add(free.as_posix().casefold())
        result.append(free)
    return result
