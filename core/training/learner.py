"""Learner: fastai's API on top of the engine's generators."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from core.data.loaders import DataLoaders
from core.data.transforms import MAX_AREA
from core.errors import BadInput
from core.events import EpochEnded, Event, drain
from core.model.architecture import Architecture
from core.model.whole import Whole, whole
from core.recipe import Training
from core.registry import losses
from core.training import not_offered
from core.training.fine_tune import DIV, PCT_START, fine_tuning
from core.training.inference import Inference
from core.training.loop import fit
from core.training.losses import FunctionLoss
from core.training.lr_finder import Suggest, lr_find
from core.training.memory import keep_freed_memory
from core.training.metrics import Metric, named
from core.training.parallel import ALONE, World
from core.training.progress import Progress
from core.training.recorder import Recorder
from core.training.schedules import discriminative_lrs
from core.training.state import TrainState
from core.training.summary import summary
from core.training.task import OptFunc, Stage, Task, default_optimizer

Loss = Callable[[Tensor, Tensor], Tensor]  # a module or a plain function


class Learner(Inference):
    """A model with its DataLoaders, loss, metrics and optimizer, as in fastai.

    `dls`, `loss_func`, `metrics` and `opt_func` can be assigned; assigning an unknown attribute raises AttributeError.
    """

    __slots__ = ("recorder",)

    def __init__(
        self,
        dls: DataLoaders,
        model: Architecture | nn.Module,
        choice: Mapping[str, Any] | None = None,
        loss_func: Loss | None = None,
        metrics: Metric | Sequence[Metric] | None = (),
        wd: float | None = None,
        train_bn: bool = Training.train_bn,
        micro_batch: int = Training.micro_batch,
        ema: float = Training.ema,
        world: World = ALONE,
        opt_func: OptFunc | None = None,
        cbs: object = None,
        precision: str = Training.precision,
        compile: bool = Training.compile,
    ) -> None:
        """`choice` is the recipe's `{"name": ..., **options}` that built `model`, if one did; raises BadInput."""
        if not isinstance(choice, Mapping | None):  # fastai's third argument
            raise BadInput("loss_func must be a keyword argument: Learner(dls, model, loss_func=...).")
        if cbs:
            raise BadInput(not_offered.CALLBACKS)
        keep_freed_memory()
        self.choice = dict(choice or {"name": type(model).__name__})
        arch = model if isinstance(model, Architecture) else whole(model)
        self.task = Task(
            arch,
            dls,
            _loss(loss_func, dls),
            named(metrics),
            *(wd, train_bn, micro_batch, ema),
            world=world,
            opt_func=opt_func or default_optimizer(),
            precision=precision,
            compile=compile,
        )
        self.recorder = Recorder()
        self._check_size(dls)

    def _check_size(self, dls: DataLoaders) -> None:
        arch, (h, w) = self.task.architecture, dls.valid.pipeline.size
        if h * w > MAX_AREA:
            raise BadInput(f"{h} x {w} pixels are more than {MAX_AREA:,}; change the size in the last transform.")
        arch.model.eval()
        try:
            with torch.inference_mode():
                logits = arch.forward(torch.zeros(1, 3, h, w, device=self.task.dls.device))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise BadInput(
                f"{self._name!r} cannot take photos of {h} x {w} pixels ({str(error).rstrip('.')}); "
                "change the size in the last transform."
            ) from error
        if tuple(logits.shape) != (1, dls.c):
            raise BadInput(
                f"{self._name!r} returns {list(logits.shape[1:])} outputs per photo, but the data have {dls.c} classes."
            )

    @property
    def _name(self) -> str:
        return str(self.choice.get("model", self.choice["name"]))

    if not TYPE_CHECKING:  # else the type checker would accept any attribute

        def __getattr__(self, name: str) -> NoReturn:
            instead = not_offered.OF_A_LEARNER.get(name)
            raise AttributeError(f"A learner has no {name!r}{f': {instead}' if instead else ''}.")

    @property
    def dls(self) -> DataLoaders:
        """The DataLoaders; assign others of the same classes, such as larger photos, to train on these."""
        return self.task.dls

    @dls.setter
    def dls(self, dls: DataLoaders) -> None:
        if dls.vocab != self.task.dls.vocab:
            raise BadInput(
                f"The new data have the classes {_some(dls.vocab)}, but the model has {_some(self.task.dls.vocab)}; "
                "make a new learner."
            )
        self._check_size(dls)
        self.task = replace(self.task, dls=dls)

    @property
    def loss_func(self) -> Loss:
        """The loss function: the mean loss of logits [N, C] and targets [N]."""
        loss = self.task.loss
        return loss.function if isinstance(loss, FunctionLoss) else loss

    @loss_func.setter
    def loss_func(self, loss_func: Loss | None) -> None:
        self.task = replace(self.task, loss=_loss(loss_func, self.task.dls))

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that are reported after each epoch."""
        return list(self.task.metrics.values())

    @metrics.setter
    def metrics(self, metrics: Metric | Sequence[Metric] | None) -> None:
        self.task = replace(self.task, metrics=named(metrics))

    @property
    def opt_func(self) -> OptFunc:
        """The function that creates the optimizer of each stage, such as `partial(torch.optim.SGD, momentum=0.9)`."""
        return self.task.opt_func

    @opt_func.setter
    def opt_func(self, opt_func: OptFunc) -> None:
        self.task = replace(self.task, opt_func=opt_func)

    @property
    def model(self) -> nn.Module:
        """The network."""
        model = self.task.architecture.model
        return model.head if isinstance(model, Whole) else model

    def to_fp16(self) -> Learner:
        """Return the learner unchanged, as mixed precision is on wherever the device is faster with it."""
        return self

    def summary(self) -> str:
        """Print and return a table of the layers with their output shapes, parameters and whether they are trained."""
        text = summary(self.task)
        print(text)
        return text

    def freeze(self) -> None:
        """Freeze all layers but the head."""
        self.task.architecture.freeze(self.task.train_bn)

    def freeze_to(self, n: int) -> None:
        """Freeze the parameter groups before number `n`, where -1 is the head; raises BadInput."""
        self.task.architecture.freeze_to(n, self.task.train_bn)

    def unfreeze(self) -> None:
        """Unfreeze all layers."""
        self.task.architecture.unfreeze()

    def fine_tune(
        self,
        epochs: int = Training.epochs,
        base_lr: float = Training.base_lr,
        freeze_epochs: int = Training.freeze_epochs,
        lr_mult: float = Training.lr_mult,
        pct_start: float = PCT_START,
        div: float = DIV,
        features: bool = Training.features,
        frozen_stages: int | None = Training.frozen_stages,
    ) -> list[EpochEnded]:
        """Train `freeze_epochs` frozen epochs, on extracted features or on photos, then `epochs` unfrozen ones."""
        options = (base_lr, freeze_epochs, lr_mult, pct_start, div, features, frozen_stages)
        stages = fine_tuning(self.task, epochs, *options)
        events = self._fit(stages)
        self.unfreeze()  # as fastai does, even if there was no unfrozen stage
        return events

    def fit_one_cycle(
        self,
        n_epoch: int,
        lr_max: float | slice | Sequence[float] = Training.base_lr,
        div: float = 25.0,
        div_final: float = 1e5,
        pct_start: float = 0.25,
    ) -> list[EpochEnded]:
        """Train the layers that are not frozen with the one-cycle schedule; `lr_max` as in `discriminative_lrs`."""
        arch = self.task.architecture
        rates = discriminative_lrs(lr_max, len(arch.groups))
        stage = Stage("frozen" if arch.frozen else "unfrozen", n_epoch, rates, pct_start, div, div_final)
        return self._fit([stage])

    def fit(self, n_epoch: int, lr: float | slice | Sequence[float] = Training.base_lr) -> list[EpochEnded]:
        """Train the layers that are not frozen at constant rates and momentum; `lr` as in `discriminative_lrs`."""
        return self.fit_one_cycle(n_epoch, lr, div=1.0, pct_start=inf)  # with div=1 the first phase is constant

    def _fit(self, stages: list[Stage]) -> list[EpochEnded]:
        before = len(self.recorder.epochs)
        self._watch(fit(TrainState(self.task, stages)))
        return self.recorder.epochs[before:]

    def _watch(self, events: Generator[Event, None, None]) -> None:
        with Progress() as progress:
            drain(events, self.recorder.record, progress.show)

    def lr_find(
        self,
        start_lr: float = 1e-7,
        end_lr: float = 10.0,
        num_it: int = 100,
        suggest_funcs: Suggest | Sequence[Suggest] = (),
        features: bool = Training.features,
    ) -> tuple[float | None, ...]:
        """Run the learning-rate finder and return the suggested rates, named by function; the model is left unchanged.

        With `features`, the features of a frozen backbone are extracted once per photo. If the curve supports no
        suggestion the rates are None, and `recorder.suggestion.reason` says why.
        """
        functions = (suggest_funcs,) if callable(suggest_funcs) else suggest_funcs
        self.recorder.tried = []
        self._watch(lr_find(self.task, start_lr, end_lr, num_it, functions, features))
        rates = self.recorder.suggestion.rates
        return namedtuple("SuggestedLRs", rates)(**rates)


def _loss(loss_func: Loss | None, dls: DataLoaders) -> nn.Module:
    if loss_func is None:
        return losses.build(Training.loss, dls.class_counts)  # type: ignore[no-any-return]
    return loss_func if isinstance(loss_func, nn.Module) else FunctionLoss(loss_func)


def _some(names: Sequence[str]) -> str:
    return ", ".join([*(name[:40] for name in names[:5]), *["..."] * (len(names) > 5)])
