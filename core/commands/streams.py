"""Standard output and error of a command: closed, on a full disk, or with a reader that went away."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class Stream:
    """A standard stream; what cannot be written raises OSError with its name, or if `expendable` is lost for good."""

    def __init__(self, stream: TextIO, name: str, expendable: bool) -> None:
        self._stream, self._name, self._expendable = stream, name, expendable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            if not self._expendable:
                raise OSError(error.errno, error.strerror, self._name) from error
            discard(self._stream)
            if self is not sys.stderr:
                print(f"warning: {self._name} is lost ({error.strerror}); the work goes on", file=sys.stderr)


@contextmanager
def streams(goes_on: bool) -> Iterator[None]:
    """Run a command, whose work `goes_on` where nobody reads of it, or ends with the OSError of its output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed, so that a file of ours would become what others write to
            null = open(os.devnull, mode)  # noqa: SIM115
            os.set_inheritable(null.fileno(), True)
            setattr(sys, name, null)
    before = sys.stdout, sys.stderr
    for stream in before:  # a file name need not be text that this terminal can show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = Stream(sys.stdout, "standard output", goes_on)
    sys.stderr = Stream(sys.stderr, "standard error", True)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def discard(stream: TextIO) -> None:
    """Let what is written to a stream, and what waits in it, go nowhere."""
    with suppress(OSError), open(os.devnull, "w") as null:
        os.dup2(null.fileno(), stream.fileno())
