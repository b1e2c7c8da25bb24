"""Splitters that hold Python objects, so that no recipe can name them; those of a recipe are plugins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.errors import BadInput

Indices = tuple[list[int], list[int]]


class IndexSplitter:
    """The items at these places are for validation, all others for training; raises BadInput for a place not there."""

    def __init__(self, valid_idx: Sequence[int]) -> None:
        self.valid = [int(i) for i in valid_idx]

    def __call__(self, items: Sequence[Any]) -> Indices:
        for index in self.valid:
            if not 0 <= index < len(items):
                raise BadInput(
                    f"valid_idx holds {index}, but the {len(items)} items have places 0 to {len(items) - 1}."
                )
        chosen = set(self.valid)
        return [i for i in range(len(items)) if i not in chosen], self.valid


class FuncSplitter:
    """The items of which `func` is true are for validation, all others for training."""

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.func = func

    def __call__(self, items: Sequence[Any]) -> Indices:
        valid = [bool(self.func(item)) for item in items]
        return [i for i, v in enumerate(valid) if not v], [i for i, v in enumerate(valid) if v]
