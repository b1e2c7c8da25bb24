"""What JSON can carry is an option, and is checked; what it cannot is refused where it is declared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest

from core.as_python import _literal
from core.errors import BadInput
from core.hints import type_name
from core.registry import Param, Range, Registry


class Colour(Enum):
    RED = 1


def taking(hint: Any) -> Callable[..., Any]:
    """A plugin whose one option has that type, and which gives it back."""

    def factory(value: Any) -> Any:
        return value

    factory.__annotations__["value"] = hint
    return factory


GOOD: list[tuple[Any, list[Any], list[Any]]] = [
    (dict, [{}, {"a": [1]}], [[], "a", None, {1: 2}]),
    (dict[str, float], [{}, {"cat": 2, "dog": 0.5}], [{"cat": "2"}, {"cat": True}, {"cat": float("nan")}, [1.0]]),
    (Mapping[str, int], [{"a": 1}], [{"a": 1.5}]),
    (Sequence[str], [[], ["a"], ("a", "b")], ["a", [1], {"a": 1}]),
    (Sequence[Sequence[int]], [[[1], [2, 3]]], [[1], [["1"]]]),
    (list, [[], [1, "a"]], ["a", {}]),
    (tuple, [[], [1, "a"]], ["a", {}]),
    (Path, ["photos", Path("photos"), "5"], ["", "  ", 5, None, ["photos"]]),
    (Path | None, ["photos", None], ["", 5]),
    (list[Path], [["a", "b"]], ["a", [1]]),
    (dict[str, Path | None], [{"a": "b", "c": None}], [{"a": 1}]),
    (Optional[Sequence[int | None]], [None, [1, None]], [[1.5], 3]),  # noqa: UP045
    (Literal["a", 1, None], ["a", 1, None], ["b", True, 1.0]),
    (float, [1, 0.5, 10**20], [float("nan"), float("inf"), 10**400, "1"]),
    (float | None, [None, 1], [float("-inf"), -(10**400)]),
    (Any, [1, "a", None, {"a": [1]}], []),
]


@pytest.mark.parametrize(("hint", "good", "bad"), GOOD, ids=lambda v: str(v)[:40])
def test_what_json_can_carry_is_checked(hint: Any, good: list[Any], bad: list[Any]) -> None:
    registry: Registry[Any] = Registry("things")
    registry.register("thing")(taking(hint))
    for value in good:
        registry.create("thing", value=value)
    for value in bad:
        with pytest.raises(BadInput, match=r"^things 'thing': value(\[.+\])? is .+, but must be .+\.$") as caught:
            registry.create("thing", value=value)
        assert len(str(caught.value)) < 300 and "typing." not in str(caught.value)


BAD = [set, set[str], frozenset, bytes, complex, object, Colour, Callable[[int], int], type, dict[int, str],
       dict[str, set[int]], list[bytes], tuple[int, Colour], Path | Colour, Literal[b"a"],
       Sequence[Callable[..., int]]]  # fmt: skip


@pytest.mark.parametrize("hint", BAD, ids=str)
def test_what_json_cannot_carry_is_refused_where_it_is_declared(hint: Any) -> None:
    registry: Registry[Any] = Registry("things")
    with pytest.raises(ValueError, match=r"things 'thing': the option 'value' has the type .+, which JSON cannot"):
        registry.register("thing")(taking(hint))
    assert "thing" not in registry


@pytest.mark.parametrize(
    ("hint", "value", "made"),
    [
        (Path, "a/b", Path("a/b")),
        (Path | None, None, None),
        (Path | None, "a", Path("a")),
        (str | Path, "a", "a"),
        (Path | str, "a", Path("a")),
        (list[Path], ["a"], [Path("a")]),
        (tuple[int, Path], [1, "a"], [1, Path("a")]),
        (tuple[Path, ...], ["a", "b"], [Path("a"), Path("b")]),
        (dict[str, Path | None], {"a": "b", "c": None}, {"a": Path("b"), "c": None}),
        (list[str], ["a"], ["a"]),
        (Any, "a", "a"),
    ],
)
def test_a_factory_is_given_a_path_where_it_asks_for_one(hint: Any, value: Any, made: Any) -> None:
    registry: Registry[Any] = Registry("things")
    registry.register("thing")(taking(hint))
    assert registry.create("thing", value=value) == made


@pytest.mark.parametrize(("low", "high"), [(float("nan"), 1), (0, float("nan")), (2, 1)])
def test_bounds_between_which_nothing_lies_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="no number lies between"):
        Range(low, high)


def test_a_long_value_is_not_quoted_whole() -> None:
    for value in ("x" * 100_000, ["x"] * 100_000, 10**3000, {"x" * 1000: 1}):
        with pytest.raises(BadInput) as caught:
            Param("size", bool, None).check(value, "here")
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("hint", "words"),
    [(Path | None, "a path or null"), (dict[str, float], "an object with a number for each name"), (dict, "an object"),
     (Sequence[int], "a list of a whole number"), (Any, "anything")],
)  # fmt: skip
def test_they_are_called_in_plain_english(hint: Any, words: str) -> None:
    assert type_name(hint) == words


@pytest.mark.parametrize("value", [Path("a b"), {"a": Path("b")}, ("a",), {}])
def test_a_notebook_shows_them(value: Any) -> None:
    assert eval(_literal(value), {}) == json.loads(json.dumps(value, default=str))


Shares = Annotated[dict[str, float], Range(0, 1)]


@pytest.mark.parametrize(
    ("hint", "value", "said"),
    [
        (Shares, {"cat": 0.5, "dog": 2}, "value['dog'] is 2, but must lie between 0 and 1."),
        (dict[str, Annotated[float, Range(0, 1)]], {"cat": -1}, "value['cat'] is -1, but must lie between 0 and 1."),
        (Annotated[float | None, Range(0, 1)], 2, "value is 2, but must lie between 0 and 1."),
        (Sequence[Annotated[int, Range(1, 9)]] | None, [1, 10], "value[1] is 10, but must lie between 1 and 9."),
        (Sequence[Literal["a", "b"]], ["a", "c"], "value[1] is 'c', but must be one of 'a', 'b'."),
        (dict[str, Sequence[int]], {"x": [1, "2"]}, "value['x'][1] is '2', but must be a whole number."),
    ],
)
def test_a_range_or_literal_holds_inside_of_a_list_or_object(hint: Any, value: Any, said: str) -> None:
    registry: Registry[Any] = Registry("things")
    registry.register("thing")(taking(hint))
    with pytest.raises(BadInput) as caught:
        registry.check({"name": "thing", "value": value})
    assert str(caught.value) == f"things 'thing': {said}"


def test_two_ranges_of_one_option_are_refused() -> None:
    with pytest.raises(ValueError, match="'value' has 2 different ranges"):
        Registry[Any]("things").register("thing")(
            taking(tuple[Annotated[int, Range(0, 1)], Annotated[int, Range(0, 2)]])
        )
