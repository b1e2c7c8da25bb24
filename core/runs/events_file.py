"""The events of a run read from their file, also while it is being written: whole lines only."""

from __future__ import annotations

import os
from pathlib import Path

from core.events import Event, Notice, from_line

EVENTS = "events.jsonl"
TAIL, LONGEST_LINE = 4_000, 1_000_000  # bytes from the end: read first, and within which the last event must begin


def event_of(line: bytes) -> Event:
    """The event of a line; of a damaged one a notice, so that the others keep their numbers."""
    try:
        return from_line(line.decode())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Notice("warning: a line of the events is damaged")


def last_event(file: Path) -> Event | None:
    """The newest event, if there is one; only the end of the file is read."""
    try:
        with file.open("rb") as stream:
            size, length = stream.seek(0, os.SEEK_END), TAIL
            while True:
                stream.seek(max(0, size - length))
                lines = stream.read(length).split(b"\n")[:-1]  # after the last new line may stand half of an event
                if len(lines) > 1 or length >= min(size, LONGEST_LINE):
                    return event_of(lines[-1]) if lines else None
                length *= 8
    except OSError:
        return None


def lines_from(file: Path, position: int) -> tuple[list[bytes], int]:
    """The lines from a position in bytes on, and the position after them; none where there is no file."""
    try:
        with file.open("rb") as stream:
            stream.seek(position)
            content = stream.read()
    except OSError:
        return [], position
    whole = content[: content.rfind(b"\n") + 1]
    return whole.split(b"\n")[:-1], position + len(whole)
