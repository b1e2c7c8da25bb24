"""Reading of text files that a user names: only regular files of limited size, never quoted in errors."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import BadInput, quoted

CHUNK = 2**20
MAX_TEXT_BYTES = 200 * 2**20  # bytes: a hundred per line
MOST_LINES = 2_000_000
LONGEST_LINE = 2**20  # characters
LONGEST_SHOWN = 40


def read_bytes(path: Path, limit: int = MAX_TEXT_BYTES) -> bytes:
    """The content of a regular file of at most `limit` bytes; raises BadInput."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadInput(f"{quoted(str(path))} is a device or a pipe; give a file.")
            content = io.BytesIO()
            while content.tell() <= limit and (chunk := file.read(CHUNK)):  # the stated size may be wrong
                content.write(chunk)
    except OSError as error:
        raise BadInput(f"{quoted(str(path))} cannot be read ({error.strerror}); give a file.") from error
    except ValueError:  # a null character
        raise BadInput(f"{quoted(str(path))} is not a valid path; give a file.") from None
    if content.tell() > limit:
        raise BadInput(f"{quoted(str(path))} holds over {limit / 2**20:,.0f} MB; give a smaller file.")
    return content.getvalue()


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 text file, with line ends; raises BadInput."""
    yield from lines_of(read_bytes(path), path)


def lines_of(content: bytes, path: Path, encoding: str = "utf-8-sig") -> Iterator[str]:
    """The lines of the content of a file, with line ends; raises BadInput."""
    lines = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="")
    most = MOST_LINES if content.count(b"\n") <= MOST_LINES else 0  # fails before millions are read
    try:
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), ""), 1):
            if number > most or len(line) == LONGEST_LINE:
                raise BadInput(f"{quoted(str(path))} has too many lines, or too long ones; give a smaller file.")
            yield line
    except UnicodeDecodeError:  # its message quotes the file
        raise BadInput(f"{quoted(str(path))} cannot be read as text; give a file in UTF-8.") from None


def some(names: Sequence[str], most: int = 5) -> str:
    """The first `most` names, shortened if they are long, and the number of those left out."""
    shown = [name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..." for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # opening a pipe would block
