"""Learner: fastai's calls over the engine's generators."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn

from core.data import pictures
from core.data.loaders import DataLoaders, Loader
from core.errors import BadInput, quoted
from core.events import EpochEnded, Event, LearningRateTried, StepEnded, Suggestion
from core.model.architecture import Architecture
from core.model.folder import ModelConfig, save_model
from core.model.predictor import Predictor
from core.recipe import Training
from core.registry import architectures
from core.training.fine_tune import DIV, PCT_START, fine_tuning
from core.training.interpretation import ClassificationInterpretation
from core.training.loop import fit
from core.training.losses import loss_for
from core.training.lr_finder import Suggest, lr_find
from core.training.memory import keep_freed_memory
from core.training.metrics import METRICS, Metric
from core.training.parallel import ALONE, World
from core.training.progress import history, shown
from core.training.schedules import spread
from core.training.state import TrainState
from core.training.task import Stage, Task
from core.training.validate import Outputs, predict, validate


@dataclass
class Recorder:
    """What all training so far, and the last learning-rate test, left to draw."""

    losses: list[float] = field(default_factory=list)
    epochs: list[EpochEnded] = field(default_factory=list)
    tried: list[LearningRateTried] = field(default_factory=list)
    suggestion: Suggestion = field(default_factory=lambda: Suggestion({}))

    def watch(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass events on and remember those that are drawn."""
        for event in events:
            match event:
                case StepEnded():
                    self.losses.append(event.loss)
                case EpochEnded():
                    self.epochs.append(event)
                case LearningRateTried():
                    self.tried.append(event)
                case Suggestion():
                    self.suggestion = event
            yield event

    def plot_loss(self) -> Image:
        """The loss of each training step so far."""
        return pictures.curve([float(i) for i in range(len(self.losses))], {"loss": self.losses}, "Loss a step, nats")

    def plot_lr_find(self) -> Image:
        """The curve of the last learning-rate test with its suggestions."""
        rates, losses = [t.lr for t in self.tried], [t.loss for t in self.tried]
        return pictures.curve(rates, {"loss": losses}, "Smoothed loss by learning rate", True, self.suggestion.rates)


class Learner:
    """A network, its data and what it is trained towards."""

    def __init__(
        self,
        dls: DataLoaders,
        architecture: Architecture,
        choice: Mapping[str, Any],
        loss_func: nn.Module | None = None,
        metrics: Metric | Sequence[Metric] = (),
        wd: float = Training.weight_decay,
        train_bn: bool = Training.train_bn,
        micro_batch: int = Training.micro_batch,
        ema: float = Training.ema,
        world: World = ALONE,
    ) -> None:
        """`choice` is the recipe's `{"name": ..., knobs}` that built `architecture`."""
        keep_freed_memory()
        scores = [metrics] if callable(metrics) or isinstance(metrics, str) else metrics
        loss = loss_func or loss_for(dls.train.targets, dls.c)
        if strange := next((m for m in scores if not callable(m)), None):
            raise BadInput(f"A metric is a function, such as {', '.join(METRICS)}; {quoted(strange)} is none.")
        named = {m.__name__: m for m in scores}
        self.task = Task(architecture, dls, loss, named, wd, train_bn, micro_batch, ema, world=world)
        self.choice = dict(choice)
        self._check_size()
        self.recorder = Recorder()

    def _check_size(self) -> None:
        arch, (h, w) = self.task.architecture, self.dls.valid.pipeline.size
        arch.model.eval()
        try:
            with torch.inference_mode():
                arch.forward(torch.zeros(1, 3, h, w, device=self.dls.device))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise BadInput(
                f"{self.choice.get('model', self.choice['name'])!r} cannot take photos of {h} x {w} pixels ({error}); "
                "change the size in the last transform."
            ) from error

    @property
    def dls(self) -> DataLoaders:
        """The data."""
        return self.task.dls

    @property
    def model(self) -> nn.Module:
        """The network."""
        return self.task.architecture.model  # type: ignore[no-any-return]

    def freeze(self) -> None:
        """Only the head learns from now on."""
        self.task.architecture.freeze(self.task.train_bn)

    def unfreeze(self) -> None:
        """Everything learns from now on."""
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
    ) -> list[EpochEnded]:
        """Train the head for `freeze_epochs`, on kept features or on photos, then everything for `epochs`."""
        stages = fine_tuning(self.task, epochs, base_lr, freeze_epochs, lr_mult, pct_start, div, features)
        events = self._fit(stages)
        self.unfreeze()  # as fastai leaves it, whatever stages there were
        return events

    def fit_one_cycle(
        self,
        n_epoch: int,
        lr_max: float | slice | Sequence[float] = Training.base_lr,
        div: float = 25.0,
        div_final: float = 1e5,
        pct_start: float = 0.25,
    ) -> list[EpochEnded]:
        """Train what is not frozen through one cycle; `lr_max` as in `spread`."""
        rates = spread(lr_max, len(self.task.architecture.groups))
        stage = Stage(
            "frozen" if self.task.architecture.frozen else "unfrozen", n_epoch, rates, pct_start, div, div_final
        )
        return self._fit([stage])

    def _fit(self, stages: list[Stage]) -> list[EpochEnded]:
        return history(self.recorder.watch(fit(TrainState(self.task, stages))))

    def lr_find(
        self,
        start_lr: float = 1e-7,
        end_lr: float = 10.0,
        num_it: int = 100,
        suggest_funcs: Suggest | Sequence[Suggest] = (),
        features: bool = Training.features,
    ) -> tuple[float | None, ...]:
        """Try growing rates and return what the curve suggests, named by function; the model is as it was before.

        A frozen body makes its `features` of each photo once. Where the curve supports no suggestion the rates are
        None, and `recorder.suggestion.reason` says why.
        """
        functions = (suggest_funcs,) if callable(suggest_funcs) else suggest_funcs
        self.recorder.tried = []
        for _ in shown(self.recorder.watch(lr_find(self.task, start_lr, end_lr, num_it, functions, features))):
            pass
        rates = self.recorder.suggestion.rates
        return namedtuple("SuggestedLRs", rates)(**rates)

    def validate(self) -> dict[str, float]:
        """Loss in nats and the metrics on the validation set."""
        loss, metrics = validate(self.task)
        return {"valid_loss": loss, **metrics}

    def predict(self, item: Any) -> tuple[str, int, Tensor]:
        """Label, its index and the probabilities [C] of one photo."""
        return self.predictor().predict(item)

    def predictor(self) -> Predictor:
        """What `save` writes and `load_learner` reads."""
        return Predictor(self.task.architecture, self.dls.valid.pipeline.views, self.dls.vocab)

    def get_preds(self, dl: Loader | None = None) -> tuple[Tensor, Tensor]:
        """Probabilities [N, C] and targets [N] of the validation set, or of `dl`."""
        found = predict(self.task, dl or self.dls.valid)
        return found.logits.softmax(1), found.targets

    def tta(self, dl: Loader | None = None, n: int = 4, beta: float = 0.25) -> tuple[Tensor, Tensor]:
        """As get_preds, with `n` augmented views of each photo: (1 - beta) of their mean and beta of the plain one."""
        loader = dl or self.dls.valid
        plain, targets = self.get_preds(loader)
        augmented = [predict(self.task, replace(loader, training=True), epoch).logits.softmax(1) for epoch in range(n)]
        return torch.stack(augmented).mean(0).lerp(plain, beta), targets

    def interpret(self, dl: Loader | None = None) -> ClassificationInterpretation:
        """Predictions on the validation set, or on `dl`, ready to be looked at."""
        loader = dl or self.dls.valid
        return self.interpretation(predict(self.task, loader), loader)

    def interpretation(self, found: Outputs, loader: Loader) -> ClassificationInterpretation:
        """Outputs for the photos of a loader, ready to be looked at."""
        items = [loader.items[i] for i in found.indices]
        return ClassificationInterpretation(found.logits, found.targets, items, self.dls.vocab, loader)

    def confusion_matrix(self) -> Tensor:
        """Counts [C, C] on the validation set: rows the actual, columns the predicted class."""
        return self.interpret().confusion_matrix()

    def most_confused(self, min_val: int = 1) -> list[tuple[str, str, int]]:
        """(actual, predicted, count) of the most frequent mistakes on the validation set."""
        return self.interpret().most_confused(min_val)

    def top_losses(self, k: int = 9) -> tuple[Tensor, Tensor]:
        """The largest losses on the validation set and the indices of their photos."""
        return self.interpret().top_losses(k)

    def show_results(self, max_n: int = 9) -> Image:
        """Validation photos with their label and the prediction."""
        images, targets, _ = next(batch for batch in self.dls.valid.batches(0) if batch[2])
        self.model.eval()
        with torch.inference_mode():
            guesses = self.task.architecture.forward(images[:max_n]).argmax(1).tolist()
        names = self.dls.vocab
        captions = [f"{names[t]} / {names[g]}" for t, g in zip(targets[:max_n].tolist(), guesses, strict=True)]
        return pictures.contact_sheet(images[:max_n], captions)

    def save(self, folder: str | Path) -> Path:
        """Write the model as safetensors and JSON; `load_learner` reads it."""
        arch = self.task.architecture
        views = self.dls.valid.pipeline.views
        save_model(Path(folder), arch, ModelConfig(self.choice, views, self.dls.vocab, arch.mean, arch.std))
        return Path(folder)


def vision_learner(
    dls: DataLoaders,
    arch: str | Callable[..., Architecture],
    pretrained: bool = True,
    loss_func: nn.Module | None = None,
    metrics: Metric | Sequence[Metric] = (),
    wd: float = Training.weight_decay,
    train_bn: bool = Training.train_bn,
    micro_batch: int = Training.micro_batch,
    ema: float = Training.ema,
    **knobs: Any,
) -> Learner:
    """A learner of a registered architecture (its name or its function) with a new, and for now only learning, head."""
    entry = next((e for e in architectures if e.factory is arch or e.name == arch), None)
    if entry is None:
        raise BadInput(
            f"{arch!r} is not a registered architecture; there are: {', '.join(e.name for e in architectures)}."
        )
    choice = {"name": entry.name, **knobs}
    if any(p.name == "pretrained" for p in entry.params):
        choice["pretrained"] = pretrained
    architecture: Architecture = architectures.build(choice, dls.c)
    learner = Learner(dls, architecture, choice, loss_func, metrics, wd, train_bn, micro_batch, ema)
    if architecture.pretrained:
        learner.freeze()
    return learner


cnn_learner = vision_learner
