"""Requests to a run to stop, to keep its best model or to finish early, by a file, a signal or a time limit."""

from __future__ import annotations

import faulthandler
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

REQUESTS = STOP, KEEP, FINISH = "stop", "keep", "finish"  # files in the folder of a run
SHARE, SPARE = 1.25, 30.0  # it is stopped after SHARE times its time limit and SPARE seconds
SAVING = 60.0  # seconds for saving after that, before the process is killed
STDERR = 2
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(Exception):
    """Raised when the run must stop; the message says so if its time limit has passed."""


class StopSignals:
    """The requests to the run in a folder; after `seconds`, if given, it must finish early, and later stop."""

    def __init__(self, folder: Path, seconds: float | None = None) -> None:
        self.folder, self.seconds = folder, seconds
        self.signal: int | None = None
        self._began: float | None = None

    @property
    def stop(self) -> bool:
        """Whether the run must stop."""
        return self.signal is not None or (self.folder / STOP).exists() or self._spent > self._last

    @property
    def keep(self) -> bool:
        """Whether the run must end with its best model, as soon as it has one."""
        return (self.folder / KEEP).exists()

    @property
    def finish(self) -> bool:
        """Whether the run must finish early."""
        return self._is_late or (self.folder / FINISH).exists()

    def raise_if_stopped(self) -> None:
        """Raise Stopped if the run must stop."""
        if self.stop:
            raise self.stopped()

    def stopped(self) -> Stopped:
        """The exception that stops the run, with a message if the time limit has passed."""
        if self.signal is None and self._is_late and not (self.folder / STOP).exists():
            return Stopped(f"It was stopped after {self._spent:.0f} s, as its time limit was {self.seconds:.0f} s.")
        return Stopped()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Start the time limit, which does not count time in the queue; kill the process if it hangs long after it."""
        self._began = time.monotonic()
        if self.seconds is not None:  # a C thread, as a hanging call may hold the GIL
            faulthandler.dump_traceback_later(self._last + SAVING, exit=True, file=STDERR)
        try:
            yield
        finally:
            if self.seconds is not None:
                faulthandler.cancel_dump_traceback_later()

    @property
    def _spent(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

    @property
    def _last(self) -> float:
        return math.inf if self.seconds is None else SHARE * self.seconds + SPARE

    @property
    def _is_late(self) -> bool:
        return self.seconds is not None and self._spent > self.seconds

    def clear(self) -> None:
        """Remove earlier requests."""
        for name in REQUESTS:
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def catching_signals(self) -> Iterator[None]:
        """Treat Ctrl-C, SIGTERM and a closed terminal as requests to stop; a second Ctrl-C ends at once."""
        before = {s: signal.getsignal(s) for s in SIGNALS}
        for number, handler in before.items():
            if handler != signal.SIG_IGN:  # ignored by nohup
                signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
