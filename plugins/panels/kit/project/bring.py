"""Adding photos to a project: uploads go into the workspace; why photos were refused is remembered and shown."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.data.files import SUFFIXES, TABLES
from core.data.safe_names import distinct
from core.errors import BadInput
from core.recipe import Choice
from plugins.panels.kit.project.adding import add, adds_to
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.drop import Uploaded, received, total

ACCEPT = ",".join([".zip", *TABLES, "image/*", *sorted(SUFFIXES)])
LOOSE = "dropped photos"  # the folder for photos dropped without one


def upload(project: Project, data: Mapping[str, Any]) -> None:
    """Store dropped files in the workspace, and open them or, if `how` is "add", add them; raises BadInput."""
    files = received(data)
    if data.get("how") == "add" and adds_to(project) and not any(_is_zip(file) for file in files):
        return add(project, files)
    with refusals(project):
        project.check_room(total(files))
        source = kept(project, files)
        try:
            project.open(source)
        except BadInput:  # do not keep files that cannot be used
            drop_kept(project, source)
            raise


@contextmanager
def refusals(project: Project) -> Iterator[None]:
    """Remember the reason when photos are refused, to be shown until others are added."""
    try:
        yield
    except BadInput as error:
        project.refuse(error)
        raise


def kept(project: Project, files: list[Uploaded]) -> Choice:
    """Put uploaded files into the workspace; returns the source to read them with. Raises BadInput."""
    folder = project.folder / "photos" / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{os.urandom(2).hex()}"
    zips = [file for file in files if _is_zip(file)]
    photos = {file for file in files if file.name.suffix.lower() in SUFFIXES.union(TABLES)}
    if len(zips) > 1 or (zips and photos):
        raise BadInput("A zip was dropped with other files; drop a single zip, a folder, or photos.")
    if not zips and not photos:
        raise BadInput(f"{files[0].name.name!r} is neither a zip nor a photo; drop files such as .jpg, .png or .zip.")
    kept = zips or files
    tops = {file.name.parts[0] for file in photos}
    inside = len(tops) == 1 and all(len(file.name.parts) > 1 for file in photos)
    place = folder if zips or inside else folder / LOOSE
    for file, name in zip(kept, distinct([file.name for file in kept]), strict=True):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if file not in zips and file not in photos:
            target.touch()  # an empty file of that name, for the check to report
            continue
        try:
            os.link(file.path, target)  # not moved: gradio stores two equal uploads as one file
        except OSError:
            shutil.copyfile(file.path, target)
    if zips:
        return {"name": "zip", "path": str(folder / zips[0].name)}
    return {"name": "folder", "path": str(folder / tops.pop() if inside else place)}


def drop_kept(project: Project, source: Choice) -> None:
    """Delete the files that `kept` has put into the workspace."""
    photos = project.folder / "photos"
    shutil.rmtree(photos / Path(source["path"]).relative_to(photos).parts[0])


def _is_zip(file: Uploaded) -> bool:
    return file.name.suffix.lower() == ".zip"
