"""What a rented machine needs, as one zip: a workspace with the run, its photos, and this program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import core
from core.data.files import TABLES, get_image_files, is_photo, is_stray, walk
from core.errors import BadInput, quoted
from core.events import Notice, to_line
from core.model.file_names import CLASSES, CONFIG, HASHES, WEIGHTS
from core.publish.jobs.agreed import SENT
from core.recipe import Recipe
from core.runs.events_file import EVENTS
from core.runs.longer import PARENT, parent_of
from core.runs.photos import PHOTOS, SPLITS
from core.runs.run import LABELS, Run

PROGRAM = Path(core.__file__).parents[1]
CODE = ("core", "plugins")
REQUIREMENTS = "requirements.txt"
OF_THE_RUN = ("environment.json", LABELS, PHOTOS, SPLITS, PARENT, "checkpoint/*.safetensors")
LISTS = (*TABLES, ".txt")


class Bundle:
    """The recipe as it is on the rented machine, and the files that it names, by their names in the zip."""

    def __init__(self, recipe: Recipe, workspace: Path) -> None:
        self.workspace = workspace
        self.files: dict[str, Path] = {}
        self._homes: dict[Path, str] = {}
        self.recipe = recipe.with_paths(self._moved)
        if not (PROGRAM / REQUIREMENTS).is_file():
            raise BadInput(f"{str(PROGRAM)!r} has no {REQUIREMENTS}; train from a checkout of this program.")

    def __str__(self) -> str:
        photos = sum(map(is_photo, self.files))
        others = len(self.files) - photos
        counted = [f"{n} {what}{'s' * (n != 1)}" for n, what in ((photos, "photo"), (others, "other file")) if n]
        if not counted:
            return "no photos, as the recipe's source fetches them there"
        return f"{' and '.join(counted)} ({sum(file.stat().st_size for file in self.files.values()) / 1e6:.1f} MB)"

    def write(self, file: Path, run: Run) -> None:
        """Write the zip; the run's events end with one that the caller is about to record. Raises BadInput."""
        events = f"{run.read(EVENTS)}{to_line(Notice('sent to a rented machine'))}\n"
        with ZipFile(file, "w", strict_timestamps=False) as zip:
            for name, path in {**self.files, **_program(), **_files_of(run)}.items():
                try:
                    zip.write(path, name)
                except UnicodeEncodeError:
                    raise BadInput(f"The name {quoted(str(path))} is not UTF-8; rename the file.") from None
            zip.writestr(f"runs/{run.name}/recipe.json", json.dumps(self.recipe.to_dict(), default=str))
            zip.writestr(f"runs/{run.name}/{EVENTS}", events)

    def _moved(self, text: str) -> str:
        """The path there of a path here, of which all files are taken along."""
        path = Path(text)
        home = next((home for home in self._homes if home in (path, *path.parents)), path)
        if home not in self._homes:
            self._homes[home] = f"{SENT}/{len(self._homes)}/{home.name or 'photos'}"
        for file in [path] if path.is_file() else self._inside(path):
            self.files[self._there(home, file)] = file
        return self._there(home, path)

    def _there(self, home: Path, path: Path) -> str:
        return (Path(self._homes[home]) / path.relative_to(home)).as_posix()

    def _inside(self, folder: Path) -> Iterator[Path]:
        """The photos and tables in a folder; raises BadInput if there is none."""
        yield from get_image_files(folder, workspace=self.workspace)
        for here, folders, names in walk(folder, self.workspace):
            folders[:] = [name for name in folders if not is_stray(name)]
            yield from (Path(here, name) for name in names if name.lower().endswith(LISTS))


def _program() -> dict[str, Path]:
    found = [file for folder in CODE for file in (PROGRAM / folder).rglob("*") if file.is_file()]
    named = {file.relative_to(PROGRAM).as_posix(): file for file in found if "__pycache__" not in file.parts}
    return named | {REQUIREMENTS: PROGRAM / REQUIREMENTS}


def _files_of(run: Run) -> dict[str, Path]:
    """The files of the run, and the model that it trains further, if there is one."""
    found = [file for pattern in OF_THE_RUN for file in run.folder.glob(pattern)]
    if parent := parent_of(run):
        found += [parent.folder / name for name in (WEIGHTS, CONFIG, CLASSES, HASHES)]
    return {f"runs/{file.relative_to(run.folder.parent).as_posix()}": file for file in found}
