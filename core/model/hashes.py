"""The hashes of the files in a model folder, by which damage is noticed."""

from __future__ import annotations

import json
from pathlib import Path

from core.atomic import sha256, write_atomic
from core.errors import BadInput
from core.model.file_names import CLASSES, CONFIG, HASHES, WEIGHTS, read_json


def add_hash(folder: Path, name: str) -> None:
    """Add the hash of another file of a model folder to its hashes."""
    hashes = read_json(folder / HASHES) | {name: sha256(folder / name)}
    write_atomic(folder / HASHES, json.dumps(hashes, indent=2))


def check_hashes(folder: Path) -> None:
    """Raise BadInput unless the files of a model folder are those that were saved."""
    try:
        hashes = read_json(folder / HASHES)
        for name in (WEIGHTS, CONFIG, CLASSES):
            if sha256(folder / name) != hashes[name]:
                raise BadInput(
                    f"{str(folder / name)!r} is damaged: its SHA-256 is not the one in {HASHES}; "
                    "save or download the model again."
                )
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"{str(folder)!r} is incomplete: {error}; save or download the model again.") from None
