"""What a photo is known by wherever it lies: the hash of its file's content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.atomic import sha256

DIGITS = 24  # hexadecimal; enough against mistakes, not against an enemy


def digest(source: bytes | Path) -> str:
    """The SHA-256 of a photo's content, shortened to `DIGITS`; raises OSError."""
    whole = hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else sha256(source)
    return whole[:DIGITS]
