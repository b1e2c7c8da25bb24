"""Reading the events of a run from its file, also while it is being written: complete lines only."""

from __future__ import annotations

import os
from pathlib import Path

from core.events import Event, Notice, from_line

EVENTS = "events.jsonl"
TAIL = 4_000  # bytes at the end of the file that are read first
LONGEST_LINE = 1_000_000  # bytes at the end of the file in which the last event must begin


def event_of(line: bytes) -> Event:
    """The event of a line, or a notice for a damaged line, so that the other events keep their numbers."""
    try:
        return from_line(line.decode())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Notice("warning: a line of the events file is damaged")


def last_event(file: Path) -> Event | None:
    """The newest event or None; only the end of the file is read."""
    try:
        with file.open("rb") as stream:
            size, length = stream.seek(0, os.SEEK_END), TAIL
            while True:
                stream.seek(max(0, size - length))
                lines = stream.read(length).split(b"\n")[:-1]  # the last line may be incomplete
                if len(lines) > 1 or length >= min(size, LONGEST_LINE):
                    return event_of(lines[-1]) if lines else None
                length *= 8
    except OSError:
        return None


def lines_from(file: Path, position: int) -> tuple[list[bytes], int]:
    """The complete lines after a position in bytes, and the position after them; none if there is no file."""
    try:
        with file.open("rb") as stream:
            stream.seek(position)
            content = stream.read()
    except OSError:
        return [], position
    whole = content[: content.rfind(b"\n") + 1]
    return whole.split(b"\n")[:-1], position + len(whole)
