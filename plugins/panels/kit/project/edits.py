"""Apply what forms send to the recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.data.files import get_tables
from core.errors import BadInput
from core.hints import fits
from core.recipe import Choice
from core.registry import Param
from plugins.panels.kit.project.places import find, is_list
from plugins.panels.kit.project.project import Project

STEPS = {"up": -1, "down": 1}


def edit(project: Project, data: Mapping[str, Any]) -> None:
    """Set an option; raises BadInput."""
    project.edit(*typed(project, data))


def typed(project: Project, data: Mapping[str, Any]) -> tuple[str, Any]:
    """The option's path in the recipe and its value, converted to its type, from a form's event; raises BadInput."""
    path = str(data.get("option"))
    param, _ = find(project.require_recipe(), path)
    return path, parsed(param, str(data.get("value")))


def parsed(param: Param, value: str) -> Any:
    """Convert the text of a form to the option's type, if it fits."""
    if param.type is str:
        return value
    for choice in param.choices:
        if str(choice) == value:
            return choice
    if not value.strip():
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if fits(found, param.type) else value  # a path may be named 5


def choose(project: Project, data: Mapping[str, Any]) -> None:
    """Choose another plugin for an option, or add, move or remove one in a list, as `do` says; raises BadInput."""
    path, name, do = str(data.get("option")), str(data.get("value")), str(data.get("do") or "")
    with project.draft.lock:
        param, value = find(project.require_recipe(), path)
        if param.registry is None or is_list(param) != (do == "add"):
            raise BadInput(f"A recipe has no option {path!r} that is a plugin.")
        if do == "add":
            project.edit(path, [*value, _with_defaults(project, param, path, name)])
        elif do in STEPS or do == "remove":
            _rearrange(project, path, do)
        else:
            project.edit(path, _with_defaults(project, param, path, name))


def _rearrange(project: Project, path: str, do: str) -> None:
    place, _, last = path.rpartition(".")
    if not last.isdecimal():
        raise BadInput(f"{path!r} is not in a list, so it cannot be moved or removed.")
    choices, index = list(find(project.require_recipe(), place)[1]), int(last)
    choice = choices.pop(index)
    if do != "remove":
        choices.insert(max(0, index + STEPS[do]), choice)
    project.edit(place, choices)


def _with_defaults(project: Project, param: Param, path: str, name: str) -> Choice:
    """The plugin `name` with its options; required ones are left empty, and a visitor gets permitted values."""
    assert param.registry is not None
    permitted = getattr(param.registry[name].factory, "visitors_may", {}) if project.confined else {}
    options: dict[str, Any] = {option: allowed[0] for option, allowed in permitted.items()}
    for option in param.registry[name].params:
        if option.required and option.type in (str, Path):
            root = Path(project.build("source", project.require_recipe()).root)
            tables = get_tables(root) if (path, option.name) == ("labeller", "path") else []
            nothing = str(root) if option.type is Path else ""  # an empty text is not a path
            options[option.name] = str(tables[0]) if tables else nothing
    return {"name": name, **options}
