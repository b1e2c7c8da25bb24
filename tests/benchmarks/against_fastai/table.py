"""Medians of both engines and how many times better ours is, round by round."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

Figures = dict[str, float]
HEADER = f"{'row':<20}{'figure':<32}{'Presize':>9}{'fastai':>9}   ours is better: median, min, max"
ACCURACY, RATE = ", accuracy", "images/s"


def lines(row: str, rounds: Sequence[tuple[Figures, Figures]]) -> Iterator[str]:
    """A line a figure."""
    rounds = [with_time_to_accuracy(*figures) for figures in rounds]
    for name in rounds[0][0]:
        ours, theirs = [o[name] for o, _ in rounds], [t[name] for _, t in rounds]
        gains = [gain(name, *pair) for pair in zip(ours, theirs, strict=True)]
        form = "+.3f" if name.endswith(ACCURACY) else ".2f"
        shown = " ".join(f"{g:{form}}" for g in (median(gains), min(gains), max(gains)))
        yield f"{row:<20}{name:<32}{median(ours):>9.3f}{median(theirs):>9.3f}   {shown}"


def gain(name: str, ours: float, theirs: float) -> float:
    """How many times faster or smaller ours is; of accuracies, how much higher."""
    if name.endswith(ACCURACY):
        return ours - theirs
    return ours / theirs if name.endswith(RATE) else theirs / ours


def with_time_to_accuracy(ours: Figures, theirs: Figures) -> tuple[Figures, Figures]:
    """With the seconds that each takes to the accuracy at which fastai ends, where a training is compared."""
    scored = [name for name in theirs if name.endswith(ACCURACY)]
    if not scored:
        return ours, theirs
    goal = theirs[scored[-1]]
    name = "s to fastai's last accuracy"
    times = [
        next((side[s.replace(ACCURACY, ", s")] for s in scored if side[s] >= goal), math.inf) for side in (ours, theirs)
    ]
    return {**ours, name: times[0]}, {**theirs, name: times[1]}
