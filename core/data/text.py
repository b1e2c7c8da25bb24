"""Text files that a person names, such as tables and lists: regular files within a size, nothing of them quoted."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import BadInput, quoted

CHUNK = 2**20
LARGEST = 200 * 2**20  # bytes: a hundred a line
MOST_LINES = 2_000_000
LONGEST_LINE = 2**20  # characters
LONGEST_SHOWN = 40


def read_bytes(path: Path, limit: int = LARGEST) -> bytes:
    """The content of a regular file of at most `limit` bytes; raises BadInput."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadInput(f"{quoted(str(path))} is a device or a pipe; give a file.")
            content = io.BytesIO()
            while content.tell() <= limit and (chunk := file.read(CHUNK)):  # the size that is stated need not be true
                content.write(chunk)
    except OSError as error:
        raise BadInput(f"{quoted(str(path))} cannot be read ({error.strerror}); give a file.") from error
    except ValueError:  # a null character
        raise BadInput(f"{quoted(str(path))} is not the path of a file; give one.") from None
    if content.tell() > limit:
        raise BadInput(f"{quoted(str(path))} holds over {limit / 2**20:,.0f} MB; give a smaller file.")
    return content.getvalue()


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file in UTF-8, with their ends; raises BadInput."""
    yield from lines_of(read_bytes(path), path)


def lines_of(content: bytes, path: Path, encoding: str = "utf-8-sig") -> Iterator[str]:
    """The lines of the text that was read from a file, with their ends; raises BadInput."""
    lines = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="")
    most = MOST_LINES if content.count(b"\n") <= MOST_LINES else 0  # said before millions are read
    try:
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), ""), 1):
            if number > most or len(line) == LONGEST_LINE:
                raise BadInput(f"{quoted(str(path))} has too many lines, or too long ones; give a smaller file.")
            yield line
    except UnicodeDecodeError:  # its text quotes the file
        raise BadInput(f"{quoted(str(path))} cannot be read as text; give a file in UTF-8.") from None


def some(names: Sequence[str], most: int = 5) -> str:
    """The first of `names`, each cut where it is long, and how many more there are."""
    shown = [name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..." for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for somebody to write
