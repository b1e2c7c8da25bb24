"""F-beta, for classes where a miss costs more, or less, than a false alarm."""

from typing import Annotated

from torch import Tensor

from core.registry import Range, metrics
from core.training.metrics import higher_is_better


@metrics.register("f_beta")
@higher_is_better
def f_beta(
    outputs: Tensor, targets: Tensor, /, beta: Annotated[float, "How much more recall counts", Range(0.01, 100)] = 2.0
) -> float:
    """The mean over the present or guessed classes of F-beta, as scikit-learn's fbeta_score(average="macro")."""
    classes, guesses = outputs.shape[1], outputs.argmax(1)
    hits = targets[guesses == targets].bincount(minlength=classes)
    present, guessed = targets.bincount(minlength=classes), guesses.bincount(minlength=classes)
    counts = (present + guessed) > 0
    scores = (1 + beta**2) * hits[counts] / (beta**2 * present[counts] + guessed[counts])
    return scores.mean().item()
