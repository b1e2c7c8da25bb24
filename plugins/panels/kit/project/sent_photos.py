"""The photos of an upload to predict: files, those of a folder, and those in a zip, unpacked one at a time."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from core.data.files import SUFFIXES, is_stray
from core.data.photo import BadPhoto
from core.data.safe_names import DEEPEST, safe_name
from core.data.zip_names import encoding_of, renamed
from core.data.zips import CHUNK, open_zip
from core.errors import BadInput
from plugins.panels.kit.views.drop import Uploaded, received

MOST_MEMBERS = 5_000  # of a zip, photos or not
LARGEST = 50_000_000  # bytes of a photo in a zip
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # in other methods one chunk may unpack to any size
BROKEN = (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class SentPhoto:
    """An uploaded photo, or the member of that number in an uploaded zip, with its name made safe."""

    path: Path
    name: PurePosixPath
    member: int = -1

    @contextmanager
    def file(self) -> Iterator[Path]:
        """The photo as a file, which for a photo in a zip is there for so long; raises BadPhoto."""
        if self.member < 0:
            yield self.path
            return
        with TemporaryDirectory(prefix="presize-photo-") as folder:
            file = Path(folder, f"photo{self.name.suffix}")
            try:
                self._unpack(file)
            except BROKEN as error:
                raise BadPhoto(f"it cannot be unpacked ({error})") from None
            yield file

    def label(self, vocab: Sequence[str]) -> str:
        """The label that its folders give it, the nearest that the model knows, or ""."""
        return next((part for part in reversed(self.name.parts[:-1]) if part in vocab), "")

    def told(self) -> dict[str, Any]:
        """What a button carries, so that `photo_of` finds the photo again."""
        return {"file": self.path, "name": self.name, "member": self.member}

    def _unpack(self, file: Path) -> None:
        with self.path.open("rb") as packed, open_zip(packed) as archive, file.open("xb") as unpacked:
            member = archive.infolist()[self.member]
            if member.flag_bits & 1 or member.compress_type not in METHODS:
                raise ValueError("it is protected by a password, or packed in an unusual way")
            with archive.open(member) as stream:
                while chunk := stream.read(CHUNK):
                    unpacked.write(chunk)
                    if unpacked.tell() > LARGEST:
                        raise ValueError(f"it has over {LARGEST // 10**6} MB")


def sent_photos(files: Sequence[Uploaded]) -> list[SentPhoto]:
    """The photos of an upload, those in zips too; raises BadInput for a zip that cannot be read."""
    found: list[SentPhoto] = []
    for file in files:
        found += _inside(file) if file.name.suffix.lower() == ".zip" else [SentPhoto(file.path, file.name)]
    if not found:
        raise BadInput("There are no photos in this zip; drop one with files such as .jpg or .png.")
    return found


def photo_of(data: Any) -> SentPhoto:
    """The photo that a button carries, from `told`; raises BadInput unless it was uploaded here."""
    (file,) = received({"files": [{"path": data.get("file"), "rel": data.get("name")}]})
    try:
        member = int(data.get("member", -1))
    except (TypeError, ValueError):
        member = -1
    if member < 0:
        return SentPhoto(file.path, file.name)
    found = next((photo for photo in _inside(file) if photo.member == member), None)
    if found is None:
        raise BadInput("This photo is not in the zip; drop it again.")
    return found


def _inside(file: Uploaded) -> list[SentPhoto]:
    try:
        with file.path.open("rb") as packed, open_zip(packed) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise BadInput(f"The zip lists {len(members):,} files, more than {MOST_MEMBERS:,}; split it.")
            renamed(members, encoding_of(members)[0])
    except BROKEN as error:
        raise BadInput(f"{file.name.name!r} is damaged or not a zip file ({error}); create it again.") from None
    named = ((i, PurePosixPath(*_parts(member.filename))) for i, member in enumerate(members) if not member.is_dir())
    photos = ((i, name) for i, name in named if name.suffix.lower() in SUFFIXES and not any(map(is_stray, name.parts)))
    return [SentPhoto(file.path, name, i) for i, name in photos]


def _parts(name: str) -> list[str]:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return list(map(safe_name, parts[-DEEPEST:])) or ["_"]
