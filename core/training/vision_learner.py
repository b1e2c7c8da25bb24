"""vision_learner: a learner with a new head on a registered architecture or a timm model, as fastai makes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.model.architecture import Architecture, build_architecture
from core.model.timm_network import is_timm
from core.recipe import Training
from core.registry import architectures
from core.training.learner import Learner, Loss
from core.training.metrics import Metric
from core.training.parallel import ALONE
from core.training.task import OptFunc


def vision_learner(
    dls: DataLoaders,
    arch: str | Callable[..., Architecture],
    pretrained: bool = True,
    loss_func: Loss | None = None,
    metrics: Metric | Sequence[Metric] | None = (),
    wd: float | None = None,
    train_bn: bool = Training.train_bn,
    micro_batch: int = Training.micro_batch,
    ema: float = Training.ema,
    opt_func: OptFunc | None = None,
    cbs: object = None,
    precision: str = Training.precision,
    compile: bool = Training.compile,
    **options: Any,
) -> Learner:
    """A learner with a new head on an architecture whose body is frozen if it is pretrained; raises BadInput.

    `arch` is a registered architecture, given as its function or name, or the name of a timm model.
    """
    entry = next((e for e in architectures if e.factory is arch or e.name == arch), None)
    if entry is None:
        if not (isinstance(arch, str) and is_timm(arch)):
            raise BadInput(
                f"{arch!r} is neither a timm model nor a registered architecture; there are: "
                f"{', '.join(e.name for e in architectures)}."
            )
        entry, options = architectures["timm"], {"model": arch, **options}
    choice = {"name": entry.name, **options}
    if any(p.name == "pretrained" for p in entry.params):
        choice["pretrained"] = pretrained
    architecture = build_architecture(choice, dls.c, dls.valid.pipeline.size)
    trained = (loss_func, metrics, wd, train_bn, micro_batch, ema, ALONE, opt_func, cbs, precision, compile)
    learner = Learner(dls, architecture, choice, *trained)
    if architecture.pretrained:
        learner.freeze()
    return learner


cnn_learner = vision_learner
