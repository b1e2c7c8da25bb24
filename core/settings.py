"""What people type as options: a setting such as `training.epochs=3`, and a plugin as its name or as JSON."""

from __future__ import annotations

import json
from typing import Any

from core.errors import BadInput, quoted


def parse_setting(setting: str) -> tuple[str, Any]:
    """The path and the value of a setting such as `training.epochs=3`, with the value as JSON or else text."""
    path, equals, text = setting.partition("=")
    if not equals:
        raise BadInput(f"--set takes PATH=VALUE, such as training.epochs=3, not {setting!r}.")
    try:
        return path, json.loads(text)
    except (ValueError, RecursionError):
        return path, text


def parse_choice(text: str) -> dict[str, Any]:
    """The choice that a name, or JSON as in a recipe, stands for; raises BadInput."""
    if not text.lstrip().startswith("{"):
        return {"name": text}
    try:
        return dict(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{quoted(text)} is neither a name nor JSON: {error}.") from None


def set_option(document: Any, path: str, value: Any) -> None:
    """Set what a dotted path leads to in a recipe's document; raises BadInput."""
    *parents, last = path.split(".")
    here = document
    try:
        for part in parents:
            here = here[int(part)] if isinstance(here, list) else here[part]
        if isinstance(here, list):
            here[int(last)] = value
        elif isinstance(here, dict):
            here[last] = value
        else:
            raise KeyError(last)
    except (KeyError, IndexError, ValueError, TypeError):
        raise BadInput(f"--set: this recipe has no {path!r}.") from None
