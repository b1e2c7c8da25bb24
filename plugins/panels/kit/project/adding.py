"""Adding photos to a data set of uploads; those of a dropped folder, or of the camera, get its label."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from core.data.content import digest
from core.data.files import SUFFIXES
from core.data.labelling import labels_of
from core.data.safe_names import safe_name
from core.errors import BadInput
from plugins.panels.kit.project.labels import photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.drop import Uploaded, received, total

PHOTOS, CAMERA = "photos", "camera"  # folders: of uploads in a workspace, and of photos taken by the camera
MOST_NUMBERED = 20  # photos of one name; more of them, which would take long to count, get random names


def adds_to(project: Project) -> Path | None:
    """The folder to which photos can be added, or None if the photos are not uploads: those stay as they are."""
    recipe = project.recipe
    if recipe is None or recipe.source.get("name") != "folder":
        return None
    root = Path(recipe.source["path"])
    return root if root.resolve().is_relative_to(project.folder / PHOTOS) else None


def add(project: Project, files: list[Uploaded], label: str = "") -> None:
    """Add uploaded photos; a folder without folders in it is the label of its photos. Raises BadInput."""
    root = adds_to(project)
    if root is None:
        raise BadInput("Photos cannot be added to this data set, as its files are not changed; replace it instead.")
    photos = _photos(files)
    project.check_room(total(photos))
    here = photos_of(project)
    before, known = set(here.contents), set(here.labels(project.corrections)) - {""}
    folders = {file.name.parts[:-1] for file in photos}
    named = label or (folder[0] if len(folders) == 1 and len(folder := next(iter(folders))) == 1 else "")
    shared = len({parts[:1] for parts in folders}) == 1 and any(len(parts) > 1 for parts in folders)
    dropped = {digest(file.path): file for file in photos}
    fresh = {
        content: _keep(file, root, _place(file.name, shared, named))
        for content, file in dropped.items()
        if content not in before
    }
    if not fresh and not named:
        raise BadInput("All of these photos are here already.")
    project.forget()
    if named:
        _say(project, dropped, named)
    else:
        labels, _ = labels_of(fresh.values(), fresh.values(), project.build("labeller", project.require_recipe()))
        strange = [content for content, found in zip(fresh, labels, strict=True) if found and found not in known]
        if strange and len(folders) == 1:  # loose photos: the folder they lie in here says nothing
            project.journal.label(strange, None)


def take(project: Project, data: Mapping[str, Any]) -> None:
    """Add photos that the camera took for a label; they begin a data set if there is none. Raises BadInput."""
    files, label = received(data), str(data.get("label") or "").strip()
    if project.recipe is not None:
        return add(project, files, label)
    photos = _photos(files)
    project.check_room(total(photos))
    folder = project.folder / PHOTOS / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{os.urandom(2).hex()}" / CAMERA
    folder.mkdir(parents=True)
    kept = [_keep(file, folder, PurePosixPath(file.name.name)) for file in photos]
    try:
        project.open({"name": "folder", "path": str(folder)})
    except BadInput:  # do not keep files that cannot be used
        shutil.rmtree(folder.parent)
        raise
    _say(project, map(digest, kept), label)


def _photos(files: list[Uploaded]) -> list[Uploaded]:
    """The photos among uploaded files; raises BadInput if there are none."""
    photos = [file for file in files if file.name.suffix.lower() in SUFFIXES]
    if not photos:
        raise BadInput(f"{files[0].name.name!r} is not a photo; add files such as .jpg and .png.")
    return photos


def _say(project: Project, contents: Iterable[str], label: str) -> None:
    if (found := list(contents)) and label:
        project.journal.label(found, label)


def _place(name: PurePosixPath, shared: bool, label: str) -> PurePosixPath:
    """Where a photo goes below the root: in the folder of its label, if that can be the name of a folder."""
    inside = PurePosixPath(*name.parts[1:]) if shared else name
    plain = label and label == PurePosixPath(label).name == safe_name(label) and not label.startswith(".")
    return PurePosixPath(label, name.name) if plain and len(inside.parts) == 1 else inside


def _keep(file: Uploaded, root: Path, name: PurePosixPath) -> Path:
    """Put an uploaded photo into the folder, under a name that is free there."""
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    for number in count(2):
        try:
            os.link(file.path, target)
            return target
        except FileExistsError:
            end = number if number <= MOST_NUMBERED else os.urandom(8).hex()
            target = root / name.with_name(f"{name.stem}-{end}{name.suffix}")
        except OSError:  # another disk
            break
    shutil.copyfile(file.path, target)
    return target
