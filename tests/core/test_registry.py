"""The signature is the only declaration of an option."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest

from core.errors import BadInput
from core.hints import type_name
from core.registry import Param, Range, Registry, check_options, params_of


class Sharpen:
    """Sharpens a photo.

    More about it.
    """

    def __init__(
        self,
        size: int,
        /,
        amount: Annotated[float, "How much", Range(0, 2)] = 1.0,
        method: Annotated[Literal["soft", "hard"], "In which way"] = "soft",
        box: int | tuple[int, int] | None = None,
        names: tuple[str, ...] = ("a",),
        *,
        on: bool = True,
        **others: Any,
    ) -> None:
        self.size, self.amount, self.method, self.box, self.on = size, amount, method, box, on


@pytest.fixture
def registry() -> Registry[Any]:
    registry: Registry[Any] = Registry("filters")
    registry.register("sharpen")(Sharpen)

    @registry.register("blur")
    def blur(radius: Annotated[int, "In pixels", Range(1, 9)], text: str = "") -> tuple[int, str]:
        return radius, text

    return registry


def test_options_are_read_from_the_signature(registry: Registry[Any]) -> None:
    entry = registry["sharpen"]
    assert [p.name for p in entry.params] == ["amount", "method", "box", "names", "on"]
    amount, method, box, _, on = entry.params
    assert amount == Param("amount", float, 1.0, "How much", Range(0, 2), title="Amount")
    assert method.choices == ("soft", "hard") and method.default == "soft" and method.help == "In which way"
    assert box.choices == () and box.default is None and box.range is None
    assert on.type is bool and on.default is True and not on.required
    assert (entry.name, entry.help, entry.module) == ("sharpen", "Sharpens a photo.", __name__)


def test_of_a_function_and_of_a_class_that_inherits(registry: Registry[Any]) -> None:
    radius, text = registry["blur"].params
    assert radius.required and not text.required

    class Child(Sharpen):
        pass

    assert params_of(Child) == params_of(Sharpen)


def test_create(registry: Registry[Any]) -> None:
    made = registry.create("sharpen", 7, amount=2, box=[3, 4])
    assert (made.size, made.amount, made.box, made.method) == (7, 2, [3, 4], "soft")
    assert registry.build({"name": "blur", "radius": 3}) == (3, "")
    choice = {"name": "blur", "radius": 3}
    registry.build(choice)
    assert choice == {"name": "blur", "radius": 3}, "a recipe is not used up"


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        ("amount", [0, 2, 0.5, 1], [-0.1, 2.1, "1", True, None, [1], float("nan"), float("inf")]),
        ("method", ["soft", "hard"], ["Soft", "", 1, None, ["soft"]]),
        ("box", [None, 3, [3, 4], (3, 4)], [1.5, "3", [3], [3, 4, 5], [3, "4"], [3, 4.0], True, {}]),
        ("names", [[], ["a"], ("a", "b")], ["a", [1], None, {"a": 1}]),
        ("on", [True, False], [1, 0, "true", None]),
    ],
)
def test_values_are_checked(registry: Registry[Any], option: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        registry.check({"name": "sharpen", option: value})
    for value in bad:
        with pytest.raises(BadInput, match=rf"filters 'sharpen': {option}(\[\d\])? is "):
            registry.check({"name": "sharpen", option: value})


def test_a_text_enumeration_is_a_text(registry: Registry[Any]) -> None:
    class Method(StrEnum):
        Hard = "hard"

    assert registry.create("sharpen", 1, method=Method.Hard).method == "hard"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"name": "sharp"}, "There is no 'sharp' among the filters; there are: blur, sharpen."),
        ({}, "There is no '' among the filters"),
        ({"name": "sharpen", "amout": 1}, "'sharpen' has no option 'amout'; it has: amount, method, box, names, on"),
        ({"name": "sharpen", "size": 1}, "has no option 'size'"),
        ({"name": "sharpen", "amount": 3}, "amount is 3, but must lie between 0 and 2."),
        ({"name": "sharpen", "method": "x"}, "method is 'x', but must be one of 'soft', 'hard'."),
        ({"name": "sharpen", "box": "x"}, "a whole number or a list of a whole number and a whole number or null"),
        ({"name": "blur"}, "filters 'blur' needs 'radius' (In pixels)."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence(registry: Registry[Any], choice: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as error:
        registry.build(choice)
    assert message in str(error.value)


def test_a_name_is_given_once(registry: Registry[Any]) -> None:
    with pytest.raises(ValueError, match=r"filters: 'blur' is already registered by .*test_registry"):
        registry.register("blur")(Sharpen)
    assert registry["blur"].factory is not Sharpen


def test_iteration_is_by_name(registry: Registry[Any]) -> None:
    assert [e.name for e in registry] == ["blur", "sharpen"]
    assert "blur" in registry and "nothing" not in registry and 3 not in registry


def test_check_options_of_nothing() -> None:
    with pytest.raises(BadInput, match="here has no option 'x'; it has: none"):
        check_options((), {"x": 1}, "here")


@pytest.mark.parametrize(
    ("hint", "words"),
    [(int, "a whole number"), (str | None, "text or null"), (Literal["a", "b"], "a | b"),
     (tuple[str, ...], "a list of text"), (bool, "true or false"), (float, "a number")],
)  # fmt: skip
def test_types_as_a_user_says_them(hint: Any, words: str) -> None:
    assert type_name(hint) == words
