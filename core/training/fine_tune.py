"""Fine-tuning: the head first, then everything at rates that rise from the first layers to the last.

The body rests while the head learns, so an epoch of it is spent on computing the same features again. With `features`
they are computed once for each frozen epoch, as augmented in that epoch, and the head goes through them PASSES times,
at a CALMER rate: as many photos go through the body, and the head comes further.
"""

from __future__ import annotations

from core.recipe import Training
from core.training.features import unsupported_reason
from core.training.schedules import discriminative_lrs
from core.training.task import Stage, Task

PCT_START, DIV = 0.3, 5.0  # fastai's shape of the second stage
PASSES = 5  # more only fit the head to the training photos, and so does a
CALMER = 4.0  # times higher rate, from which the body then learns less (tests/benchmarks/RESULTS.md)


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
    """fastai's two stages: `freeze_epochs` of the head, then `epochs` of everything at half the rate."""
    groups = len(task.architecture.groups)
    head = discriminative_lrs(slice(base_lr), groups)
    everything = discriminative_lrs(slice(base_lr / 2 / lr_mult, base_lr / 2), groups)
    kept = features and freeze_epochs > 0 and not unsupported_reason(task, freeze_epochs)
    stages = [
        Stage("frozen", freeze_epochs, [rate / CALMER for rate in head], frozen=True, passes=PASSES)
        if kept
        else Stage("frozen", freeze_epochs, head, pct_start=0.99, frozen=True),
        Stage("unfrozen", epochs, everything, pct_start=pct_start, div=div, frozen=False),
    ]
    return [stage for stage in stages if stage.epochs]
