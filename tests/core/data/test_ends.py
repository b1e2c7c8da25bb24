"""Names found by their ends, against the definition tried out on every name."""

from __future__ import annotations

import random

import pytest

from core.data.ends import Ends


def ends_of(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


@pytest.mark.parametrize("seed", range(20))
def test_as_by_definition(seed: int) -> None:
    draw = random.Random(seed)
    few = [
        "/".join(draw.choice(["", "a", "b", "ab", "-", "\U0010ffff"]) for _ in range(draw.randint(1, 4)))
        for _ in range(60)
    ]
    names, asked = few[: draw.randint(0, 30)], few
    ends = Ends(names)
    for name in asked:
        having = sorted(ends.order[position] for position in ends.having(name))
        assert having == [i for i, other in enumerate(names) if name in ends_of(other)]
        assert (name in ends) == (name in names)
        known = {end for other in names for end in ends_of(other)}
        assert ends.longest(name) == next((end for end in ends_of(name) if end in known), "")
