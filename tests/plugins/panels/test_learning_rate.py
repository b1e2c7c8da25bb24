"""The page Learning rate recommends one rate, and says why; it keeps the chosen one where that is as good."""

from __future__ import annotations

import pytest

from plugins.panels.learning_rate import _recommended

# falls from 1e-4 to its lowest point at 1e-1, and rises from there
CURVE = [(10 ** (-7 + i / 10), 2 - 0.05 * min(30, max(0, i - 30)) + 0.2 * max(0, i - 60)) for i in range(75)]


@pytest.mark.parametrize(
    ("chosen", "advised", "because"),
    [
        (1e-3, 1e-3, "half-way down"),
        (2.5e-3, 2.5e-3, "within a factor of 3 of the suggested 0.001"),
        (1e-4, 1e-3, "10 times smaller, so it learns more slowly"),
        (2e-2, 1e-3, "20 times larger, near where the loss turns"),
        (0.5, 1e-3, "rises again, so training may diverge"),
    ],
)
def test_one_rate_is_recommended_with_its_reason(chosen: float, advised: float, because: str) -> None:
    rate, reason = _recommended(CURVE, 1e-3, chosen)
    assert rate == advised and because in reason
