"""Which files are photos: a fixed list of suffixes, in a fixed order."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from core.errors import BadInput

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
STRAY = frozenset(("__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "System Volume Information"))


def is_stray(folder_name: str) -> bool:
    """Whether a folder is a leftover of some tool (`.ipynb_checkpoints`, `__MACOSX`), with no photos of the user's."""
    return folder_name.startswith(".") or folder_name in STRAY


def get_image_files(path: str | Path, recurse: bool = True, folders: Iterable[str] | None = None) -> list[Path]:
    """The photos under `path`, sorted by relative path; dot-files and stray folders are skipped.

    `folders` limits the walk to these sub-folders of `path`. Raises BadInput if `path` is no folder.
    """
    root = Path(path)
    if root.is_file():
        raise BadInput(f"{str(root)!r} is a file; give the folder that holds the photos, or a .zip of it.")
    if not root.is_dir():
        raise BadInput(f"There is no folder {str(root)!r}; give the folder that holds the photos.")
    wanted = None if folders is None else set(folders)
    found: list[Path] = []
    for here, subfolders, names in os.walk(root):
        top = Path(here) == root
        keep = [d for d in subfolders if not is_stray(d) and not (top and wanted is not None and d not in wanted)]
        subfolders[:] = sorted(keep) if recurse else []
        if top and wanted is not None:
            continue
        found += [Path(here, n) for n in names if not n.startswith(".") and Path(n).suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda file: file.relative_to(root).as_posix())


def stray_folders(path: str | Path) -> list[Path]:
    """Folders under `path` that were skipped although they hold files, such as `.ipynb_checkpoints`."""
    return sorted(Path(here, d) for here, subfolders, _ in os.walk(path) for d in subfolders if is_stray(d))
