"""Fine-tuning: frozen epochs of the head, then unfrozen ones at rates that rise from the first layers to the last.

A frozen backbone would compute the same features in each epoch. With `features` they are extracted once for each frozen
epoch, as augmented in that epoch, and the head learns from them for HEAD_EPOCHS epochs at a lower rate: as many photos
go through the backbone, and the head comes further.
"""

from __future__ import annotations

from core.recipe import Training
from core.training.features import unsupported_reason
from core.training.schedules import discriminative_lrs
from core.training.task import Stage, Task

PCT_START, DIV = 0.3, 5.0  # fastai's shape of the second stage
HEAD_EPOCHS = 5  # per extraction; more only fit the head to the training photos (tests/benchmarks/RESULTS.md)
LR_DIVISOR = 4.0  # of base_lr on features; higher rates fit the head to them, from which the backbone learns less


def fine_tuning(
    task: Task,
    epochs: int = Training.epochs,
    base_lr: float = Training.base_lr,
    freeze_epochs: int = Training.freeze_epochs,
    lr_mult: float = Training.lr_mult,
    pct_start: float = PCT_START,
    div: float = DIV,
    features: bool = Training.features,
) -> list[Stage]:
    """fastai's two stages: `freeze_epochs` frozen, then `epochs` unfrozen at half the rate."""
    groups = len(task.architecture.groups)
    frozen = discriminative_lrs(slice(base_lr), groups)
    unfrozen = discriminative_lrs(slice(base_lr / 2 / lr_mult, base_lr / 2), groups)
    kept = features and freeze_epochs > 0 and not unsupported_reason(task, freeze_epochs)
    stages = [
        Stage("frozen", freeze_epochs, [rate / LR_DIVISOR for rate in frozen], frozen=True, head_epochs=HEAD_EPOCHS)
        if kept
        else Stage("frozen", freeze_epochs, frozen, pct_start=0.99, frozen=True),
        Stage("unfrozen", epochs, unfrozen, pct_start=pct_start, div=div, frozen=False),
    ]
    return [stage for stage in stages if stage.epochs]
