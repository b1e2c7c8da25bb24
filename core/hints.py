"""The types of options: which of them JSON can carry, whether a value fits one, and its name for users."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from core.errors import quoted

PLAIN = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null", Path: "a path",
    Any: "anything", list: "a list", tuple: "a list", Sequence: "a list", dict: "an object", Mapping: "an object",
}  # fmt: skip
UNIONS, LISTS, OBJECTS = (Union, UnionType), (list, tuple, Sequence), (dict, Mapping)


def can_be_json(hint: Any) -> bool:
    """Whether JSON can carry values of this type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return all(isinstance(a, (str, int, NoneType)) for a in args)
    if origin in OBJECTS:
        return args[0] is str and can_be_json(args[1])
    if origin in (*UNIONS, *LISTS):
        return all(can_be_json(a) for a in args if a is not Ellipsis)
    return any(hint is plain for plain in PLAIN)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of this type; lists and tuples are interchangeable, and a string is a path too."""
    origin, args = get_origin(hint) or hint, get_args(hint)
    if origin is Literal:
        same = (a for a in args if value == a and isinstance(value, type(a)))
        return any(isinstance(value, bool) is isinstance(a, bool) for a in same)
    if origin in UNIONS:
        return any(fits(value, a) for a in args)
    if origin in OBJECTS:
        texts = isinstance(value, dict) and all(isinstance(key, str) for key in value)
        return texts and all(fits(v, args[1]) for v in value.values() if args)
    if origin in LISTS:
        if not isinstance(value, (list, tuple)):
            return False
        if origin is tuple and args and args[-1] is not Ellipsis:
            return len(value) == len(args) and all(map(fits, value, args))
        return all(fits(v, args[0]) for v in value if args)
    if hint in (int, float) and isinstance(value, bool):
        return False
    if hint is float:
        return isinstance(value, (int, float)) and _is_finite(value)
    if hint is Path:
        return isinstance(value, Path) or (isinstance(value, str) and bool(value.strip()))
    return hint is Any or isinstance(value, hint)


def first_misfit(value: Any, hint: Any, place: str = "") -> tuple[str, Any, Any] | None:
    """The first part of a value that is not of its type: its place, such as `[0]['cat']`, the part and its type."""
    if fits(value, hint):
        return None
    for key, part, wanted in _parts(value, hint):
        if not fits(part, wanted):
            return first_misfit(part, wanted, f"{place}[{quoted(key)}]")
    return place, value, hint


def numbers(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Every number in a value, each with its place as in `first_misfit`."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield place, value
    elif isinstance(value, (list, tuple, dict)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(part, f"{place}[{quoted(key)}]")


def with_paths(value: Any, hint: Any) -> Any:
    """The value, which must fit the type, with each string converted to Path where the type says Path."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in UNIONS:
        return with_paths(value, next(a for a in args if fits(value, a)))
    if origin in OBJECTS:
        return {key: with_paths(v, args[1]) for key, v in value.items()}
    if origin in LISTS:
        one = origin is not tuple or args[-1] is Ellipsis
        return type(value)(with_paths(v, args[0] if one else args[i]) for i, v in enumerate(value))
    return Path(value) if hint is Path else value


def type_name(hint: Any) -> str:
    """A type in words for users, such as `a number or null`."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return choices_in_words(args)
    if origin in UNIONS:
        return " or ".join(map(type_name, args))
    if origin in LISTS:
        return "a list of " + " and ".join(type_name(a) for a in args if a is not Ellipsis)
    if origin in OBJECTS:
        return f"an object with {type_name(args[1])} for each name"
    return PLAIN.get(hint, str(hint))


def choices_in_words(values: Iterable[Any]) -> str:
    """The values of a Literal in words, such as `soft | hard`; an empty text is shown as `""`."""
    return " | ".join('""' if value == "" else str(value) for value in values)


def _parts(value: Any, hint: Any) -> list[tuple[int | str, Any, Any]]:
    """The key, the value and the type of each part; [] if the value itself does not have the shape of the type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in UNIONS:
        return next(filter(None, (_parts(value, a) for a in args)), [])
    if origin in OBJECTS and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return [(key, part, args[1]) for key, part in value.items()]
    if origin not in LISTS or not isinstance(value, (list, tuple)):
        return []
    if origin is not tuple or args[-1] is Ellipsis:
        return [(i, part, args[0]) for i, part in enumerate(value)]
    return [(i, *pair) for i, pair in enumerate(zip(value, args, strict=True))] if len(value) == len(args) else []


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number larger than any float
        return False
