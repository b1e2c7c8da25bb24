r"""Registries map a short name to a factory, and read the factory's options from its signature.

    @labellers.register("regex")
    class RegexLabeller:
        def __init__(self, pattern: Annotated[str, "Group 1 is the label"] = r"(.+)_\d+\.jpg$") -> None: ...

    labellers.create("regex", pattern=r"(.+)_\d+.jpg$")

Parameters before `/` are supplied by the engine; those after it are the user's options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from core.errors import BadInput, quoted
from core.hints import LISTS, can_be_json, first_misfit, numbers, type_name, with_paths

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
NameOrChoice = str | Mapping[str, Any]  # the name of a plugin, or {"name": ..., **options}
Defaults = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Range:
    """The inclusive bounds of a number, or of every number in a list or an object."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Raise ValueError where no number lies between the bounds."""
        if not self.low <= self.high:  # nor between NaNs
            raise ValueError(f"no number lies between {self.low} and {self.high}")


@dataclass(frozen=True, slots=True)
class NameOf:
    """The annotation of an option whose value is the name of a plugin in `registry`, or one of `others`."""

    registry: Registry[Any]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Title:
    """What forms call an option whose name says little to a newcomer."""

    text: str


@dataclass(frozen=True, slots=True)
class Param:
    """One option of a factory, from which forms, the checks of recipes and the help are made.

    With a `registry`, its value is a plugin of it or a list of these, each a name or `{"name": ..., **options}`.
    """

    name: str
    type: Any
    default: Any
    help: str = ""
    range: Range | None = None
    registry: Registry[Any] | None = None
    name_of: NameOf | None = None
    title: str = ""

    @property
    def required(self) -> bool:
        """Whether the user must give a value."""
        return self.default is inspect.Parameter.empty

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a Literal, or the names allowed by `name_of`; else ()."""
        if self.name_of:
            return (*self.name_of.others, *(entry.name for entry in self.name_of.registry))
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    @property
    def kind(self) -> str:
        """What a value must be, in words that do not depend on which plugins have been discovered."""
        if self.registry is not None:
            return f"{'a list' if get_origin(self.type) in LISTS else 'one'} of the {self.registry.kind}"
        if self.name_of:
            return " | ".join([*self.name_of.others, f"one of the {self.name_of.registry.kind}"])
        return type_name(self.type)

    def check(self, value: Any, where: str) -> None:
        """Raise BadInput if `value` has the wrong type, is out of range or is not a plugin of the registry."""
        misfit = ("", value, self.type) if self.name_of and value not in self.choices else None
        if misfit := misfit or first_misfit(value, self.type):
            place, part, hint = misfit
            raise BadInput(f"{where}: {self.name}{place} is {quoted(part)}, but must be {self._wanted(hint)}.")
        for place, number in numbers(value) if self.range else ():
            if self.range and not self.range.low <= number <= self.range.high:
                bounds = f"{self.range.low:g} and {self.range.high:g}"
                raise BadInput(f"{where}: {self.name}{place} is {quoted(number)}, but must lie between {bounds}.")
        if self.registry is not None:
            for choice in value if isinstance(value, (list, tuple)) else [value]:
                self.registry.check(choice)

    def _wanted(self, hint: Any) -> str:
        """What a value, or a part of one that must be of the type `hint`, must be."""
        if hint is self.type and self.registry is not None:
            return f"{self.kind}: {', '.join(entry.name for entry in self.registry)}"
        choices = self.choices if hint is self.type else get_args(hint) if get_origin(hint) is Literal else ()
        return f"one of {', '.join(map(repr, choices))}" if choices else type_name(hint)


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A registered factory and what its signature and docstring say."""

    name: str
    factory: Callable[..., T]
    params: tuple[Param, ...]
    help: str
    module: str
    default: Defaults


class Registry(Generic[T]):
    """Named factories of one kind; `kind` is the plural, the name of the folder under plugins/.

    A factory must have the attributes in `required`.
    """

    def __init__(self, kind: str, required: tuple[str, ...] = ()) -> None:
        self.kind, self.required = kind, required
        self._entries: dict[str, Entry[T]] = {}

    def register(self, name: str, default: Defaults = MappingProxyType({})) -> Callable[[F], F]:
        """Decorator that registers a class or function as `name`.

        `default` maps each key of a recipe under which this plugin is the default to its options there.
        Raises ValueError if the name is taken, an attribute is missing or JSON cannot carry the type of an option.
        """

        def decorate(factory: F) -> F:
            if name in self._entries:
                raise ValueError(f"{self.kind}: {name!r} is already registered by {self._entries[name].module}")
            params = params_of(factory)
            if any(p.name == "name" for p in params):
                raise ValueError(f"{self.kind} {name!r}: an option cannot be called 'name', a key that recipes use")
            if strange := next((p for p in params if not can_be_json(p.type)), None):
                raise ValueError(
                    f"{self.kind} {name!r}: the option {strange.name!r} has the type {strange.type}, which JSON cannot "
                    "carry; use str, int, float, bool, Path, Literal, or a list, dict[str, ...] or Optional of these"
                )
            if missing := next((attribute for attribute in self.required if not hasattr(factory, attribute)), None):
                raise ValueError(f"{self.kind} {name!r} must have {missing}, as those in plugins/{self.kind} do")
            summary = (inspect.getdoc(factory) or "").split("\n\n")[0].replace("\n", " ")
            self._entries[name] = Entry(name, factory, params, summary, factory.__module__, default)
            return factory

        return decorate

    def discard(self, module: str) -> None:
        """Remove what a module registered before its import failed."""
        self._entries = {name: entry for name, entry in self._entries.items() if entry.module != module}

    def create(self, name: str, /, *supplied: Any, **options: Any) -> T:
        """Build `name` from what the engine supplies and the user's options; raises BadInput."""
        return self.build({"name": name, **options}, *supplied)

    def build(self, choice: NameOrChoice, *supplied: Any) -> T:
        """Build the plugin that a name or `{"name": ..., **options}` describes; raises BadInput."""
        return self.bind(choice)(*supplied)

    def bind(self, choice: NameOrChoice) -> Callable[..., T]:
        """The factory with its options bound, to be called with what the engine supplies; raises BadInput."""
        self.check(choice)
        options = as_choice(choice)
        entry = self[options.pop("name")]
        types = {p.name: p.type for p in entry.params}
        given = {option: with_paths(value, types[option]) for option, value in options.items()}
        return partial(entry.factory, **given) if given else entry.factory

    def check(self, choice: NameOrChoice) -> None:
        """Raise BadInput if a name or `{"name": ..., **options}` does not fit the signature."""
        options = as_choice(choice)
        entry = self[options.pop("name", "")]
        check_options(entry.params, options, f"{self.kind} {entry.name!r}")

    def defaults(self, key: str) -> list[dict[str, Any]]:
        """The default choices under `key` of a recipe, as the plugins of this kind declare them."""
        return [{"name": entry.name, **entry.default[key]} for entry in self if key in entry.default]

    def __getitem__(self, name: str) -> Entry[T]:
        if not isinstance(name, str) or name not in self._entries:
            raise BadInput(
                f"There is no {quoted(name)} among the {self.kind}; there are: {', '.join(sorted(self._entries))}."
            )
        return self._entries[name]

    def __iter__(self) -> Iterator[Entry[T]]:
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries


sources: Registry[Any] = Registry("sources")
labellers: Registry[Any] = Registry("labellers")
splitters: Registry[Any] = Registry("splitters")
transforms: Registry[Any] = Registry("transforms")
architectures: Registry[Any] = Registry("architectures")
losses: Registry[Any] = Registry("losses")
metrics: Registry[Any] = Registry("metrics", required=("higher_is_better",))
optimizers: Registry[Any] = Registry("optimizers")
exporters: Registry[Any] = Registry("exporters")
panels: Registry[Any] = Registry("panels")
registries = {
    r.kind: r
    for r in (sources, labellers, splitters, transforms, architectures, losses, metrics, optimizers, exporters, panels)
}


def as_choice(choice: NameOrChoice) -> dict[str, Any]:
    """A name as `{"name": ...}`, or a copy of a choice that has that form already."""
    return {"name": choice} if isinstance(choice, str) else dict(choice)


def params_of(factory: Callable[..., Any]) -> tuple[Param, ...]:
    """Read the options of a class or function from its annotated signature."""
    owner = factory.__init__ if inspect.isclass(factory) else factory
    owners = (factory, owner) if inspect.isclass(factory) else (owner,)
    plain: dict[str, Any] = {}
    annotated: dict[str, Any] = {}
    for one in owners:
        plain |= get_type_hints(one)
        annotated |= get_type_hints(one, include_extras=True)
    skip = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(factory).parameters.values()
    return tuple(
        _param(p, plain.get(p.name, str), annotated.get(p.name, str)) for p in parameters if p.kind not in skip
    )


def check_options(params: tuple[Param, ...], options: Mapping[str, Any], where: str) -> None:
    """Raise BadInput for an unknown, missing, mistyped or out-of-range option."""
    known = {p.name: p for p in params}
    for name, value in options.items():
        if name not in known:
            raise BadInput(f"{where} has no option {quoted(name)}; it has: {', '.join(known) or 'none'}.")
        known[name].check(value, where)
    for p in params:
        if p.required and p.name not in options:
            raise BadInput(f"{where} needs {p.name!r}{f' ({p.help})' if p.help else ''}.")


def _param(parameter: inspect.Parameter, hint: Any, annotated: Any) -> Param:
    notes = get_args(annotated)[1:] if get_origin(annotated) is Annotated else ()
    bounds = dict.fromkeys(_ranges(annotated))
    if len(bounds) > 1:
        raise ValueError(f"the option {parameter.name!r} has {len(bounds)} different ranges; give one for all numbers")
    return Param(
        name=parameter.name,
        type=hint,
        default=parameter.default,
        help=next((n for n in notes if isinstance(n, str)), ""),
        range=next(iter(bounds), None),
        registry=next((n for n in notes if isinstance(n, Registry)), None),
        name_of=next((n for n in notes if isinstance(n, NameOf)), None),
        title=next((n.text for n in notes if isinstance(n, Title)), parameter.name.replace("_", " ").capitalize()),
    )


def _ranges(hint: Any) -> Iterator[Range]:
    """The ranges anywhere in a type, also in those of the values of a list or an object."""
    if isinstance(hint, Range):
        yield hint
    for inner in get_args(hint):
        yield from _ranges(inner)
