"""Listing of photos and tables by their suffixes, in a fixed order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import Any, TypeVar, overload

from core.data.remembered import NAME as MEMORY
from core.data.text import some
from core.errors import BadInput, quoted

SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".avif",
        ".ppm",
        ".pgm",
        ".pbm",
        ".mpo",
        ".heic",
        ".heif",
    ]
)
ENDINGS = tuple(SUFFIXES)
T = TypeVar("T")
TABLES = (".csv", ".tsv")
PACKED = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz")
EMPTY = "an empty folder"
WORKSPACE = "a workspace of this program"
OWN = (
    "features",
    "insight",
    "lr_finds",
    "presized",
    "queue",
    "runs",
    "sources",
    "visitors",
    "photos/????-??-??_??-??-??-*",
)  # in a workspace
MARKS = {"runs": "*/recipe.json", "lr_finds": "*/recipe.json", "sources": "zip-*/table.json"}  # of a workspace
STRAY = frozenset(("__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "System Volume Information"))


class Files(Sequence[Path]):
    """A sequence of paths in one folder, stored as str to save memory: a million Paths take half a gigabyte."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder, self.names = folder, names

    @classmethod
    def of(cls, paths: Iterable[Path | str]) -> Files:
        """Files from any paths."""
        return paths if isinstance(paths, cls) else cls(Path(), [os.fspath(path) for path in paths])

    def take(self, indices: Iterable[int]) -> Files:
        """The files at `indices`."""
        return Files(self.folder, [self.names[i] for i in indices])

    def map(self, f: Callable[[Path], T]) -> list[T]:
        """The results of `f` for each path: `verify_images(files).map(Path.unlink)`."""
        return [f(path) for path in self]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> Files: ...
    def __getitem__(self, index: int | slice) -> Path | Files:
        if isinstance(index, slice):
            return Files(self.folder, self.names[index])
        return self.folder / self.names[index]

    def __iter__(self) -> Iterator[Path]:
        return map(self.folder.__truediv__, self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Files, list)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __add__(self, other: Iterable[Any]) -> list[Any]:
        return [*self, *other]

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self]

    def __repr__(self) -> str:
        return f"{len(self)} files [{', '.join(map(repr, self[:3]))}{', ...' * (len(self) > 3)}]"


def is_stray(folder_name: str) -> bool:
    """Whether a folder belongs to some tool (`.ipynb_checkpoints`, `__MACOSX`) and holds no photos of the user."""
    return folder_name.startswith(".") or folder_name in STRAY


def is_photo(file_name: str) -> bool:
    """Whether a file has a photo's suffix and is not a dot-file."""
    return file_name.lower().endswith(ENDINGS) and not file_name.startswith(".")


def why_not_a_photo(name: str, file: Path | None = None) -> str:
    """Why a file, of which only the name may be known, is not a photo."""
    if file and file.is_symlink() and not file.exists():
        return "a link that leads nowhere"
    suffix = os.path.splitext(name)[1].lower()
    return f"not a photo by its suffix {suffix!r}" if suffix else "not a photo: its name has no suffix"


def walk(
    root: Path, workspace: Path | None = None, aside: dict[str, str] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Like `os.walk`, but follows links to folders, and visits each folder once, by its own path if it has one.

    `aside` collects the folders that are left out, such as unreadable ones and workspaces, with the reason.
    """
    aside = {} if aside is None else aside
    walked: list[str] = []
    own: frozenset[str] = frozenset()
    seen: set[tuple[int, int]] | None = None  # needed only once there is a link
    tops = [os.fspath(root)]
    for top in tops:
        if top != tops[0] and seen is None:
            seen = {_identity(folder) for folder in walked}
        pending = [top]
        while pending:
            here = pending.pop()
            try:
                with os.scandir(here) as entries:
                    found = list(entries)
                identity = None if seen is None else _identity(here)
            except OSError as error:
                aside[here] = f"a folder that cannot be read ({error.strerror})"
                continue
            folders, files, links = [], [], set()
            for entry in found:
                if not _is_folder(entry):
                    files.append(entry.name)
                    continue
                folders.append(entry.name)
                if entry.is_symlink():
                    links.add(entry.name)
            ours = MEMORY in files or _is_same(here, workspace) or _is_marked(here, folders)
            if here in own or (ours and here != tops[0]):
                aside[here] = WORKSPACE
                continue
            if ours:
                own = frozenset(os.path.join(here, path) for name in OWN for path in glob(name, root_dir=here))
            if seen is not None and identity:
                if identity in seen:
                    aside[here] = "a link to a folder that is already listed"
                    continue
                seen.add(identity)
            walked.append(here)
            yield here, folders, files
            tops += [os.path.join(here, name) for name in folders if name in links]
            pending += [os.path.join(here, name) for name in reversed(folders) if name not in links]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_same(folder: str, workspace: Path | None) -> bool:
    if workspace is None or os.path.basename(os.path.abspath(folder)) != workspace.name:
        return False
    return workspace.exists() and os.path.samefile(folder, workspace)


def _is_marked(folder: str, inside: Sequence[str]) -> bool:
    """Whether a folder holds runs or unpacked photos of this program; `inside` are its sub-folders."""
    return any(name in inside and any(Path(folder, name).glob(mark)) for name, mark in MARKS.items())


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def get_image_files(
    path: str | Path, recurse: bool = True, folders: Iterable[str] | None = None, workspace: Path | None = None
) -> Files:
    """The photos under `path`, sorted by relative path; dot-files, stray folders and the workspace are skipped.

    `folders` limits the walk to these sub-folders of `path`. Raises BadInput if `path` is not a folder.
    """
    root = Path(path)
    if os.path.isfile(root):  # Path.is_file raises for some texts
        raise BadInput(f"{quoted(str(root))} is a file; give the folder that holds the photos, or a .zip of it.")
    if not os.path.isdir(root):
        raise BadInput(f"There is no folder {quoted(str(root))}; give the folder that holds the photos.")
    wanted = None if folders is None else set(folders)
    found: list[str] = []
    for here, subfolders, names in walk(root, workspace):
        top = Path(here) == root
        keep = [d for d in subfolders if not is_stray(d) and not (top and wanted is not None and d not in wanted)]
        subfolders[:] = keep if recurse else []
        if top and wanted is not None:
            continue
        inside = "" if top else f"{Path(here).relative_to(root).as_posix()}/"
        found += [inside + name for name in names if is_photo(name)]
    found.sort()
    return Files(root, found)


def get_tables(path: str | Path) -> list[Path]:
    """The tables (.csv, .tsv) under `path`, sorted; dot-files and stray folders are skipped."""
    found = []
    for here, subfolders, names in walk(Path(path)):
        subfolders[:] = (d for d in subfolders if not is_stray(d))
        found += [Path(here, name) for name in names if name.lower().endswith(TABLES) and not name.startswith(".")]
    return sorted(table for table in found if table.is_file())


def no_photos(root: Path, shown: str = "") -> BadInput:
    """The error that there are no photos under `root`, which names archives that may hold some."""
    zips = [name for _, _, names in walk(root) for name in names if name.lower().endswith(PACKED)]
    packed = f"; unpack {some(sorted(zips), 3)}" if zips else ""
    return BadInput(
        f"No photos were found in {(shown or str(root))!r}; photos are files such as .jpg, .png and .webp{packed}."
    )
