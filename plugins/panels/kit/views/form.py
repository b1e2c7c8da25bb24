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
from plugins.panels.kit.project.project import REGISTRY_OF, Project
from plugins.panels.kit.views.html import Html, joined


def chooser(registry: Registry[Any], choice: Mapping[str, Any], path: str, label: str, short: bool = False) -> Html:
    """A dropdown of the registry's names and the form of the chosen one, for the place `path` of a recipe."""
    entry = registry[choice["name"]]
    pick = Html(
        '<label class="option"><span>{}</span><select data-choose data-path="{}">{}</select><small>{}</small></label>'
    ).format(label, path, _choices([e.name for e in registry], entry.name), entry.help)
    options = (short_form if short else form)(entry.params, choice, path)
    return Html('<div class="choosing">{}{}</div>').format(pick, options)


def form(params: Iterable[Param], values: Mapping[str, Any], path: str) -> Html:
    """An option for each parameter, with its value or its default."""
    return Html('<div class="options">{}</div>').format(joined(_option(p, values, path) for p in params))


def short_form(params: Iterable[Param], values: Mapping[str, Any], path: str) -> Html:
    """The same with only those options in sight that a person must give, and a first one that is a text: a pattern."""
    known = list(params)
    first = [p for i, p in enumerate(known) if p.required or (i == 0 and p.type is str)]
    rest = [p for p in known if p not in first]
    more = Html("<details><summary>More</summary>{}</details>").format(form(rest, values, path)) if rest else ""
    return form(first, values, path) + more


def _option(param: Param, values: Mapping[str, Any], path: str) -> Html:
    return option(param, values.get(param.name, None if param.required else param.default), f"{path}.{param.name}")


def option(param: Param, value: Any, path: str) -> Html:
    """One input with its label and help."""
    field = _field(param, value, Html('data-path="{path}" name="{path}"').format(path=path))
    return Html('<label class="option"><span>{}</span>{}<small>{}</small></label>').format(
        param.name.replace("_", " "), field, param.help
    )


def _field(param: Param, value: Any, attributes: Html) -> Html:
    kinds = {param.type, *get_args(param.type)}
    if param.choices:
        return Html("<select {}>{}</select>").format(attributes, _choices(param.choices, value))
    if param.type is bool:
        return Html('<input type="checkbox" {}{}>').format(attributes, " checked" if value else "")
    if kinds <= {int, float, NoneType}:
        bounds = Html(' min="{:.10g}" max="{:.10g}"').format(param.range.low, param.range.high) if param.range else ""
        step = "1" if float not in kinds else "any"
        needed = "" if NoneType in kinds else " required"
        shown = "" if value is None else f"{value:.10g}"
        return Html('<input type="number" inputmode="decimal" step="{}" {}{}{} value="{}">').format(
            step, attributes, bounds, needed, shown
        )
    shown = json.dumps(value, default=str)
    if value is None or isinstance(value, (str, Path)):
        shown = str(value or "")
    return Html('<input type="text" autocomplete="off" spellcheck="false" {} value="{}">').format(attributes, shown)


def _choices(names: Iterable[object], chosen: object) -> Html:
    one = Html('<option value="{name}"{selected}>{name}</option>')
    return joined(one.format(name=name, selected=" selected" if name == chosen else "") for name in names)


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
    here: Any = project.require_recipe().to_dict()
    for part in place.split("."):
        try:
            here = here[int(part)] if isinstance(here, list) else here[part]
        except (KeyError, IndexError, ValueError, TypeError):
            raise BadInput(f"The recipe has nothing at {place!r}.") from None
    kind = place.split(".")[0]
    params = TRAINING if kind == "training" else REGISTRY_OF[kind][here["name"]].params if kind in REGISTRY_OF else ()
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
