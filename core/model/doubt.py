"""What a model folder may have beside the model: how it knows strangers, and below which confidence it is not sure."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError

from core.atomic import sha256, write_atomic
from core.errors import BadInput
from core.model.file_names import HASHES, STRANGERS, THRESHOLD, WEIGHTS, read_json
from core.model.hashes import add_hash
from core.model.strangers import Strangers

INVALID = (OSError, KeyError, TypeError, ValueError, RecursionError)


def save_strangers(folder: Path, strangers: Strangers) -> None:
    """Write them beside a model, and their hash among its hashes; raises BadInput on a full disk."""
    write_atomic(folder / STRANGERS, strangers.to_bytes())
    add_hash(folder, STRANGERS)  # last; without its hash the file is ignored


def read_strangers(folder: Path) -> Strangers | None:
    """How the model in a folder knows strangers, or None if it was saved without; raises BadInput if damaged."""
    file = folder / STRANGERS
    expected = read_json(folder / HASHES).get(STRANGERS)
    if expected is None or not file.is_file():
        return None
    try:
        if sha256(file) != expected:
            raise ValueError(f"its SHA-256 is not the one in {HASHES}")
        return Strangers.from_file(file)
    except (*INVALID, SafetensorError) as error:
        raise BadInput(f"{str(file)!r} is damaged ({str(error)[:150]}); delete it, or train again.") from None


def save_threshold(folder: Path, not_sure_below: float) -> None:
    """Keep the confidence below which the model in a folder is not sure, 0 for none; raises BadInput."""
    if not 0 <= not_sure_below <= 1:
        raise BadInput(f"A confidence of {not_sure_below} cannot be reached; give a number from 0 to 1.")
    document = {"not_sure_below": not_sure_below, "model": read_json(folder / HASHES)[WEIGHTS]}
    write_atomic(folder / THRESHOLD, json.dumps(document))


def read_threshold(folder: Path) -> float:
    """The confidence below which the model in a folder is not sure, 0 if none was chosen for this model."""
    try:
        document = read_json(folder / THRESHOLD)
        value = float(document["not_sure_below"])
        return value if document["model"] == read_json(folder / HASHES)[WEIGHTS] and 0 <= value <= 1 else 0.0
    except INVALID:
        return 0.0


def doubt_files(folder: Path) -> list[str]:
    """The names of those of these files that belong to the model in a folder; raises BadInput if one is damaged."""
    found = {STRANGERS: read_strangers(folder) is not None, THRESHOLD: read_threshold(folder) > 0}
    return [name for name, there in found.items() if there]
