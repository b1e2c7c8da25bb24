"""Two models on the same photos, paired: whether one is better, by the exact test of McNemar."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from core.training.metrics import SIGNIFICANT, mcnemar

FEWEST = 30  # photos in common


@dataclass(frozen=True)
class Comparison:
    """How many photos two models were both tried on, which each alone got right, and the p-value.

    `only_first` and `only_second` count the photos in the validation set of one of them alone, `relabelled` those of
    which the second had another label.
    """

    photos: int
    first_alone: int
    second_alone: int
    first_accuracy: float
    second_accuracy: float
    p: float
    only_first: int
    only_second: int
    relabelled: int = 0

    @property
    def comparable(self) -> bool:
        """Whether enough photos are in both validation sets."""
        return self.photos >= FEWEST

    @property
    def verdict(self) -> str:
        """What the first is in comparison: better, worse, or neither."""
        if not self.comparable:
            return "not comparable"
        if self.p >= SIGNIFICANT:
            return "do not differ"
        return "better" if self.first_alone > self.second_alone else "worse"

    def sentence(self, first: str, second: str) -> str:
        """The comparison of two models with these names, in words."""
        others = f"; {self.only_first:,} and {self.only_second:,} other validation photos were only in one of the two"
        left_out = others if self.only_first or self.only_second else ""
        if self.relabelled:
            left_out += f"; {self.relabelled:,} of the common ones had another label for {second}"
        if not self.comparable:
            return (
                f"{first} and {second} are not comparable: they have {self.photos:,} validation photos in common, and "
                f"{FEWEST} are needed{left_out}. {self._remedy}"
            )
        said = {"do not differ": f"{first} and {second} do not differ beyond chance"}
        begins = said.get(self.verdict, f"{first} is {self.verdict} than {second}")
        return (
            f"{begins}: of the same {self.photos:,} validation photos it gets {self.first_accuracy:.1%} right and the "
            f"other {self.second_accuracy:.1%}; {self.first_alone:,} only it gets right, "
            f"{self.second_alone:,} only the other (p = {self.p:.2g} by McNemar's exact test){left_out}."
        )

    @property
    def _remedy(self) -> str:
        """What makes two models comparable that are not."""
        if not self.photos:
            return "They were validated on different photos: train both on the same ones, split alike."
        smaller = self.photos + min(self.only_first, self.only_second)
        if smaller >= FEWEST:
            return "Train both on the same photos, split alike."
        return f"Bring about {math.ceil(FEWEST / smaller)} times as many photos, and train both on them."


def compare(first: Mapping[str, str], second: Mapping[str, str], labels: Mapping[str, str]) -> Comparison:
    """Compare predicted labels by photo, on the photos that both have and under the same `labels`."""
    shared = sorted(first.keys() & second.keys())
    pairs = [(first[photo] == labels[photo], second[photo] == labels[photo]) for photo in shared]
    alone = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    n = max(1, len(pairs))
    accuracies = sum(a for a, _ in pairs) / n, sum(b for _, b in pairs) / n
    only = len(first) - len(shared), len(second) - len(shared)
    return Comparison(len(pairs), *alone, *accuracies, mcnemar(*alone), *only)
