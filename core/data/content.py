"""The hash of a file's content, which identifies a photo wherever it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.atomic import sha256

DIGITS = 24  # hexadecimal; enough against accidental collisions, not against attacks


def digest(source: bytes | Path) -> str:
    """The first `DIGITS` hexadecimal digits of the SHA-256 of a photo's content; raises OSError."""
    whole = hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else sha256(source)
    return whole[:DIGITS]
