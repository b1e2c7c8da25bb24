"""The trained models that are in use: loaded once, and again when their folder has changed."""

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
from core.model.file_names import HASHES
from core.runs.run import Run
from plugins.panels.kit.project.project import Project

if TYPE_CHECKING:
    from core.model.predictor import Predictor

KEPT = 16  # zips, of all projects

_lock, _zipping = Lock(), Lock()
_zips: dict[tuple[Path, Path], tuple[int, Path]] = {}  # the one last asked for is the last


def model_of(project: Project, name: str = "") -> Path:
    """The folder of the model of a run: of that name, else of the run being looked at, else of the newest."""
    for run in [project.find(name)] if name else [project.run, *project.runs]:
        if run and run.has_model:
            return run.folder
    if name or project.runs:
        raise BadInput("There is no model yet: a run has one when its first epoch has been checked and it ends.")
    raise BadInput("There is no model yet; train one, or begin with the sample on the page Data.")


def predictor(folder: Path) -> Predictor:
    """The model of a folder, ready to predict; raises BadInput."""
    with _lock:  # else two requests would load it twice
        try:
            return _predictor(folder, (folder / HASHES).stat().st_mtime_ns)
        except OSError as error:
            raise BadInput(f"The model {folder.name!r} is gone ({error.strerror}); choose another.") from None


def warm(folder: Path) -> None:
    """Load a model before anybody asks, with all that a first prediction costs; what is wrong is said when they do."""
    with suppress(BadInput, OSError):
        predictor(folder).predict(Image.new("RGB", (64, 64)))


@lru_cache(maxsize=4)
def _predictor(folder: Path, changed: int) -> Predictor:
    from core.model.folder import load_model  # with torch, which takes seconds: the page is there before

    return load_model(folder)


def zip_for(project: Project, folder: Path) -> Path:
    """The zip of a model, made once for each project, in a folder whose name nobody can guess; raises OSError.

    Whoever knows the path of an upload may download it.
    """
    key, changed = (project.folder, folder), (folder / HASHES).stat().st_mtime_ns
    with _zipping:
        made, file = _zips.pop(key, (0, Path()))
        if made != changed or not file.exists():  # the app deletes what is old
            _remove(file)
            file = Path(get_upload_folder(), secrets.token_hex(20), f"{folder.name}.zip")
            file.parent.mkdir(parents=True)
            write_atomic(file, zipped(folder))
        _zips[key] = changed, file
        if len(_zips) > KEPT:
            _remove(_zips.pop(next(iter(_zips)))[1])
    return file


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()
        file.parent.rmdir()


def zipped(folder: Path) -> bytes:
    """A model folder as a zip, without the paths and names of the photos that it was trained on."""
    from core.publish.model_files import model_files

    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # weights do not shrink
            for name, data in model_files(Run(folder)).items():
                archive.writestr(f"{folder.name}/{name}", data if isinstance(data, bytes) else data.read_bytes())
        return stream.getvalue()
