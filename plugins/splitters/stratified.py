"""A random split of each class, so that rare classes are in both training and validation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from core.data.proposals import Proposal
from core.errors import BadInput
from core.registry import Range, splitters


@splitters.register("stratified")
class StratifiedSplitter:
    """Uses a random share of every class for validation; classes with two photos or more are on both sides."""

    title = "A random share of each label"

    def __init__(
        self,
        valid_pct: Annotated[float, "Share of each class for validation", Range(0.01, 0.9)] = 0.2,
        seed: Annotated[int | None, "Repeats a split; null: a new one each time", Range(0, 2**32 - 1)] = None,
    ) -> None:
        self.valid_pct, self.seed = valid_pct, seed

    def __call__(self, items: Sequence[Path], labels: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        import torch

        if labels is None:
            raise BadInput("The stratified splitter needs the photos' labels; choose a labeller, or split at random.")
        generator = torch.Generator()  # the global one belongs to the caller
        if self.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self.seed)
        order: list[int] = torch.randperm(len(items), generator=generator).tolist()
        classes: dict[str, list[int]] = defaultdict(list)
        for index in order:
            classes[labels[index]].append(index)
        valid = {index for members in classes.values() for index in members[: self._share(len(members))]}
        return [i for i in order if i not in valid], [i for i in order if i in valid]

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Proposes itself for any photos, with a low score."""
        yield Proposal({"valid_pct": 0.2, "seed": 42}, 0.1, "a random fifth of each class is for validation")

    def _share(self, n: int) -> int:
        """The number of validation photos in a class of `n` photos; a single photo is for training."""
        return min(max(1, round(self.valid_pct * n)), n - 1)
