"""The files and folders of a data set that are not used, each with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from core.data.files import EMPTY, TABLES, get_tables, is_photo, is_stray, walk, why_not_a_photo
from core.data.found_tables import found_tables
from core.recipe import Choice, path_options

OTHER_LABELS = (".json", ".jsonl", ".xlsx", ".xls", ".ods", ".xml", ".yaml", ".yml", ".txt", ".parquet", ".mat", ".db")


def leftovers(
    root: Path, workspace: Path, names: Sequence[Path], used: Iterable[Path]
) -> tuple[dict[str, str], list[Path]]:
    """Every file and folder under `root` that is not a photo, with the reason, and the stray folders of tools.

    `names` are the photos' names as labellers get them, `used` the files that labels and split are read from.
    """
    aside: dict[str, str] = {}
    others: list[Path] = []
    stray: list[Path] = []
    for here, folders, files in walk(root, workspace, aside):
        stray += [Path(here, folder) for folder in folders if is_stray(folder)]
        folders[:] = sorted(folder for folder in folders if not is_stray(folder))
        others += [Path(here, name) for name in sorted(files) if not is_photo(name) and not name.startswith(".")]
        if not folders and not files:
            aside[here] = EMPTY
    known = {os.path.realpath(file) for file in used}
    unused = [file for file in others if os.path.realpath(file) not in known]
    tables = dict.fromkeys(
        (f for f in unused if f.suffix.lower() in TABLES), "a table that is not used for labels or split"
    )
    if tables:
        tables |= found_tables(names, root)[1]
    reasons = {str(file): tables.get(file) or why_not_a_photo(file.name, file) for file in unused}
    return reasons | aside, sorted(stray)


def label_files(root: Path) -> list[str]:
    """Files beside the photos that may hold labels in an unsupported format, nearest to the top first."""
    found = [
        Path(here, name).relative_to(root)
        for here, _, files in walk(root)
        for name in files
        if name.lower().endswith(OTHER_LABELS) and not name.startswith(".")
    ]
    return [file.as_posix() for file in sorted(found, key=lambda file: (len(file.parts), file))]


def relocated(key: str, choice: Choice, source: Any, elsewhere: bool = False) -> Choice:
    """A labeller or splitter of a recipe, with paths of missing tables replaced by those beside the photos of `source`.

    With `elsewhere`, the photos are not those of the recipe, and their table is preferred to the recipe's.
    """
    found: Choice = {}
    for option in path_options(key, choice):
        path = Path(choice[option])
        if elsewhere or not os.path.exists(os.path.expanduser(path)):
            root, parts = Path(source.root), path.relative_to(path.anchor).parts
            ends = [root.joinpath(*parts[i:]) for i in range(len(parts) + 1)]
            found |= next(({option: str(end)} for end in ends if end.is_file() or _holds_tables(end, path)), {})
    return choice | found


def _holds_tables(folder: Path, before: Path) -> bool:
    return before.suffix.lower() not in TABLES and folder.is_dir() and bool(get_tables(folder))
