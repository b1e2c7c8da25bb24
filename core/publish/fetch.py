"""Models by name: a run, a folder, or OWNER/NAME on the Hugging Face Hub, which is downloaded once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import BadInput
from core.hub import HubUnreachable, is_repo_id, with_retries
from core.model.file_names import CLASSES, CONFIG, HASHES, MAX_JSON_BYTES, STRANGERS, THRESHOLD, WEIGHTS
from core.runs.run import Run

if TYPE_CHECKING:
    from core.model.predictor import Predictor

FILES = (WEIGHTS, CONFIG, CLASSES, HASHES)
OPTIONAL = (STRANGERS, THRESHOLD)  # no other file of a repository is downloaded
MAX_MODEL_BYTES = 4_000_000_000


def model_folder(name: str | Path, workspace: Path = Path("workspace")) -> Path:
    """The folder of a run, of a model, or of a download of OWNER/NAME on the Hub; raises BadInput."""
    try:
        return Run.find(str(name), workspace).folder
    except BadInput as here:
        if not is_repo_id(name):
            raise
        try:
            return fetch(str(name))
        except BadInput as there:
            raise BadInput(f"{str(here).rstrip('.')}; on the Hub: {there}") from None


def load_learner(name: str | Path) -> Predictor:
    """The trained model of a folder, or of OWNER/NAME on the Hub; raises BadInput."""
    from core.model.folder import load_model  # with torch, which takes seconds

    return load_model(fetch(str(name)) if is_repo_id(name) else name)


def fetch(repo: str) -> Path:
    """The folder in the Hub's cache with the newest model of `repo` or, if the Hub cannot be reached, the cached one.

    Raises BadInput if there is none, if it is not a model of this program, or if it is too large.
    """
    from huggingface_hub import HfApi, snapshot_download

    known = _cached(repo)
    try:
        once: Any = () if known else None
        info = with_retries(repo, lambda: HfApi().model_info(repo, files_metadata=True), once)
    except HubUnreachable:
        if known:
            return known
        raise
    sizes = {s.rfilename: s.size or 0 for s in info.siblings or ()}
    if absent := [name for name in FILES if name not in sizes]:
        raise BadInput(f"{repo!r} is not a model of this program: it has no {absent[0]}.")
    there = [name for name in (*FILES, *OPTIONAL) if name in sizes]
    if (size := sum(sizes[name] for name in there)) > MAX_MODEL_BYTES:
        raise BadInput(f"{repo!r} has {size / 1e9:.1f} GB, more than the limit of {MAX_MODEL_BYTES / 1e9:.0f} GB.")
    if too_large := [name for name in there if name != WEIGHTS and sizes[name] > MAX_JSON_BYTES]:
        raise BadInput(
            f"{too_large[0]} of {repo!r} is larger than {MAX_JSON_BYTES / 1e6:.0f} MB, which no model needs."
        )
    return Path(with_retries(repo, lambda: snapshot_download(repo, allow_patterns=there)))


def _cached(repo: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo, allow_patterns=[*FILES, *OPTIONAL], local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if all((folder / name).is_file() for name in FILES) else None
