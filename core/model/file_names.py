"""The files of a model folder."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

WEIGHTS, CONFIG, CLASSES, HASHES = "model.safetensors", "config.json", "classes.json", "hashes.json"
MAX_JSON_BYTES = 10_000_000  # bytes of a JSON file, which takes far more memory once it is read


def read_json(file: Path) -> Any:
    """What a JSON file of a model says; raises OSError, or ValueError also where a stranger made it too large."""
    about = file.stat()
    if not stat.S_ISREG(about.st_mode):  # a pipe would never answer
        raise ValueError(f"{file.name} is not a file")
    if about.st_size > MAX_JSON_BYTES:
        raise ValueError(f"{file.name} is larger than {MAX_JSON_BYTES / 1e6:.0f} MB")
    return json.loads(file.read_text(encoding="utf-8"))
