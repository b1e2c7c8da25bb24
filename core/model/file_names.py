"""The names of the files in a model folder, and reading its JSON files safely."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

WEIGHTS, CONFIG, CLASSES, HASHES = "model.safetensors", "config.json", "classes.json", "hashes.json"
STRANGERS, THRESHOLD = "strangers.safetensors", "threshold.json"  # a model may have neither
MAX_JSON_BYTES = 10_000_000  # parsed JSON takes far more memory than its file


def read_json(file: Path) -> Any:
    """The content of a model's JSON file; raises OSError, or ValueError if it is too large or not JSON."""
    about = file.stat()
    if not stat.S_ISREG(about.st_mode):  # reading from a pipe could block forever
        raise ValueError(f"{file.name} is not a file")
    if about.st_size > MAX_JSON_BYTES:
        raise ValueError(f"{file.name} is larger than {MAX_JSON_BYTES / 1e6:.0f} MB")
    return json.loads(file.read_text(encoding="utf-8"))
