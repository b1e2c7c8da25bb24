"""Labels as a table, and photos copied into a folder for each label."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.atomic import disk_error, write_atomic
from core.data.corrections import Corrections
from core.data.journal import Journal
from core.data.labelled import read_labels
from core.data.leftovers import relocated
from core.data.reading import contents_of
from core.data.safe_names import distinct, safe_name
from core.data.tables import TRUE, read_table
from core.errors import BadInput, quoted
from core.events import Checked
from core.recipe import Recipe
from core.registry import labellers, sources

COLUMNS = PHOTO, LABEL, LEFT_OUT, CONTENT = "photo", "label", "left_out", "content"


@dataclass(frozen=True)
class Row:
    """A photo with its relative path, its label or "", and the hash of its content; a workspace has no `file`."""

    file: Path | None
    photo: str
    label: str
    left_out: bool
    content: str


def rows_of(recipe: Recipe, workspace: Path) -> Generator[Checked, None, list[Row]]:
    """All photos of a recipe with their labels, read through the workspace's journal; raises BadInput."""
    source = sources.build(recipe.source, workspace)
    labeller = labellers.build(relocated("labeller", recipe.labeller, source))
    photos = yield from read_labels(source(), labeller, workspace, getattr(source, "original", None))
    contents = photos.contents or (yield from contents_of(photos.items, workspace))
    said, root = photos.corrections, Path(source.root)
    return [
        Row(
            item,
            (name.relative_to(root) if name.is_relative_to(root) else name).as_posix(),
            label,
            content in said.left_out,
            content,
        )
        for item, name, label, content in zip(photos.items, photos.names, photos.labels, contents, strict=True)
    ]


def rows_in(corrections: Corrections) -> list[Row]:
    """What a journal says of photos, which it knows only by their content."""
    contents = corrections.labels.keys() | corrections.left_out
    return [
        Row(None, "", corrections.label_of(content, ""), content in corrections.left_out, content)
        for content in sorted(contents)
    ]


def export(rows: Iterable[Row], file: Path) -> None:
    """Write a CSV table, which must not exist yet; raises BadInput."""
    if file.exists():
        raise BadInput(f"{quoted(str(file))} exists already; give another name.")
    with io.StringIO(newline="") as text:
        table = csv.writer(text)
        table.writerow(COLUMNS)
        table.writerows((row.photo, row.label, int(row.left_out), row.content) for row in rows)
        write_atomic(file, text.getvalue())


def copy_to(rows: Iterable[Row], folder: Path) -> int:
    """Copy the labelled photos that are not left out to FOLDER/LABEL/; the folder must be empty. Returns how many."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{quoted(str(folder))} is not an empty folder; give one, or a new name.")
    chosen = [(row.file, row) for row in rows if row.file and row.label and not row.left_out]
    names = distinct([PurePosixPath(safe_name(row.label), safe_name(Path(row.photo).name)) for _, row in chosen])
    try:
        for (file, _), name in zip(chosen, names, strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / name)
    except OSError as error:
        raise disk_error(folder, error) from error
    return len(chosen)


def take(file: Path, rows: Iterable[Row], journal: Journal) -> int:
    """Take the labels of a CSV table into the journal, as one act, and return for how many photos it changed them.

    A row names a photo by its content, if the table has that column, or by its path or its name. Raises BadInput.
    """
    table = read_table(file)
    labels, left_out = table.column(LABEL), table.column(LEFT_OUT) if LEFT_OUT in table.header else None
    key = CONTENT if CONTENT in table.header else PHOTO
    at = table.column(key)
    given: dict[str, str] = {}
    out: set[str] = set()
    for _, cells in table.rows:
        if name := cells[at]:
            given[name] = cells[labels]
            if left_out is not None and cells[left_out].casefold() in TRUE:
                out.add(name)
    said = journal.corrections
    now = {row.content: row for row in rows if row.content}
    if key == PHOTO:
        name_of = {
            row.content: row.photo if row.photo in given else PurePosixPath(row.photo).name for row in now.values()
        }
    else:
        name_of = {content: content for content in given}
    changed = {
        content: given[name]
        for content, name in name_of.items()
        if given.get(name) and given[name] != (now[content].label if content in now else said.labels.get(content))
    }
    gone = {content for content, name in name_of.items() if name in out} - said.left_out
    journal.labels(changed, sorted(gone))
    return len(changed.keys() | gone)
