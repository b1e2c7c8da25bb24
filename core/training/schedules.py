"""Schedules of learning rate and momentum over a stage, and discriminative rates across parameter groups."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.errors import BadInput

FINISH_SHARE = 0.1  # of a stage's steps, over which the learning rate is annealed when a run finishes early


def cosine(start: float, end: float, progress: float) -> float:
    """Cosine annealing from `start` to `end`, with `progress` in 0..1."""
    return start + (end - start) * (1 - math.cos(math.pi * progress)) / 2


def one_cycle(
    progress: float, peak: float, pct_start: float = 0.25, div: float = 25.0, div_final: float = 1e5
) -> float:
    """The rate at `progress` in 0..1: from peak/div up to the peak, then down to peak/div_final (Smith 2018)."""
    if progress < pct_start:
        return cosine(peak / div, peak, progress / pct_start)
    return cosine(peak, peak / div_final, (progress - pct_start) / (1 - pct_start))


def one_cycle_momentum(progress: float, pct_start: float = 0.25, high: float = 0.95, low: float = 0.85) -> float:
    """The momentum at `progress`: down to `low` while the rate rises, then up again."""
    if progress < pct_start:
        return cosine(high, low, progress / pct_start)
    return cosine(low, high, (progress - pct_start) / (1 - pct_start))


def discriminative_lrs(lr: float | slice | Sequence[float], groups: int) -> list[float]:
    """A peak learning rate for each of `groups` parameter groups, first layers first.

    A number is used for all groups; `slice(hi)` gives hi/10 to all but the last; `slice(lo, hi)` is geometrically
    spaced. Raises BadInput for a rate that is not positive or a sequence of another length.
    """
    if isinstance(lr, slice):
        low, high = lr.start, lr.stop
        if not high or low == 0:
            raise BadInput(f"A learning rate must be a positive number, not {lr!r}.")
        if low is None:
            rates = [high / 10] * (groups - 1) + [high]
        else:
            rates = [high if groups == 1 else low * (high / low) ** (i / (groups - 1)) for i in range(groups)]
    elif isinstance(lr, (int, float)):
        rates = [float(lr)] * groups
    else:
        rates = [float(r) for r in lr]
    if len(rates) != groups:
        raise BadInput(f"{len(rates)} learning rates were given for {groups} groups of layers; give one per group.")
    if not all(r > 0 and math.isfinite(r) for r in rates):
        raise BadInput(f"A learning rate must be a positive number, not {lr!r}.")
    return rates
