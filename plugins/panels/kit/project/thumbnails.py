"""Thumbnails of photos, kept in a folder of the workspace by the photo's content, within bounds."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path

from PIL import Image

from core.data import photo
from core.data.photo import BadPhoto, NotNow

NAME = "thumbnails.sqlite"
SIDE = 160  # pixels of the longer side
QUALITY = 76
KEPT = 60_000  # thumbnails, about 5 KB each
PATIENCE = 2.0  # seconds to wait for another process that writes
TABLE = "create table if not exists thumbnails (content text primary key, jpeg blob)"


def thumbnails(
    folder: Path, wanted: Iterable[tuple[str, Path]], make: Callable[[Path, int], Image.Image] = photo.thumbnail
) -> list[bytes]:
    """A JPEG for each (content, file), b"" for a photo that cannot be read; those not kept are made with `make`."""
    pairs = list(wanted)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / NAME, timeout=PATIENCE)) as memory:
            memory.execute(TABLE)
            kept = _kept(memory, [content for content, _ in pairs])
            new = {content: jpeg_of(file, SIDE, make) for content, file in pairs if content not in kept}
            if lasting := [(content, jpeg) for content, jpeg in new.items() if jpeg is not None]:
                memory.executemany("replace into thumbnails values (?, ?)", lasting)
                memory.execute("delete from thumbnails where rowid <= (select max(rowid) from thumbnails) - ?", (KEPT,))
                memory.commit()
    except (sqlite3.Error, OSError) as error:  # it is only a cache
        if not isinstance(error, (sqlite3.OperationalError, OSError)):  # damaged, not locked or on a full disk
            with suppress(OSError):
                (folder / NAME).unlink(missing_ok=True)
        return [jpeg_of(file, SIDE, make) or b"" for _, file in pairs]
    return [(kept | new)[content] or b"" for content, _ in pairs]


def _kept(memory: sqlite3.Connection, contents: list[str]) -> dict[str, bytes | None]:
    marks = ",".join("?" * len(contents))
    return dict(memory.execute(f"select content, jpeg from thumbnails where content in ({marks})", contents))


def jpeg_of(file: Path, side: int, make: Callable[[Path, int], Image.Image]) -> bytes | None:
    """The JPEG, b"" if the photo cannot be read, or None if it cannot be read just now."""
    try:
        with io.BytesIO() as stream:
            make(file, side).convert("RGB").save(stream, "JPEG", quality=QUALITY)
            return stream.getvalue()
    except NotNow:
        return None
    except (BadPhoto, OSError):
        return b""
