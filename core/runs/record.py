"""Recording a run: hold its lock, wait in the queue, and write its events to their file."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from core.atomic import disk_error, open_own, refuse_link
from core.errors import BadInput
from core.events import CheckpointSaved, Event, Notice, RunEnded, RunResumed, RunStarted, to_line
from core.lock import ProcessLock
from core.runs.events_file import EVENTS
from core.runs.host import introduce, peak_memory
from core.runs.queue import Queue
from core.runs.run import LOCK, Run
from core.runs.stop_signals import Stopped, StopSignals

TEMPORARY = re.compile(r"\..+\.\d+")  # the names of write_atomic's temporary files


class Log:
    """Writes the events file, which has `count` events so far; events after RunEnded are dropped.

    `earlier_end` is the RunEnded of an earlier process, if there is one.
    """

    def __init__(self, path: Path, earlier_end: RunEnded | None = None) -> None:
        self.path, self.earlier_end = path, earlier_end
        self._began, self._saving, self._ended = time.perf_counter(), 0.0, False
        try:
            self._handle = open_own(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            content = path.read_bytes()
            os.ftruncate(
                self._handle, content.rfind(b"\n") + 1
            )  # cut off an event that a killed process wrote only partly
        except OSError as error:
            raise disk_error(path, error) from error
        self.count = content.count(b"\n")
        self._has_begun = self.count == 0  # False while a resumed run can still be refused

    def write(self, event: Event) -> Event:
        """Append an event atomically and return it as written; raises BadInput."""
        if self._ended:
            return event
        self._has_begun = self._has_begun or isinstance(event, (RunResumed, RunStarted, RunEnded))
        if isinstance(event, CheckpointSaved):
            self._saving += event.seconds
        if isinstance(event, RunEnded):
            self._ended = True
            seconds = time.perf_counter() - self._began
            event = replace(event, seconds=seconds, saving=self._saving, memory=peak_memory())
        self._append(event)
        return event

    def end(self, end: RunEnded) -> Event:
        """Write how the run ended, or its earlier end if it was refused or stopped before it was resumed."""
        if self._has_begun or (end.status == "stopped" and self.earlier_end is None):
            return self.write(end)
        if end.error:
            self._append(Notice(f"not resumed: {end.error}"))
        if self.earlier_end is not None:
            self._append(self.earlier_end)
        return end

    def _append(self, event: Event) -> None:
        began = time.perf_counter()
        line = (to_line(event) + "\n").encode()
        try:
            if (written := os.write(self._handle, line)) < len(line):
                os.ftruncate(self._handle, os.fstat(self._handle).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise disk_error(self.path, error) from error
        self.count += 1
        self._saving += time.perf_counter() - began

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


@contextmanager
def held(run: Run, signals: StopSignals) -> Iterator[Log]:
    """Hold the run's lock and yield its log; raises BadInput if the lock is taken or the folder is not writable."""
    run.check_is_run()
    lock = ProcessLock(run.folder / LOCK)
    if not lock.take():
        by = f"process {run.process}" if run.process else "another process"
        raise BadInput(f"{run.name!r} is already under way in {by}; `python -m core follow` shows it.")
    try:
        try:
            refuse_link(run.folder / "checkpoint")
        except OSError as error:
            raise disk_error(run.folder / "checkpoint", error) from error
        for folder in (run.folder, run.folder / "checkpoint"):
            if folder.exists() and not os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
                raise disk_error(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
            for leftover in folder.glob(".*"):  # left by a process that was killed while it saved
                if TEMPORARY.fullmatch(leftover.name) and leftover.is_file():
                    leftover.unlink(missing_ok=True)
        signals.clear()  # before `announce`, after which new requests can come
        last = run.last_event
        log = Log(run.folder / EVENTS, last if isinstance(last, RunEnded) else None)
        try:
            introduce(run.folder)
            lock.announce()
            yield log
        finally:
            log.close()
    finally:
        lock.release()


def record(
    run: Run, signals: StopSignals, work: Callable[[Log], Generator[Event, None, None]], queue: bool = True
) -> Generator[Event, None, None]:
    """Do the work of a run, with `queue` after waiting for other runs; each event is written, then yielded.

    The last event always says how the run ended. A run that is refused before it is resumed keeps its earlier end,
    after a notice with the reason. Raises BadInput.
    """
    with held(run, signals) as log:
        try:
            with Queue(run.folder.resolve()) as turn:
                for place in turn.wait() if queue else ():
                    signals.raise_if_stopped()
                    if place is not None:
                        yield log.write(place)
                with signals.timed(), closing(work(log)) as events:
                    for event in events:
                        yield log.write(event)
        except Stopped as stopped:
            yield log.end(RunEnded("stopped", str(stopped)))
        except (KeyboardInterrupt, GeneratorExit):
            with suppress(BadInput):
                log.end(RunEnded("stopped"))
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
            with suppress(BadInput):  # a full disk may have no room for this either
                log.end(RunEnded("failed", reason))
            raise
