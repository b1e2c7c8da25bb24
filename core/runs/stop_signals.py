"""What is asked of a run under way: to stop or to finish early, by a file in its folder, a signal, or its time."""

from __future__ import annotations

import faulthandler
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOP, FINISH = "stop", "finish"  # files in the folder of a run
SHARE, SPARE = 1.25, 30.0  # its time, so many times and so many seconds more, is when it is stopped
SAVING = 60.0  # seconds after which it is killed, if that did not end it
STDERR = 2
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(Exception):
    """The run was asked to stop; or its time is over, which the message says."""


class StopSignals:
    """The wishes of a user for the run of a folder; after so many `seconds` of its turn, if given, it must end.

    Then it finishes early; a little later it is stopped.
    """

    def __init__(self, folder: Path, seconds: float | None = None) -> None:
        self.folder, self.seconds = folder, seconds
        self.signal: int | None = None
        self._began: float | None = None

    @property
    def stop(self) -> bool:
        """Whether it shall stop."""
        return self.signal is not None or (self.folder / STOP).exists() or self._spent > self._last

    @property
    def finish(self) -> bool:
        """Whether it shall finish early."""
        return self._is_late or (self.folder / FINISH).exists()

    def raise_if_stopped(self) -> None:
        """Raise Stopped if it shall stop."""
        if self.stop:
            raise self.stopped()

    def stopped(self) -> Stopped:
        """What to raise in order to stop; it says why if nobody asked for it."""
        if self.signal is None and self._is_late and not (self.folder / STOP).exists():
            return Stopped(f"It was stopped after {self._spent:.0f} s, as its time was {self.seconds:.0f} s.")
        return Stopped()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Its time runs here, and not while it waits in a queue; a process that hangs long after it is killed."""
        self._began = time.monotonic()
        if self.seconds is not None:  # a thread without Python, as what hangs may hold the interpreter
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
        """Remove what was asked."""
        for name in (STOP, FINISH):
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def catching_signals(self) -> Iterator[None]:
        """Understand Ctrl-C, SIGTERM and a closed terminal as a wish to stop; a second Ctrl-C ends at once."""
        before = {s: signal.getsignal(s) for s in SIGNALS}
        for number, handler in before.items():
            if handler != signal.SIG_IGN:  # nohup
                signal.signal(number, self._heard)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
