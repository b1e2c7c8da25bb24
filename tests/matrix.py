"""A large matrix of cases: those that cross different code always run, the rest with `-m slow`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def thinned(cases: Iterable[Any], always: Callable[[Any], object], ids: Callable[[Any], str] = str) -> list[Any]:
    """The cases as parameters, each with its id; a tuple is several."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            id=ids(case),
            marks=() if always(case) else pytest.mark.slow,
        )
        for case in cases
    ]
