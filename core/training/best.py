"""The epoch whose model is kept, and the rule that chooses it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from core.recipe import LAST
from core.registry import metrics
from core.training.metrics import SIGNIFICANT, mcnemar
from core.training.validate import Outputs

SHARES = ("accuracy", "error_rate")  # metrics that count photos, on which two epochs can be paired


@dataclass(frozen=True)
class Best:
    """The best epoch so far: its score, validation loss, weights and outputs for the validation photos."""

    stage: str
    epoch: int
    value: float
    loss: float
    weights: dict[str, Tensor]
    outputs: Outputs


def score(best_by: str, value: float, loss: float) -> list[float]:
    """A score by which epochs are compared; smaller is better."""
    higher = best_by in metrics and metrics[best_by].factory.higher_is_better  # type: ignore[attr-defined]
    return [-value if higher else value, loss]


def is_better(best_by: str, value: float, loss: float, found: Outputs, kept: Best) -> bool:
    """Whether an epoch's model is kept in place of the one `kept` so far.

    By accuracy, the epoch that gets significantly more of the validation photos right is better; where they do not
    differ so, as with few photos, the one of the lower loss.
    """
    if best_by == LAST:
        return True
    if best_by in SHARES and (sign := more_right(found, kept.outputs)) is not None:
        return sign > 0 if sign else loss < kept.loss
    return score(best_by, value, loss) < score(best_by, kept.value, kept.loss)


def more_right(first: Outputs, second: Outputs) -> int | None:
    """1 if the first outputs are right on significantly more photos, -1 on fewer, 0 if they do not differ.

    None if they have no photos in common.
    """
    right, other = _right(first), _right(second)
    shared = right.keys() & other.keys()
    if not shared:
        return None
    gained, lost = (sum(a[i] and not b[i] for i in shared) for a, b in ((right, other), (other, right)))
    return 0 if mcnemar(gained, lost) >= SIGNIFICANT else 1 if gained > lost else -1


def _right(found: Outputs) -> dict[int, bool]:
    """Whether each photo's predicted label is its own, by its index."""
    return dict(zip(found.indices, (found.logits.argmax(1) == found.targets).tolist(), strict=True))
