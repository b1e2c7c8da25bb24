"""Decoding of untrusted photos in separate processes, so that a slow or crashing one affects nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore, Lock, Timer
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from core.data import photo
from core.data.colours import in_srgb
from core.data.photo import BadPhoto, NotNow, TooMuchWork, View

DECODE_SECONDS = 10.0  # limit per photo; the largest take two
SMALL_FILE = 8_000_000  # bytes
SMALL_MEMORY, LARGE_MEMORY = 450_000_000, 650_000_000  # bytes of address space; decoding uses less
SMALL_WORK = 130_000_000  # pixels x passes: a third of a second
ROOM = 4  # large photos decoded or waiting at once
KNOWN = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME")
NOTHING = np.empty((0, 0, 3), np.uint8)
ROOT = Path(__file__).parents[2]


class Prepared(NamedTuple):
    """The model's input before normalisation, uint8 [H, W, 3], and a thumbnail of the whole photo."""

    pixels: np.ndarray[Any, np.dtype[np.uint8]]
    shown: Image.Image


def prepare(
    file: str | Path,
    views: Sequence[View],
    side: int,
    max_pixels: int = photo.MAX_PIXELS,
    max_work: int = photo.MAX_WORK,
) -> Prepared:
    """Decode a photo in this process: fitted to `views`, and with its longer side at most `side`.

    Without views there are no pixels, which is faster. The limits are those of `photo.load`. Raises
    BadPhoto.
    """
    image = photo.load(file, max_pixels, max_work, side=None if views else side)
    pixels = photo.fit(image, views) if views else NOTHING
    image.thumbnail((side, side))
    return Prepared(pixels, in_srgb(image))


class Decoders:
    """Two decoding processes, so that small photos never wait for large ones."""

    def __init__(self, seconds: float = DECODE_SECONDS) -> None:
        self._small, self._large = _Process(SMALL_MEMORY, seconds), _Process(LARGE_MEMORY, seconds)
        self._room = BoundedSemaphore(ROOM)
        self._checks = Lock()

    def prepare(self, file: Path, views: Sequence[View], side: int) -> Prepared:
        """`prepare` in another process; raises BadPhoto, also if too many large photos are waiting already."""
        if (found := self._decoded(file, views, side, wait=False)) is None:
            raise NotNow("too many large photos are being decoded right now; try again in a minute")
        return found

    def check(self, file: Path, spent: Callable[[float], object] = float) -> None:
        """Raise BadPhoto unless a file can be decoded; one file at a time, to leave room for predictions.

        `spent` is called with the seconds taken, also on failure.
        """
        with self._checks:
            began = time.monotonic()
            try:
                self._decoded(file, [View((1, 1))], 1, wait=True)
            finally:
                spent(time.monotonic() - began)

    def thumbnail(self, file: Path, side: int) -> Image.Image:
        """`photo.thumbnail` in another process, after files that are being checked; raises BadPhoto."""
        with self._checks:
            found = self._decoded(file, (), side, wait=True)
            assert found, "it has waited"
            return found.shown

    def _decoded(self, file: Path, views: Sequence[View], side: int, wait: bool) -> Prepared | None:
        """The photo, or None if it is large and too many others are waiting."""
        request = {"path": str(file.absolute()), "views": [asdict(view) for view in views], "side": side}
        size = views[-1].size if views else (0, 0)
        try:
            small = file.stat().st_size <= SMALL_FILE
        except OSError as error:
            raise BadPhoto(error.strerror or "it cannot be read") from None
        if small and (found := self._small.decode({**request, "work": SMALL_WORK}, size, side)):
            return found
        if not self._room.acquire(blocking=wait):
            return None
        try:
            return self._large.decode({**request, "work": photo.MAX_WORK}, size, side)
        finally:
            self._room.release()


@cache
def decoders() -> Decoders:
    """The decoding processes of this program, started on the first call."""
    return Decoders()


class _Process:
    """A Python process that decodes one photo at a time within limits of memory (bytes) and time (seconds)."""

    def __init__(self, memory: int, seconds: float) -> None:
        self.memory, self.seconds = memory, seconds
        self._turn = Lock()
        self._process = self._start()

    def decode(self, request: dict[str, Any], size: photo.Size, side: int) -> Prepared | None:
        """The photo, or None if it exceeds this process's limits of work or memory; raises BadPhoto."""
        with self._turn:
            if self._process.poll() is not None:
                self._process = self._start()
            until = time.monotonic() + self.seconds
            timer = Timer(self.seconds, self._process.kill)
            timer.start()
            try:
                return self._answer(request, size, side)
            except BadPhoto:
                raise
            except (OSError, ValueError, KeyError, TypeError):  # it died or sent an invalid answer
                self._process.kill()
                self._process.wait()
                late = time.monotonic() >= until
                why = f"it takes more than {self.seconds:g} seconds to decode" if late else "it crashes the decoder"
                raise NotNow(why) from None
            finally:
                timer.cancel()
                timer.join()  # it has fired or is cancelled
                if time.monotonic() >= until:  # or the next call might find a process about to die
                    self._process.kill()
                    self._process.wait()

    def _answer(self, request: dict[str, Any], size: photo.Size, side: int) -> Prepared | None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline(10_000))
        if "error" in answer:
            raise BadPhoto(str(answer["error"]))
        if "shown" not in answer:
            return None
        width, height = map(int, answer["shown"])
        if not (1 <= width <= side and 1 <= height <= side):  # a compromised process may send anything
            raise ValueError
        pixels = self._process.stdout.read(size[0] * size[1] * 3)
        shown = Image.frombytes("RGB", (width, height), self._process.stdout.read(width * height * 3))
        return Prepared(np.frombuffer(pixels, np.uint8).reshape(*size, 3), shown)

    def _start(self) -> subprocess.Popen[bytes]:
        known = {name: os.environ[name] for name in KNOWN if name in os.environ}  # and no secrets
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "core.data.decoder", str(self.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=known | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )


def _serve(memory: int) -> None:
    """Answer requests, one line of JSON each, until stdin is closed."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # other output must not mix with answers
    _limit_memory(memory)
    for line in sys.stdin.buffer:
        header, *rest = _decode(json.loads(line))
        answers.write(json.dumps(header).encode() + b"\n")
        answers.writelines(rest)
        answers.flush()


def _decode(request: dict[str, Any]) -> tuple[Any, ...]:
    """The answer to a request: a header, and the bytes that it announces."""
    try:
        views = [View(**{**view, "size": tuple(view["size"])}) for view in request["views"]]
        found = prepare(request["path"], views, request["side"], photo.UNTRUSTED_PIXELS, request["work"])
        return {"shown": found.shown.size}, found.pixels.tobytes(), found.shown.tobytes()
    except (BadPhoto, MemoryError) as error:
        short = isinstance(error, (TooMuchWork, MemoryError)) or isinstance(error.__cause__, MemoryError)
        if short and request["work"] < photo.MAX_WORK:
            return ({},)  # the process for large photos has higher limits
        return ({"error": str(error) or "it takes too much memory"},)


def _limit_memory(more: int) -> None:
    """Limit this process to `more` bytes of memory beyond what it uses now, on systems that support it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + more, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
