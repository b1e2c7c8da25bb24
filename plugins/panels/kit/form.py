"""A form for any plugin, drawn from its signature; the browser checks what it can, the recipe checks the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from core.errors import BadInput
from core.hints import fits
from core.recipe import TRAINING
from core.registry import Param, Registry
from core.runs.project import KINDS, Project
from plugins.panels.kit.html import text


def chooser(registry: Registry[Any], choice: Mapping[str, Any], path: str, label: str, short: bool = False) -> str:
    """A dropdown of the registry's names and the form of the chosen one, for the place `path` of a recipe."""
    entry = registry[choice["name"]]
    choices = "".join(
        f'<option value="{text(e.name)}"{" selected" if e.name == entry.name else ""}>{text(e.name)}</option>'
        for e in registry
    )
    pick = (
        f'<label class="option"><span>{text(label)}</span>'
        f'<select data-choose data-path="{text(path)}">{choices}</select>'
        f"<small>{text(entry.help)}</small></label>"
    )
    return f'<div class="choosing">{pick}{(short_form if short else form)(entry.params, choice, path)}</div>'


def form(params: Iterable[Param], values: Mapping[str, Any], path: str) -> str:
    """An option for each parameter, with its value or its default."""
    return f'<div class="options">{"".join(_option(p, values, path) for p in params)}</div>'


def short_form(params: Iterable[Param], values: Mapping[str, Any], path: str) -> str:
    """The same with only those options in sight that a person must give, and a first one that is a text: a pattern."""
    known = list(params)
    first = [p for i, p in enumerate(known) if p.required or (i == 0 and p.type is str)]
    rest = [p for p in known if p not in first]
    more = f"<details><summary>More</summary>{form(rest, values, path)}</details>" if rest else ""
    return form(first, values, path) + more


def _option(param: Param, values: Mapping[str, Any], path: str) -> str:
    return option(param, values.get(param.name, None if param.required else param.default), f"{path}.{param.name}")


def option(param: Param, value: Any, path: str) -> str:
    """One input with its label and help."""
    name = text(param.name.replace("_", " "))
    attributes = f'data-path="{text(path)}" name="{text(path)}"'
    kinds = {param.type, *get_args(param.type)}
    if param.choices:
        choices = "".join(
            f'<option value="{text(c)}"{" selected" if c == value else ""}>{text(c)}</option>' for c in param.choices
        )
        field = f"<select {attributes}>{choices}</select>"
    elif param.type is bool:
        field = f'<input type="checkbox" {attributes}{" checked" if value else ""}>'
    elif kinds <= {int, float, NoneType}:
        bounds = f' min="{param.range.low:.10g}" max="{param.range.high:.10g}"' if param.range else ""
        step = "1" if float not in kinds else "any"
        needed = "" if NoneType in kinds else " required"
        shown = "" if value is None else f"{value:.10g}"
        field = f'<input type="number" inputmode="decimal" step="{step}" {attributes}{bounds}{needed} value="{shown}">'
    else:
        shown = (
            value
            if isinstance(value, str)
            else str(value)
            if isinstance(value, Path)
            else ""
            if value is None
            else json.dumps(value, default=str)
        )
        field = f'<input type="text" autocomplete="off" spellcheck="false" {attributes} value="{text(shown)}">'
    return f'<label class="option"><span>{name}</span>{field}<small>{text(param.help)}</small></label>'


def edit(project: Project, data: Mapping[str, Any]) -> None:
    """Put what a form sent into the recipe; raises BadInput."""
    project.edit(*typed(project, data))


def choose(project: Project, data: Mapping[str, Any]) -> None:
    """Put the plugin that a chooser sent into the recipe; raises BadInput."""
    project.choose(str(data.get("option")), str(data.get("value")))


def typed(project: Project, data: Mapping[str, Any]) -> tuple[str, Any]:
    """The place in the recipe, and the value in the option's own type, of what a form sent; raises BadInput."""
    path, value = str(data.get("option")), str(data.get("value"))
    place, _, name = path.rpartition(".")
    here: Any = project.must_have_recipe().to_dict()
    for part in place.split("."):
        try:
            here = here[int(part)] if isinstance(here, list) else here[part]
        except (KeyError, IndexError, ValueError, TypeError):
            raise BadInput(f"The recipe has nothing at {place!r}.") from None
    kind = place.split(".")[0]
    params = TRAINING if kind == "training" else KINDS[kind][here["name"]].params if kind in KINDS else ()
    return path, parsed(params, name, value)


def parsed(params: Iterable[Param], name: str, value: str) -> Any:
    """What a form sent for the option `name`, in the option's own type; raises BadInput for an unknown option."""
    param = next((p for p in params if p.name == name), None)
    if param is None:
        raise BadInput(f"There is no option {name!r} here.")
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
    return found if fits(found, param.type) else value  # a path may be called 5
