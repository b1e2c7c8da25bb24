"""Fine-tuning: the head first, then everything at rates that rise from the first layers to the last."""

from __future__ import annotations

from collections.abc import Iterator

from core.events import Event
from core.recipe import Training
from core.training.loop import Stage, Task, fit
from core.training.schedules import spread

PCT_START, DIV = 0.3, 5.0  # fastai's shape of the second stage


def fine_tune(
    task: Task,
    epochs: int = Training.epochs,
    base_lr: float = Training.base_lr,
    freeze_epochs: int = Training.freeze_epochs,
    lr_mult: float = Training.lr_mult,
    pct_start: float = PCT_START,
    div: float = DIV,
) -> Iterator[Event]:
    """fastai's two stages: `freeze_epochs` of the head, then `epochs` of everything at half the rate."""
    groups = len(task.architecture.groups)
    if freeze_epochs:
        task.architecture.freeze(task.train_bn)
        yield from fit(task, Stage("frozen", freeze_epochs, spread(slice(base_lr), groups), pct_start=0.99))
    task.architecture.unfreeze()
    if epochs:
        base_lr /= 2
        rates = spread(slice(base_lr / lr_mult, base_lr), groups)
        yield from fit(task, Stage("unfrozen", epochs, rates, pct_start=pct_start, div=div))
