"""The queue of a workspace: one run trains at a time, the others wait in order of arrival."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from core.atomic import disk_error, make_folder, open_own, write_atomic
from core.events import Queued
from core.lock import ProcessLock, holder

MAX_TICKET_BYTES = 1000
PAUSE = 0.3  # seconds between two polls


class Queue:
    """A run's place in the queue of its workspace, from `wait` to `leave`, which a `with` block calls."""

    def __init__(self, run: Path) -> None:
        self.name = f"{run.parent.name}/{run.name}"
        self.workspace = run.parent.parent
        self.folder = self.workspace / "queue"
        self.turn = ProcessLock(self.folder / "turn")
        self.ticket: Path | None = None

    def __enter__(self) -> Queue:
        self.leave()  # tickets of a process that was killed
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def wait(self) -> Iterator[Queued | None]:
        """Wait for this run's turn, yielding at every poll its place if that has changed, else None."""
        try:
            make_folder(self.folder)
        except OSError as error:
            raise disk_error(self.folder, error) from error
        self.leave()
        self.ticket = self.folder / f"{time.time_ns():020d}.run"
        write_atomic(self.ticket, self.name)
        place = 0
        while (ahead := self._ahead()) or not self.turn.take():
            now = max(1, len(ahead))
            yield Queued(now, ahead[0] if ahead else "another run") if now != place else None
            place = now
            time.sleep(PAUSE)

    def leave(self) -> None:
        """Let the next run start; removes every ticket of this run, also those of a killed process."""
        self.turn.release()
        for ticket in self.folder.glob("*.run"):
            if _read(ticket) == self.name:
                try:
                    ticket.unlink(missing_ok=True)
                except OSError as error:
                    raise disk_error(ticket, error) from error
        self.ticket = None

    def _ahead(self) -> list[str]:
        """The runs with a process that arrived before this one, in order."""
        ahead = []
        for ticket in sorted(self.folder.glob("*.run")):
            if ticket == self.ticket:
                break
            name = _read(ticket)
            if name and holder(self.workspace / name / "lock"):
                ahead.append(name)
        return ahead


def _read(ticket: Path) -> str:
    with suppress(OSError, UnicodeDecodeError), os.fdopen(open_own(ticket, os.O_RDONLY), "rb") as file:
        return file.read(MAX_TICKET_BYTES).decode()
    return ""  # it is gone or not a ticket
