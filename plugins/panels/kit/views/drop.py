"""A drop zone for a zip, a folder with its sub-folders, or photos, which can also be chosen, pasted or taken."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from core.data.files import SUFFIXES, TABLES
from core.data.safe_names import DEEPEST, safe_name
from core.data.zips import BLOCK, open_zip
from core.errors import BadInput
from plugins.panels.kit.views.html import Html, joined

SCRIPT = (Path(__file__).parent / "drop.js").read_text(encoding="utf-8")
MOST_FILES = 100_000
UPLOAD_ICON = Html(
    '<svg viewBox="0 0 24 24" width="28" height="28" aria-hidden="true" fill="none" stroke="currentColor" '
    'stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"><path d="M12 16V4m0 0L7 9m5-5 5 5M4 16v3a1 1 0 '
    '0 0 1 1h14a1 1 0 0 0 1-1v-3"/></svg>'
)


@dataclass(frozen=True)
class Uploaded:
    """An uploaded file: its path on this computer, and its relative name, made safe."""

    path: Path
    name: PurePosixPath


def drop(elem_id: str, sentence: str, accept: str, folders: bool = False, camera: bool = False) -> gr.HTML:
    """A drop zone whose event `upload` carries `{"files": [{"path", "rel"}]}`, to be checked with `received`.

    With `camera`, its event `live` carries one frame after another.
    """
    more = [("files", "Choose files")] + [("folder", "Choose a folder")] * folders
    more += [("camera", "Camera"), ("live", "Live")] * camera
    pick = Html('<button type="button" class="plain" data-pick="{}">{}</button>')
    template = Html(
        '<div class="drop" tabindex="0" role="group" aria-label="{sentence}">{icon}'
        '<p class="drop-text">{sentence}</p><div class="drop-buttons">{buttons}</div>'
        '<input type="file" multiple hidden data-kind="files" accept="{accept}" aria-label="Files">'
        '<input type="file" hidden webkitdirectory data-kind="folder" aria-label="Folder">'
        '<video hidden playsinline muted></video><p class="drop-status" role="status"></p></div>'
    ).format(sentence=sentence, icon=UPLOAD_ICON, buttons=joined(pick.format(*each) for each in more), accept=accept)
    return gr.HTML("", html_template=template, js_on_load=SCRIPT, elem_id=elem_id)


def received(data: Mapping[str, Any]) -> list[Uploaded]:
    """The files of an `upload` event; raises BadInput for a path that is not an upload to this app."""
    files = data.get("files")
    if not isinstance(files, Sequence) or not files or len(files) > MOST_FILES:
        raise BadInput(f"No files were received, or more than {MOST_FILES:,}; drop photos, a folder or a zip.")
    return [_uploaded(file) for file in files]


def _uploaded(file: Any) -> Uploaded:
    try:
        here, rel = Path(file["path"]).resolve(strict=True), file.get("rel") or ""
        inside = here.is_relative_to(Path(get_upload_folder()).resolve()) and here.is_file()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        inside = False
    if not inside or not isinstance(rel, str):
        raise BadInput("One of these files was not uploaded here; drop it again.")
    parts = [part for part in rel.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return Uploaded(here, PurePosixPath(*map(safe_name, parts[-DEEPEST:] or [here.name])))


def total(files: Sequence[Uploaded]) -> int:
    """The size of all files in bytes, including the declared size of photos and tables in zips."""
    zips = [file.path for file in files if file.name.suffix.lower() == ".zip"]
    return sum(os.path.getsize(file.path) for file in files) + sum(map(unpacked, zips))


def unpacked(path: Path) -> int:
    """The declared size in bytes of the photos and tables in a zip; 0 if it cannot be read."""
    try:
        with path.open("rb") as file, open_zip(file) as archive:
            # a false size is harmless, because unpacking stops at it
            kept = (m for m in archive.infolist() if Path(m.filename[-300:]).suffix.lower() in SUFFIXES.union(TABLES))
            return sum(m.file_size + BLOCK for m in kept)
    except (
        OSError,
        ValueError,
        NotImplementedError,
        zipfile.BadZipFile,
    ):  # the source reports what is wrong with the zip
        return 0
