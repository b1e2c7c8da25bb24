"""The life of a run in one process: its lock is held, every event is written down, every end says that it is one."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from core.atomic import disk_error, open_own, refuse_link
from core.errors import BadInput
from core.events import CheckpointSaved, Event, Notice, RunEnded, RunResumed, RunStarted, to_line
from core.lock import ProcessLock
from core.runs.events_file import EVENTS
from core.runs.host import introduce
from core.runs.run import LOCK, Run
from core.runs.stop_signals import Stopped, StopSignals

TEMPORARY = re.compile(r"\..+\.\d+")  # as write_atomic names them


class Log:
    """The events file while it is written; `seconds` went into that, and `count` events stand in it.

    `end` is how an earlier life of the run ended, if it did.
    """

    def __init__(self, path: Path, end: RunEnded | None = None) -> None:
        self.path, self.end = path, end
        self.seconds = 0.0
        try:
            self._handle = open_own(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            content = path.read_bytes()
            os.ftruncate(self._handle, content.rfind(b"\n") + 1)  # half an event, where a process was killed
        except OSError as error:
            raise disk_error(path, error) from error
        self.count = content.count(b"\n")

    def write(self, event: Event) -> None:
        """Append an event, whole or not at all; raises BadInput."""
        began = time.perf_counter()
        line = (to_line(event) + "\n").encode()
        try:
            if (written := os.write(self._handle, line)) < len(line):
                os.ftruncate(self._handle, os.fstat(self._handle).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise disk_error(self.path, error) from error
        self.count += 1
        self.seconds += time.perf_counter() - began

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


@contextmanager
def held(run: Run, signals: StopSignals) -> Iterator[Log]:
    """Hold the run's lock and give the log of its events; raises BadInput if another process has it, or no writing."""
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
            for leftover in folder.glob(".*"):  # of a process that was killed while it saved
                if TEMPORARY.fullmatch(leftover.name) and leftover.is_file():
                    leftover.unlink(missing_ok=True)
        signals.clear()  # before anybody knows that there is someone to ask
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


def record(log: Log, events: Generator[Event, None, None]) -> Iterator[Event]:
    """Pass events on, each one written down first; however they end, the last one says so.

    A run that went on before and is now refused stays what it was; a notice says why.
    """
    began, checkpoints, ended, accepted = time.perf_counter(), 0.0, False, log.count == 0

    def written(event: Event) -> Event:
        nonlocal accepted, ended, checkpoints
        if ended:  # nothing comes after the end, whatever its reader does
            return event
        accepted = accepted or isinstance(event, (RunResumed, RunStarted, RunEnded))
        if isinstance(event, CheckpointSaved):
            checkpoints += event.seconds
        if isinstance(event, RunEnded):
            ended = True
            event = replace(event, seconds=time.perf_counter() - began, saving=checkpoints + log.seconds)
        log.write(event)
        return event

    def over(end: RunEnded) -> Event:
        if accepted or (end.status == "stopped" and log.end is None):
            return written(end)
        if end.error:
            log.write(Notice(f"not resumed: {end.error}"))
        if log.end is not None:
            log.write(log.end)
        return end

    def failed(sentence: str) -> None:
        with suppress(BadInput):  # a full disk has no room for this either
            over(RunEnded("failed", sentence))

    try:
        try:
            for event in events:
                yield written(event)
        finally:
            events.close()  # which saves what there is, before the end is written
    except Stopped as stopped:
        yield over(RunEnded("stopped", str(stopped)))
    except (KeyboardInterrupt, GeneratorExit):
        with suppress(BadInput):
            over(RunEnded("stopped"))
        raise
    except BadInput as error:
        failed(str(error))
        raise
    except Exception as error:
        failed(f"{type(error).__name__}: {error}")
        raise
