"""Calibration: the temperature that makes a model's confidence match its accuracy, as config.json has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LOWEST, HIGHEST = 0.02, 50.0  # temperatures


@dataclass(frozen=True)
class Calibration:
    """A temperature by which logits are divided (Guo 2017), and how well confidence and accuracy then agree.

    `error` is the cross-fitted expected calibration error on `photos` validation photos with its 95 % interval,
    `chance` what a perfectly calibrated model would show on so few photos, `before` the error at temperature 1.
    """

    temperature: float = 1.0
    photos: int = 0
    error: float = 0.0
    low: float = 0.0
    high: float = 0.0
    chance: float = 0.0
    before: float = 0.0

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Calibration:
        """The calibration in a model's document, or none for a model that was saved without; raises ValueError."""
        if document is None:
            return cls()
        numbers = {name: float(value) for name, value in document.items() if name != "photos"}
        found = cls(photos=int(document["photos"]), **numbers)
        if not LOWEST <= found.temperature <= HIGHEST:  # also refuses NaN
            raise ValueError(f"a temperature of {found.temperature:g}")
        return found
