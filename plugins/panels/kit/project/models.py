"""A cache of loaded models, reloaded when their folder has changed, and of their zips."""

from __future__ import annotations

import io
import secrets
import zipfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from gradio.utils import get_upload_folder
from PIL import Image

from core.atomic import write_atomic
from core.errors import BadInput
from core.model.file_names import HASHES, THRESHOLD, WEIGHTS
from core.runs.run import Run
from plugins.panels.kit.project.project import Project

if TYPE_CHECKING:
    from core.model.predictor import Predictor

CACHED_ZIPS = 16  # zips of all projects together

_lock, _zipping = Lock(), Lock()
_zips: dict[tuple[Path, Path], tuple[int, Path]] = {}  # least recently used first


def model_of(project: Project, name: str = "") -> Path:
    """The model folder of the run called `name`, else of the selected run, else of the newest; raises BadInput."""
    for run in [project.find(name)] if name else [project.run, *project.runs]:
        if run and run.has_model:
            return run.folder
    if name or project.runs:
        raise BadInput("There is no model yet: a run has one once it ends after at least one epoch.")
    raise BadInput("There is no model yet; train one, or start with the sample on the Data page.")


def predictor(folder: Path) -> Predictor:
    """The predictor of a model folder; raises BadInput."""
    with _lock:  # so that two requests do not load it twice
        try:
            return _predictor(folder, _changed(folder))
        except OSError as error:
            raise BadInput(f"The model {folder.name!r} cannot be read ({error.strerror}); choose another.") from None


def _changed(folder: Path) -> int:
    """A number that changes with the model or its threshold; raises OSError."""
    threshold = folder / THRESHOLD
    return (folder / HASHES).stat().st_mtime_ns + (threshold.stat().st_mtime_ns if threshold.exists() else 0)


def warm(folder: Path) -> None:
    """Load a model and predict once, so that the first request is fast; that request reports any error."""
    with suppress(BadInput, OSError):
        predictor(folder).predict(Image.new("RGB", (64, 64)))


@lru_cache(maxsize=4)
def _predictor(folder: Path, changed: int) -> Predictor:
    from core.model.folder import load_model  # imports torch, which takes seconds

    return load_model(folder)


def zip_size(folder: Path) -> int:
    """The size of a model's zip in bytes, about: its weights, and again as an ONNX file where that can be made."""
    from core.publish.onnx import can_export

    return (folder / WEIGHTS).stat().st_size * (2 if can_export() else 1)


def zip_for(project: Project, folder: Path) -> Path:
    """The zip of a model, made once per project, in a folder with an unguessable name; raises OSError.

    Anyone who knows its path can download it.
    """
    key, changed = (project.folder, folder), _changed(folder)
    with _zipping:
        made, file = _zips.pop(key, (0, Path()))
        if made != changed or not file.exists():  # the app deletes old files
            _remove(file)
            content = zipped(folder)
            file = Path(get_upload_folder(), secrets.token_hex(20), f"{folder.name}.zip")
            file.parent.mkdir(parents=True)
            write_atomic(file, content)
        _zips[key] = _changed(folder), file  # an export to ONNX changes it
        if len(_zips) > CACHED_ZIPS:
            _remove(_zips.pop(next(iter(_zips)))[1])
    return file


@lru_cache(maxsize=CACHED_ZIPS)
def _export(folder: Path, changed: int) -> None:
    """Export the model to ONNX; one that cannot be, which takes as long, is not tried again."""
    from core.publish.onnx import can_export, export_onnx, onnx_is_current

    run = Run(folder)
    if can_export() and not onnx_is_current(run):
        with suppress(BadInput):
            export_onnx(run)


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()
        file.parent.rmdir()


def zipped(folder: Path) -> bytes:
    """A model folder as the bytes of a zip, without paths or names of its training photos; with ONNX if it can be."""
    from core.publish.model_files import model_files

    _export(folder, _changed(folder))
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # weights do not compress
            for name, data in model_files(Run(folder)).items():
                archive.writestr(f"{folder.name}/{name}", data if isinstance(data, bytes) else data.read_bytes())
        return stream.getvalue()
