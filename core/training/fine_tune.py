"""Fine-tuning: the head first, then everything at rates that rise from the first layers to the last."""

from __future__ import annotations

from core.recipe import Training
from core.training.schedules import spread
from core.training.task import Stage, Task

PCT_START, DIV = 0.3, 5.0  # fastai's shape of the second stage


def fine_tuning(
    task: Task,
    epochs: int = Training.epochs,
    base_lr: float = Training.base_lr,
    freeze_epochs: int = Training.freeze_epochs,
    lr_mult: float = Training.lr_mult,
    pct_start: float = PCT_START,
    div: float = DIV,
) -> list[Stage]:
    """fastai's two stages: `freeze_epochs` of the head, then `epochs` of everything at half the rate."""
    groups = len(task.architecture.groups)
    head = spread(slice(base_lr), groups)
    everything = spread(slice(base_lr / 2 / lr_mult, base_lr / 2), groups)
    stages = [
        Stage("frozen", freeze_epochs, head, pct_start=0.99, frozen=True),
        Stage("unfrozen", epochs, everything, pct_start=pct_start, div=div, frozen=False),
    ]
    return [stage for stage in stages if stage.epochs]
