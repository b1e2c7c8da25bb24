"""Fine-tuning: frozen epochs, then unfrozen epochs with discriminative learning rates.

With `features`, the features of the frozen backbone are extracted once per frozen epoch, with its augmentation, and the
head is trained on them for HEAD_EPOCHS epochs at a lower rate: at the same cost in the backbone, the head is trained
for more steps.
"""

from __future__ import annotations

from core.recipe import Training
from core.training.features import unsupported_reason
from core.training.schedules import discriminative_lrs
from core.training.task import Stage, Task

PCT_START, DIV = 0.3, 5.0  # fastai's defaults for the unfrozen stage
HEAD_EPOCHS = 5  # per extraction; with more the head overfits (tests/benchmarks/RESULTS.md)
LR_DIVISOR = 4.0  # of base_lr on features; at higher rates the head overfits and the backbone learns less afterwards


def fine_tuning(
    task: Task,
    epochs: int = Training.epochs,
    base_lr: float = Training.base_lr,
    freeze_epochs: int = Training.freeze_epochs,
    lr_mult: float = Training.lr_mult,
    pct_start: float = PCT_START,
    div: float = DIV,
    features: bool = Training.features,
    frozen_stages: int | None = Training.frozen_stages,
) -> list[Stage]:
    """The stages of fastai's `fine_tune`: `freeze_epochs` frozen, then `epochs` unfrozen at half the rate."""
    groups = len(task.architecture.groups)
    frozen = discriminative_lrs(slice(base_lr), groups)
    unfrozen = discriminative_lrs(slice(base_lr / 2 / lr_mult, base_lr / 2), groups)
    on_features = features and freeze_epochs > 0 and not unsupported_reason(task, freeze_epochs)
    stages = [
        Stage("frozen", freeze_epochs, [rate / LR_DIVISOR for rate in frozen], frozen=True, head_epochs=HEAD_EPOCHS)
        if on_features
        else Stage("frozen", freeze_epochs, frozen, pct_start=0.99, frozen=True),
        Stage("unfrozen", epochs, unfrozen, pct_start, div, frozen=False, frozen_stages=frozen_stages),
    ]
    return [stage for stage in stages if stage.epochs]
