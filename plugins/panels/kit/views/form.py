"""Forms for any plugin, drawn from its signature; the browser checks what it can, the recipe the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from core.recipe import Choice
from core.registry import Entry, NameOrChoice, Param, Registry, as_choice
from plugins.panels.kit.project.places import is_list
from plugins.panels.kit.views.html import Html, joined


def chooser(
    registry: Registry[Any],
    choice: NameOrChoice,
    path: str,
    label: str,
    short: bool = False,
    names: Sequence[str] = (),
    about: Callable[[Choice], str] = lambda _: "",
) -> Html:
    """A dropdown of the registry's names and the form of the chosen plugin, for the option `path` of a recipe.

    With `names`, only those are offered; `about` says something of each choice.
    """
    choice = as_choice(choice)
    entry = registry[choice["name"]]
    offered = [e.name for e in registry if not names or e.name in names or e is entry]
    listed = [(name, " · ".join(filter(None, (called(registry[name]), about({"name": name}))))) for name in offered]
    pick = Html(
        '<label class="option"><span>{}</span><select data-choose data-path="{}">{}</select><small>{}</small></label>'
    ).format(label, path, _choices(listed, entry.name), entry.help)
    options = (short_form if short else form)(entry.params, choice, path)
    return Html('<div class="choosing">{}{}</div>').format(pick, _fresh(options, entry.name))


def chooser_list(
    registry: Registry[Any], choices: Sequence[NameOrChoice], path: str, label: str, names: Sequence[str] = ()
) -> Html:
    """A chooser for each plugin in a list, with buttons to move and remove it, and a menu of plugins to add.

    With `names`, only those are offered.
    """
    chosen = list(map(as_choice, choices))
    rows = joined(
        Html('<div class="row" role="group" aria-label="{}, {} of {}" data-place="{}" tabindex="-1">{}{}</div>').format(
            choice["name"],
            i + 1,
            len(chosen),
            f"{path}.{i}",
            chooser(registry, choice, f"{path}.{i}", label, names=names),
            _moves(choice["name"], path, i, len(chosen)),
        )
        for i, choice in enumerate(chosen)
    )
    offered = joined(_add(entry, path, len(chosen)) for entry in registry if not names or entry.name in names)
    return Html(
        '<div class="plugins" role="group" aria-label="{}" data-place="{}" tabindex="-1">{}'
        '<details><summary>Add {}</summary><div class="choices">{}</div></details></div>'
    ).format(path.split(".")[-1].replace("_", " "), path, _fresh(rows, chosen), label.lower(), offered)


def form(params: Iterable[Param], values: Mapping[str, Any], path: str) -> Html:
    """An input for each parameter, with its value or its default."""
    return Html('<div class="options">{}</div>').format(joined(_option(p, values, path) for p in params))


def called(entry: Entry[Any]) -> str:
    """What forms call a plugin: its `title`, else its name."""
    return str(getattr(entry.factory, "title", "") or entry.name)


def short_form(params: Iterable[Param], values: Mapping[str, Any], path: str) -> Html:
    """A form that shows required options, and a first text option, such as a pattern, once it is not the default.

    The others are under `More`.
    """
    known = list(params)
    changed = bool(known) and known[0].type is str and values.get(known[0].name, known[0].default) != known[0].default
    first = [p for i, p in enumerate(known) if p.required or (i == 0 and changed)]
    rest = [p for p in known if p not in first]
    more = Html("<details><summary>More</summary>{}</details>").format(form(rest, values, path)) if rest else ""
    return form(first, values, path) + more


def option(param: Param, value: Any, path: str, choices: Sequence[object] = ()) -> Html:
    """One input with its label and help; with `choices`, only those are offered."""
    label = param.title or param.name
    if param.registry is not None:
        return (chooser_list if is_list(param) else chooser)(param.registry, value, path, label)
    field = _field(param, value, Html('data-path="{path}" name="{path}"').format(path=path), choices or param.choices)
    return Html('<label class="option"><span>{}</span>{}<small>{}</small></label>').format(label, field, param.help)


def _option(param: Param, values: Mapping[str, Any], path: str) -> Html:
    return option(param, values.get(param.name, None if param.required else param.default), f"{path}.{param.name}")


def _moves(name: str, path: str, index: int, count: int) -> Html:
    """Buttons to move and remove a plugin; each names the item that has the focus afterwards."""
    place = f"{path}.{index}"
    ends = {"up": index == 0, "down": index == count - 1}
    return Html('<p class="moves">{}</p>').format(
        joined(
            Html(
                '<button type="button" class="plain" data-do="{do}" data-option="{place}" data-focus="{goal}" '
                'aria-label="{said}"{disabled}>{label}</button>'
            ).format(
                do=do,
                place=place,
                goal=goal,
                said=said,
                disabled=Html(" disabled") if ends.get(do) else "",
                label=do.capitalize(),
            )
            for do, goal, said in (
                ("up", f"{path}.{index - 1}", f"Move {name} up"),
                ("down", f"{path}.{index + 1}", f"Move {name} down"),
                ("remove", path, f"Remove {name}"),
            )
        )
    )


def _add(entry: Entry[Any], path: str, count: int) -> Html:
    return Html(
        '<button type="button" class="choice" data-do="add" data-option="{}" data-value="{}" data-focus="{}">'
        "<b>{}</b><small>{}</small></button>"
    ).format(path, entry.name, f"{path}.{count}", entry.name, entry.help)


def _fresh(body: Html, shown: str | Sequence[Choice]) -> Html:
    """HTML in a tag named after its content, because in a tag of the same name fields keep what was typed."""
    digest = hashlib.blake2b(json.dumps(shown, default=str).encode(), digest_size=8).hexdigest()
    return Html('<of-{digest} style="display: contents">{body}</of-{digest}>').format(digest=digest, body=body)


def _field(param: Param, value: Any, attributes: Html, choices: Sequence[object]) -> Html:
    kinds = {param.type, *get_args(param.type)}
    if choices:
        named = [(choice, str(choice).replace("_", " ")) for choice in choices]
        return Html("<select {}>{}</select>").format(attributes, _choices(named, value))
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


def _choices(names: Iterable[tuple[object, str]], chosen: object) -> Html:
    one = Html('<option value="{name}"{selected}>{label}</option>')
    return joined(
        one.format(name=name, label=label, selected=" selected" if name == chosen else "") for name, label in names
    )
