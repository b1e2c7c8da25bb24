"""Strangers' photos are decoded by processes of their own: one that takes too long or crashes takes nobody with it."""

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

SECONDS = 10.0  # for one photo; the largest takes two
SMALL_FILE = 8_000_000  # bytes
SMALL_MEMORY, LARGE_MEMORY = 450_000_000, 650_000_000  # bytes that decoding may reserve; it uses less
SMALL_WORK = 130_000_000  # pixels x passes: a third of a second
ROOM = 4  # large photos that are decoded or wait for it
KNOWN = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME")
ROOT = Path(__file__).parents[2]


class Prepared(NamedTuple):
    """What a model sees of a photo, uint8 [H, W, 3], and the whole photo, made small."""

    pixels: np.ndarray[Any, np.dtype[np.uint8]]
    shown: Image.Image


def prepare(file: str | Path, views: Sequence[View], side: int, *bounds: int) -> Prepared:
    """A photo as `views` show it, and with its longer side at most `side`, decoded here; `bounds` are those of `load`.

    Raises BadPhoto.
    """
    image = photo.load(file, *bounds)
    pixels = photo.fit(image, views)
    image.thumbnail((side, side))
    return Prepared(pixels, in_srgb(image))


class Decoders:
    """Two processes, so that small photos never wait for large ones."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._small, self._large = _Process(SMALL_MEMORY, seconds), _Process(LARGE_MEMORY, seconds)
        self._room = BoundedSemaphore(ROOM)
        self._checks = Lock()

    def prepare(self, file: Path, views: Sequence[View], side: int) -> Prepared:
        """As the function of that name; raises BadPhoto, also where too many large ones wait already."""
        if (found := self._decoded(file, views, side, wait=False)) is None:
            raise NotNow("too many large photos are being read just now; send it again in a minute")
        return found

    def check(self, file: Path, spent: Callable[[float], object] = float) -> None:
        """Raise BadPhoto unless a file can be decoded; of all who check, one at a time, as others predict.

        `spent` is told the seconds it took, in any case.
        """
        with self._checks:
            began = time.monotonic()
            try:
                self._decoded(file, [View((1, 1))], 1, wait=True)
            finally:
                spent(time.monotonic() - began)

    def _decoded(self, file: Path, views: Sequence[View], side: int, wait: bool) -> Prepared | None:
        """None where it is large and there is no room to wait in."""
        asked = {"path": str(file.absolute()), "views": [asdict(view) for view in views], "side": side}
        size = views[-1].size
        try:
            small = file.stat().st_size <= SMALL_FILE
        except OSError as error:
            raise BadPhoto(error.strerror or "it cannot be read") from None
        if small and (found := self._small.ask({**asked, "work": SMALL_WORK}, size, side)):
            return found
        if not self._room.acquire(blocking=wait):
            return None
        try:
            return self._large.ask({**asked, "work": photo.MAX_WORK}, size, side)
        finally:
            self._room.release()


@cache
def decoders() -> Decoders:
    """Those of this program, which run from now on."""
    return Decoders()


class _Process:
    """Python with Pillow and NumPy, that decodes one photo after the other in so many bytes and seconds."""

    def __init__(self, memory: int, seconds: float) -> None:
        self.memory, self.seconds = memory, seconds
        self._turn = Lock()
        self._process = self._start()

    def ask(self, request: dict[str, Any], size: photo.Size, side: int) -> Prepared | None:
        """The photo, or None where it is too large for the work or the memory that it may take; raises BadPhoto."""
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
            except (OSError, ValueError, KeyError, TypeError):  # it is gone, or says what it never would
                self._process.kill()
                self._process.wait()
                late = time.monotonic() >= until
                why = f"it takes more than {self.seconds:g} seconds to decode" if late else "it crashes the decoder"
                raise NotNow(why) from None
            finally:
                timer.cancel()
                timer.join()  # it has fired, or never will
                if time.monotonic() >= until:  # else the next one might meet a process that is just being killed
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
        if not (1 <= width <= side and 1 <= height <= side):  # who broke into it may say anything
            raise ValueError
        pixels = self._process.stdout.read(size[0] * size[1] * 3)
        shown = Image.frombytes("RGB", (width, height), self._process.stdout.read(width * height * 3))
        return Prepared(np.frombuffer(pixels, np.uint8).reshape(*size, 3), shown)

    def _start(self) -> subprocess.Popen[bytes]:
        known = {name: os.environ[name] for name in KNOWN if name in os.environ}  # and no secret
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "core.data.decoder", str(self.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=known | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )


def _serve(memory: int) -> None:
    """Answer one line of JSON after the other, until there is no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no answer
    _limit_memory(memory)
    for line in sys.stdin.buffer:
        header, *rest = _decode(json.loads(line))
        answers.write(json.dumps(header).encode() + b"\n")
        answers.writelines(rest)
        answers.flush()


def _decode(request: dict[str, Any]) -> tuple[Any, ...]:
    """What goes back: a header, and the bytes that it announces."""
    try:
        views = [View(**{**view, "size": tuple(view["size"])}) for view in request["views"]]
        found = prepare(request["path"], views, request["side"], photo.STRANGERS_PIXELS, request["work"])
        return {"shown": found.shown.size}, found.pixels.tobytes(), found.shown.tobytes()
    except (BadPhoto, MemoryError) as error:
        short = isinstance(error, (TooMuchWork, MemoryError)) or isinstance(error.__cause__, MemoryError)
        if short and request["work"] < photo.MAX_WORK:
            return ({},)  # the other one may have more
        return ({"error": str(error) or "it takes too much memory"},)


def _limit_memory(more: int) -> None:
    """Take so many bytes more than now and no others, where the system can see to that."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + more, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
