"""What is asked of a run under way: to stop or to finish early, by a file in its folder or a signal to its process."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOP, FINISH = "stop", "finish"
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(Exception):
    """The run was asked to stop."""


class Requests:
    """The wishes of a user for the run of a folder; it finishes early after so many `seconds` of training, if given."""

    def __init__(self, folder: Path, seconds: float | None = None) -> None:
        self.folder, self.seconds = folder, seconds
        self.signal: int | None = None
        self._began: float | None = None  # when it was first asked whether to finish, so waiting in a queue is free

    @property
    def stop(self) -> bool:
        """Whether it shall stop."""
        return self.signal is not None or (self.folder / STOP).exists()

    @property
    def finish(self) -> bool:
        """Whether it shall finish early."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        is_late = self.seconds is not None and now - self._began > self.seconds
        return is_late or (self.folder / FINISH).exists()

    def obey(self) -> None:
        """Raise Stopped if it shall stop."""
        if self.stop:
            raise Stopped

    def forget(self) -> None:
        """Take away what was asked."""
        for name in (STOP, FINISH):
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def listening(self) -> Iterator[None]:
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
