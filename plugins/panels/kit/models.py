"""The trained models that are in use: loaded once, and again when their folder has changed."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from PIL import Image

from core.errors import BadInput
from core.model.names import HASHES
from core.runs.project import Project
from core.runs.run import Run

if TYPE_CHECKING:
    from core.model.predictor import Predictor

_lock = Lock()


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


def zipped(folder: Path) -> bytes:
    """A model folder as a zip, without the paths and names of the photos that it was trained on."""
    from core.publish.model_files import model_files

    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # weights do not shrink
            for name, data in model_files(Run(folder)).items():
                archive.writestr(f"{folder.name}/{name}", data if isinstance(data, bytes) else data.read_bytes())
        return stream.getvalue()
