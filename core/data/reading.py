"""Reading every photo of a data set, once: whether it can be decoded, and the hash of its content."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import PIL

from core.data import photo
from core.data.content import DIGITS, digest
from core.data.remembered import Key, Remembered, Result
from core.events import Checked

if TYPE_CHECKING:
    from core.data.presizing import Presizing

STEP = 64  # photos between two events
Found = TypeVar("Found")


def read_all(
    files: Sequence[Path],
    workspace: Path,
    decode: Callable[[Path], object] | None = None,
    presizing: Callable[[], Presizing | None] = lambda: None,
) -> Generator[Checked, None, list[tuple[str, str]]]:
    """Decode every file that was not decoded before; returns for each why it is unreadable, or "", and its hash.

    `presizing` is called if there is anything to decode; its result decodes files into the presized cache.
    """
    with closing(Remembered(workspace, _decoder())) as memory:
        known = [memory.recall(_key(file)) for file in files]
        found = [result and (result, True) for result in known]

        def begin() -> tuple[ThreadPoolExecutor, Callable[[int], tuple[Result, bool]]]:
            keep = presizing()
            return _threads(keep), lambda i: _read(files[i], i, decode, keep)

        def store(keys: list[Key], results: list[tuple[Result, bool]]) -> None:
            memory.add([(key, result) for key, (result, lasts) in zip(keys, results, strict=True) if lasts])

        yield from _fill(found, files, begin, store)
    return [each[0] for each in found if each]


def contents_of(files: Sequence[Path], workspace: Path) -> Generator[Checked, None, list[str]]:
    """The hash of each file's content, without decoding it, or "" if it cannot be read; remembered like the check's."""
    with closing(Remembered(workspace, _decoder())) as memory:
        found = [memory.recall_hash(_key(file)) or None for file in files]

        def begin() -> tuple[ThreadPoolExecutor, Callable[[int], str]]:
            return _threads(None), lambda i: _content(files[i])

        def store(keys: list[Key], contents: list[str]) -> None:
            memory.add_hashes([(key, content) for key, content in zip(keys, contents, strict=True) if content])

        yield from _fill(found, files, begin, store)
    return [content or "" for content in found]


def _fill(
    found: list[Found | None],
    files: Sequence[Path],
    begin: Callable[[], tuple[ThreadPoolExecutor, Callable[[int], Found]]],
    store: Callable[[list[Key], list[Found]], None],
) -> Generator[Checked, None, None]:
    """Read the files without a result, with the threads and the function that `begin` gives if there are any."""
    new = [i for i, each in enumerate(found) if each is None]
    done = len(files) - len(new)
    yield Checked(done, len(files))
    if not new:
        return
    pool, read = begin()
    with pool:
        for start in range(0, len(new), STEP):
            part = new[start : start + STEP]
            keys = [_key(files[i]) for i in part]  # before reading: a file that changes meanwhile is read again
            results = list(pool.map(read, part))
            store(keys, results)
            for i, result in zip(part, results, strict=True):
                found[i] = result
            done += len(part)
            yield Checked(done, len(files))


def _content(file: Path) -> str:
    try:
        return digest(file) if file.is_file() else ""  # reading from a pipe could block forever
    except OSError:
        return ""


def _threads(keep: Presizing | None) -> ThreadPoolExecutor:
    number = min(8, os.cpu_count() or 1)
    if keep is None:
        return ThreadPoolExecutor(number, "check")
    from core.data.threads import photo_threads

    return photo_threads(number)


def _read(
    file: Path, index: int, decode: Callable[[Path], object] | None, keep: Presizing | None
) -> tuple[Result, bool]:
    """Why a file cannot be decoded, or "", and its hash; and whether that result can be remembered."""
    name = ""
    try:
        if decode:
            decode(file)
            return ("", digest(file)), True
        content = photo.read(file)
        name = digest(content)
        if not (keep and keep.decode(index, content, name)):
            photo.load(content)
        return ("", name), True
    except photo.BadPhoto as error:
        return (str(error), name), not isinstance(error, photo.NotNow)
    except OSError as error:  # deleted in the meantime
        return (f"cannot be read ({error.strerror})", ""), False


def _decoder() -> int:
    """A version number that changes with what this program can decode."""
    bounds = photo.MAX_PIXELS, photo.MAX_WORK, photo.REDUCED_PASSES
    return zlib.crc32(f"{PIL.__version__} {photo.FORMATS} {bounds} {DIGITS}".encode()) >> 1


def _key(file: Path) -> Key:
    path = os.fsencode(file.absolute())  # a name need not be UTF-8
    try:
        status = file.stat()
    except OSError:  # deleted since it was listed: decoding will report it
        return path, -1, -1
    return path, status.st_size, status.st_mtime_ns % 2**63  # sqlite integers have 64 bits, signed
