"""A random split, the same as fastai's for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from core.registry import Range, splitters


@splitters.register("random", default={"splitter": {}})
class RandomSplitter:
    """Uses a random share of all photos for validation; the same seed gives the same split on every machine."""

    title = "A random share"

    def __init__(
        self,
        valid_pct: Annotated[float, "Share of the photos for validation", Range(0.01, 0.9)] = 0.2,
        seed: Annotated[int | None, "Repeats a split; null: a new one each time", Range(0, 2**32 - 1)] = None,
    ) -> None:
        self.valid_pct, self.seed = valid_pct, seed

    def __call__(self, items: Sequence[Path], labels: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        import torch

        generator = torch.Generator()  # the global one belongs to the caller
        if self.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self.seed)
        order: list[int] = torch.randperm(len(items), generator=generator).tolist()
        cut = max(0, min(max(1, int(self.valid_pct * len(items))), len(items) - 1))  # one on each side if possible
        return order[cut:], order[:cut]
