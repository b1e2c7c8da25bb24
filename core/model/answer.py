"""Answer: what a model says of one photo, and in words how far it is to be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

STRANGER = "This looks like nothing it was trained on."
NEARLY = 0.75  # of the most probable label's probability
DIGITS = 6  # of a probability


@dataclass(frozen=True)
class Answer:
    """Calibrated logits [C] of one photo, its distance from the training photos, and when the model is not sure.

    `distance` is relative to what 95 % of validation photos are below, and None if the model does not know it.
    """

    vocab: Sequence[str]
    logits: Tensor
    distance: float | None = None
    not_sure_below: float = 0.0

    @property
    def probabilities(self) -> Tensor:
        """The probability of each class: [C]."""
        return self.logits.softmax(0)

    @property
    def index(self) -> int:
        """The most probable class."""
        return int(self.logits.argmax())

    @property
    def label(self) -> str:
        """The name of the most probable class."""
        return self.vocab[self.index]

    @property
    def stranger(self) -> bool | None:
        """Whether the photo is unlike all training photos; None if the model does not know."""
        return None if self.distance is None else self.distance > 1

    @property
    def sure(self) -> bool:
        """Whether the confidence reaches the threshold that was chosen for this model."""
        return float(self.probabilities.max()) >= self.not_sure_below

    @property
    def note(self) -> str:
        """A sentence about what is doubtful; "" if nothing is."""
        if self.stranger:
            return STRANGER
        if not self.sure:
            return f"Not sure: its confidence is below {self.not_sure_below:.0%}."
        shares = self.probabilities.tolist()
        near = [name for name, share in zip(self.vocab, shares, strict=True) if share >= NEARLY * max(shares)]
        if len(near) < 2:
            return "" if max(shares) >= 0.5 else "Unsure: the other labels together are more likely."
        more = f" and {len(near) - 2} others" * (len(near) > 3)
        listed = f"{near[0]}, {near[1]}{more}" if more else f"{', '.join(near[:-1])} and {near[-1]}"
        return f"Unsure: {listed} are about as likely."

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON has it, most probable class first."""
        ranked = sorted(zip(self.vocab, self.probabilities.tolist(), strict=True), key=lambda pair: -pair[1])
        shares = {name: round(share, DIGITS) for name, share in ranked}
        doubt = {"sure": self.sure, "stranger": self.stranger, "note": self.note}
        return {"label": self.label, "probability": shares[self.label], "probabilities": shares, **doubt}
