"""The standard streams of a command, made safe against closed streams, full disks and readers that went away."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class Stream:
    """A standard stream whose failed writes raise OSError with its name or, if `expendable`, discard all output."""

    def __init__(self, stream: TextIO, name: str, expendable: bool) -> None:
        self._stream, self._name, self._expendable = stream, name, expendable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text; returns its length."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush the buffer."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            if not self._expendable:
                raise OSError(error.errno, error.strerror, self._name) from error
            discard(self._stream)
            if self is not sys.stderr:
                print(f"warning: {self._name} is lost ({error.strerror}); the command continues", file=sys.stderr)


@contextmanager
def streams(long_running: bool) -> Iterator[None]:
    """Run a command with safe streams; unless it is `long_running`, an OSError of its output ends it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed: the next file opened would get its number and others' output
            null = open(os.devnull, mode)  # noqa: SIM115
            os.set_inheritable(null.fileno(), True)
            setattr(sys, name, null)
    before = sys.stdout, sys.stderr
    for stream in before:  # a file name may have characters that this terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = Stream(sys.stdout, "standard output", long_running)
    sys.stderr = Stream(sys.stderr, "standard error", True)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def discard(stream: TextIO) -> None:
    """Send what is written to a stream from now on, and what is in its buffer, to the null device."""
    with suppress(OSError), open(os.devnull, "w") as null:
        os.dup2(null.fileno(), stream.fileno())
