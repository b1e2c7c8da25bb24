"""Photos from a zip file, of which neither the names nor the stated sizes are trusted."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Annotated, Any

from core.data.encodings import Encoding
from core.data.files import EMPTY, SUFFIXES, TABLES, get_image_files, is_stray, why_not_a_photo
from core.data.proposals import Proposal
from core.data.safe_names import DEEPEST, distinct, safe_name
from core.data.text import read_bytes
from core.data.zip_names import OF_OLD, encoding_of, renamed
from core.data.zips import BLOCK, CHUNK, open_zip
from core.errors import BadInput, quoted
from core.registry import sources

MAX_FILES = 200_000  # also the limit for folders
MOST_OTHERS = 10_000  # other files that are listed by name
LONGEST_REFUSED = 255  # characters shown of a name
MAX_FILE = 200 * 2**20  # bytes
MAX_TOTAL = 50 * 2**30
MAX_RATIO, FREE_OF_RATIO = 100, 50 * 2**20  # photos hardly compress; a few drawings may
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # in other methods one chunk may unpack to any size


@sources.register("zip")
class ZipSource:
    """Unpacks the photos and tables of a zip file into the workspace, once; the zip is not changed."""

    for_visitors = True  # only in a visitor's own folder
    title, looks_like = "", "a .zip of this computer"

    def __init__(
        self,
        workspace: Path,
        /,
        path: Annotated[str, "The zip file that holds the photos"],
        encoding: Annotated[Encoding, "Encoding of the file names in an old zip; empty: detected"] = "",
    ) -> None:
        self.workspace, self.path, self.encoding = workspace, Path(os.path.expanduser(path)), encoding

    def __call__(self) -> Sequence[Path]:
        return get_image_files(self.root)

    @classmethod
    def proposes(cls, text: str) -> Iterator[Proposal]:
        """Proposes itself for a path that ends in .zip."""
        if text.lower().endswith(".zip"):
            yield Proposal({"path": text}, 1, f"photos from the zip {quoted(text)}")

    def original(self, path: Path) -> Path:
        """The photo's name in the zip, used for labels: the name on disk may have been made safe."""
        written = unicodedata.normalize("NFC", path.relative_to(self.root).as_posix())  # macOS may decompose letters
        return Path(self._table["files"].get(written, written))  # another program may have added files

    @property
    def root(self) -> Path:
        """The folder with the unpacked files."""
        return self._unpacked / "files"

    @property
    def skipped(self) -> list[str]:
        """Photos and tables in the zip that were not unpacked: links, and names that point out of the zip."""
        return list(self._table["skipped"])

    @property
    def others(self) -> dict[str, str]:
        """Other files in the zip, and why each is not a photo."""
        return dict(self._table.get("others", {}))

    def remarks(self, names: Sequence[Path]) -> list[str]:
        """A warning that names the encoding, if it was guessed."""
        encoding, readings = self._table.get("encoding"), self._table.get("readings", {})
        others = " or ".join(f"{text!r} in {name}" for name, text in readings.items() if name != encoding)
        one = f"; {readings[encoding]!r} could also be {others}" if others else ""
        return [f"the names in the zip are read as {encoding}{one}; set source.encoding if they look wrong"] * bool(
            encoding
        )

    @cached_property
    def _table(self) -> dict[str, Any]:
        file = self._unpacked / "table.json"
        try:
            table: dict[str, Any] = json.loads(read_bytes(file))
        except ValueError:  # written on a full disk or during a power cut
            raise BadInput(f"{str(file)!r} is damaged; delete its folder, so that the zip is unpacked again.") from None
        return table

    @cached_property
    def _unpacked(self) -> Path:
        """The folder with `files` and `table.json`, created once for each zip content; raises BadInput."""
        if not os.path.isfile(self.path):  # Path.is_file raises for some texts
            raise BadInput(f"There is no zip file {quoted(str(self.path))}; give the zip file that holds the photos.")
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                target = self.workspace / "sources" / f"zip-{digest[:32]}{self.encoding and '-'}{self.encoding}"
                if target.is_symlink():  # its maker would choose what is read
                    raise BadInput(f"{str(target)!r} is a link that this program did not make; delete it.")
                if not target.exists():
                    self._unpack(file, target)
            return target
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
            raise self._bad(f"is damaged or not a zip file ({quoted(str(error))})", "create it again") from error
        except OSError as error:  # no space, no permission
            reason = error.strerror or quoted(str(error))
            raise self._bad(f"cannot be unpacked ({reason})", "make room, or use the source 'folder'") from error

    def _unpack(self, file: IO[bytes], target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=".zip-", ignore_cleanup_errors=True) as unfinished:
            folder = Path(unfinished, "new")
            (folder / "files").mkdir(parents=True)
            with open_zip(file) as archive:
                table = self._extract(archive, folder / "files")
            (folder / "table.json").write_text(json.dumps(table, ensure_ascii=False, indent=1), encoding="utf-8")
            try:
                folder.rename(target)
            except OSError:
                if not target.exists():  # otherwise another process unpacked the same zip
                    raise

    def _extract(self, archive: zipfile.ZipFile, folder: Path) -> dict[str, Any]:
        """Unpack photos and tables into `folder`; returns what `table.json` holds."""
        encoding, readings = (self.encoding, {}) if self.encoding else encoding_of(archive.infolist())
        renamed(archive.infolist(), encoding)
        members, skipped, others = _photos_and_tables(archive)
        if len(members) > MAX_FILES:
            raise self._bad(
                f"holds {len(members):,} photos and tables, more than {MAX_FILES:,}", "split it into several"
            )
        safe_names = [safe for _, safe in members]
        if (folders := _folders(safe_names)) > MAX_FILES:
            raise self._bad(f"holds over {MAX_FILES:,} folders", "use fewer")
        names = distinct(safe_names)
        total = (len(members) + folders) * BLOCK
        self._must_fit(total)
        for (member, _), name in zip(members, names, strict=True):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as unpacked:
                for chunk in self._read(archive, member):
                    total += len(chunk)
                    self._must_fit(total)
                    unpacked.write(chunk)
        originals = (member.filename.replace("\\", "/") for member, _ in members)
        files = {name.as_posix(): original for name, original in zip(names, originals, strict=True)}
        guessed = encoding if (encoding != OF_OLD or readings) and not self.encoding else ""
        return {"files": files, "skipped": skipped, "others": others, "encoding": guessed, "readings": readings}

    def _must_fit(self, size: int) -> None:
        if size > max(FREE_OF_RATIO, MAX_RATIO * self.path.stat().st_size):
            raise self._bad(f"unpacks to over {MAX_RATIO} times its size, which photos never do", "check its contents")
        if size > MAX_TOTAL:
            raise self._bad(f"unpacks to over {MAX_TOTAL // 2**30} GB", "unpack it and use the source 'folder'")

    def _read(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
        if member.flag_bits & 1:
            raise self._bad("is protected by a password", "unpack it and use the source 'folder'")
        if member.compress_type not in METHODS:
            raise self._bad(
                "uses an unusual compression method", "make an ordinary zip, or unpack it and use the source 'folder'"
            )
        with archive.open(member) as packed:
            while chunk := packed.read(CHUNK):
                yield chunk
                if packed.tell() > MAX_FILE:
                    raise self._bad(f"holds {quoted(member.filename)} of over {MAX_FILE // 2**20} MB", "leave it out")

    def _bad(self, what: str, remedy: str) -> BadInput:
        return BadInput(f"The zip file {quoted(str(self.path))} {what}; {remedy}.")


def _photos_and_tables(
    archive: zipfile.ZipFile,
) -> tuple[list[tuple[zipfile.ZipInfo, PurePosixPath]], list[str], dict[str, str]]:
    """The members to unpack, with safe names; the refused ones; and all others, with the reason for each."""
    members, refused = [], []
    others: dict[str, str] = {}
    folders: dict[str, None] = {}
    filled: set[str] = set()
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        safe = PurePosixPath(*map(safe_name, parts[-DEEPEST:]))
        if any(map(is_stray, safe.parts)):
            continue
        filled.update("/".join(parts[:i]) for i in range(max(0, len(parts) - DEEPEST), len(parts)))
        mode = stat.S_IFMT(member.external_attr >> 16)  # 0 where the zip was made on Windows
        if member.is_dir():
            folders["/".join(parts)] = None
        elif safe.suffix.lower() not in SUFFIXES.union(TABLES):
            others[name[:LONGEST_REFUSED]] = why_not_a_photo(safe.name)
        elif name.startswith("/") or re.match("[a-zA-Z]:/", name) or ".." in parts or mode not in (0, stat.S_IFREG):
            refused.append(member.filename[:LONGEST_REFUSED])
        else:
            members.append((member, safe))
    others |= {name[:LONGEST_REFUSED]: EMPTY for name in folders if name not in filled}
    if (more := len(others) - MOST_OTHERS) > 0:
        others = dict(islice(others.items(), MOST_OTHERS)) | {f"{more:,} more files": "not photos"}
    return members, refused, others


def _folders(names: Iterable[PurePosixPath]) -> int:
    """The number of folders that hold the names, counted up to a little over MAX_FILES."""
    folders: set[PurePosixPath] = set()
    for name in names:
        if len(folders) > MAX_FILES:
            break
        folders.update(takewhile(lambda folder: folder not in folders, name.parents))
    return len(folders)
