"""Learning rates along a stage and across layers; the figures are those that fastai 2.8 returns."""

from __future__ import annotations

import math
from typing import Any

import pytest

from core.errors import BadInput
from core.training.schedules import discriminative_lrs, one_cycle, one_cycle_momentum


@pytest.mark.parametrize(
    ("progress", "rate", "momentum"),
    [
        (0.0, 4e-5, 0.95),
        (0.1, 3.716719e-4, 0.915451),
        (0.25, 1e-3, 0.85),
        (0.5, 7.500025e-4, 0.875),
        (0.9, 4.323687e-5, 0.945677),
    ],
)
def test_one_cycle_is_fastais(progress: float, rate: float, momentum: float) -> None:
    assert one_cycle(progress, 1e-3) == pytest.approx(rate, rel=1e-6)
    assert one_cycle_momentum(progress) == pytest.approx(momentum, abs=1e-6)


def test_one_cycle_ends_at_the_peak_over_div_final() -> None:
    assert one_cycle(1.0, 1e-3) == pytest.approx(1e-8)
    assert one_cycle(1.0, 1e-3, div_final=100) == pytest.approx(1e-5)
    assert one_cycle(0.0, 1e-3, div=5) == pytest.approx(2e-4)
    assert one_cycle(0.99, 1e-3, pct_start=0.99) == pytest.approx(1e-3)


@pytest.mark.parametrize("pct_start", [0.0, 1.0])
def test_one_cycle_may_have_one_half_only(pct_start: float) -> None:
    rates = [one_cycle(i / 10, 1e-3, pct_start) for i in range(10)]
    assert rates == sorted(rates, reverse=pct_start == 0)
    assert all(map(math.isfinite, rates))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (slice(1e-6, 1e-4), [1e-6, 1e-5, 1e-4]),
        (slice(2e-3), [2e-4, 2e-4, 2e-3]),
        (3e-3, [3e-3, 3e-3, 3e-3]),
        ([1e-4, 1e-3, 1e-2], [1e-4, 1e-3, 1e-2]),
    ],
)
def test_rates_of_three_groups_are_fastais(given: Any, expected: list[float]) -> None:
    assert discriminative_lrs(given, 3) == pytest.approx(expected)


def test_fine_tune_rates_are_fastais() -> None:
    """fine_tune(base_lr=2e-3, lr_mult=100) trains all layers at slice(1e-3 / 100, 1e-3)."""
    assert discriminative_lrs(slice(1e-3 / 100, 1e-3), 3) == pytest.approx([1e-5, 1e-4, 1e-3])


def test_one_group_gets_the_highest_rate() -> None:
    assert discriminative_lrs(slice(1e-6, 1e-4), 1) == [1e-4]
    assert discriminative_lrs(slice(1e-4), 1) == [1e-4]


@pytest.mark.parametrize(
    "bad",
    [
        0.0,
        -1e-3,
        math.nan,
        math.inf,
        slice(0, 1e-3),
        slice(-1e-6, 1e-3),
        slice(1e-6, 0),
        slice(1e-6, None),
        slice(None),
        [1e-3, 1e-3, -1e-3],
    ],
)
def test_a_rate_that_is_not_positive_is_refused(bad: Any) -> None:
    with pytest.raises(BadInput, match="learning rate"):
        discriminative_lrs(bad, 3)


def test_rates_for_another_number_of_groups_are_refused() -> None:
    with pytest.raises(BadInput, match="2 learning rates were given for 3"):
        discriminative_lrs([1e-3, 1e-2], 3)
