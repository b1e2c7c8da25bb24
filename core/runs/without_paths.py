"""A recipe's document as others may see it: without paths of this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HIDDEN = "(a path, left out)"
ABSOLUTE = re.compile(r"\^?(\w+://|\.\.[\\/]|(~|[A-Za-z]:)[\\/]|//?[\w.-]+(/|$)|\\\\[\w.-]+\\)")


def without_paths(document: Any) -> Any:
    """A recipe's document without paths of this machine."""
    paths = [Path(os.path.expanduser("~")), *_paths(document)]
    places = {_spelled(str(p)).strip("/") for path in paths for p in (path, *path.parents) if len(p.parts) > 2}
    return _without(document, places)


def _paths(document: Any) -> Iterator[Path]:
    for key, value in document.items() if isinstance(document, dict) else ():
        if key == "path" and isinstance(value, str):
            yield Path(value)
        yield from _paths(value)


def _without(value: Any, places: set[str]) -> Any:
    if isinstance(value, list):
        return [_without(each, places) for each in value]
    if isinstance(value, dict):
        return {key: _without(each, places) for key, each in value.items() if key != "path"}
    if isinstance(value, str):
        spellings = _spelled(value), _spelled(value.replace("\\", ""))  # a regular expression may escape "/" or "-"
        if ABSOLUTE.match(value) or any(place in spelled for place in places for spelled in spellings):
            return HIDDEN
    return value


def _spelled(text: str) -> str:
    """The text with one kind of path separator and case-folded."""
    return re.sub(r"[\\/]+", "/", text).casefold()
