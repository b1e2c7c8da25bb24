"""fastai's splitters that hold Python objects, which a recipe cannot store; those for recipes are plugins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.errors import BadInput

Indices = tuple[list[int], list[int]]


class IndexSplitter:
    """Uses the items at the given indices for validation, all others for training; raises BadInput."""

    def __init__(self, valid_idx: Sequence[int]) -> None:
        self.valid = [int(i) for i in valid_idx]

    def __call__(self, items: Sequence[Any]) -> Indices:
        for index in self.valid:
            if not 0 <= index < len(items):
                raise BadInput(
                    f"valid_idx contains {index}, but the {len(items)} items have indices 0 to {len(items) - 1}."
                )
        chosen = set(self.valid)
        return [i for i in range(len(items)) if i not in chosen], self.valid


class FuncSplitter:
    """Uses the items for which `func` is true for validation, all others for training."""

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.func = func

    def __call__(self, items: Sequence[Any]) -> Indices:
        valid = [bool(self.func(item)) for item in items]
        return [i for i, v in enumerate(valid) if not v], [i for i, v in enumerate(valid) if v]
