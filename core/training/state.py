"""The state of a training: everything that changes from step to step, so that it can be saved and restored."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from core.data.draws import DRAWS_VERSION
from core.data.loaders import Loader
from core.errors import BadInput
from core.training.average import Average
from core.training.best import Best, is_better, score
from core.training.features import FeatureCache, FeatureLoader
from core.training.optimizer_state import optimizer_document, optimizer_tensors, restore_optimizer
from core.training.random_state import random_document, restore_random
from core.training.schedules import FINISH_SHARE, cosine, one_cycle, one_cycle_momentum
from core.training.step import StepLoss, TakenStep
from core.training.task import Stage, Task, make_optimizer
from core.training.validate import Outputs


@dataclass(frozen=True)
class Finish:
    """An early finish: the learning rate is annealed over `steps` steps from `step` of `stage`."""

    stage: int
    step: int
    steps: int


@dataclass
class TrainState:
    """The position of a task in its stages, with optimizer, mean weights and best epoch.

    `best_by` is valid_loss, a metric or last, or "" to keep no epoch. With `patience`, a stage ends after that many
    epochs in a row without improvement.
    """

    task: Task
    stages: Sequence[Stage]
    best_by: str = ""
    patience: int = 0
    stage: int = 0
    epoch: int = 0
    batch: int = 0  # batches of the epoch that are done
    loss_sum: float = 0.0
    photos: int = 0
    worse: int = 0  # epochs since the best of the stage
    stage_best: list[float] | None = None  # the score and the loss of that epoch
    finish: Finish | None = None
    best: Best | None = None
    features: FeatureCache | None = None  # of the frozen backbone, in place of the photos
    optimizer: torch.optim.Optimizer | None = field(default=None, init=False)
    average: Average | None = field(default=None, init=False)
    scaler: GradScaler | None = field(default=None, init=False)
    taken: deque[TakenStep] = field(default_factory=deque, init=False)
    began: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Raise BadInput if a stage cannot train with the task's micro-batch."""
        for stage in self.stages:
            self.task.check_micro_batch(self.task.architecture.frozen if stage.frozen is None else stage.frozen)

    @property
    def done(self) -> bool:
        """Whether all stages are over."""
        return self.stage >= len(self.stages)

    @property
    def now(self) -> Stage:
        """The current stage."""
        return self.stages[self.stage]

    @property
    def steps(self) -> int:
        """The optimizer steps of this stage."""
        return self.now.epochs * self._epoch_steps

    @property
    def step(self) -> int:
        """The optimizer steps of this stage that are done."""
        return self.epoch * self._epoch_steps + self.batch

    @property
    def _epoch_steps(self) -> int:
        return max(1, self.now.head_epochs) * len(self.task.dls.train)

    @property
    def train_loader(self) -> Loader | FeatureLoader:
        """The training photos, or their features where the stage trains on these."""
        return self.features.train if self.features else self.task.dls.train

    def train_batches(self, start: int) -> Iterator[tuple[Tensor, Tensor, list[int]]]:
        """The batches of this epoch from batch `start`."""
        return self.train_loader.batches(self.task.epochs_seen, start)

    @property
    def valid_loader(self) -> Loader | FeatureLoader:
        """The validation photos, or their features where the stage trains on these."""
        return self.features.valid if self.features else self.task.dls.valid

    @property
    def finished(self) -> bool:
        """Whether the learning rate has been annealed after `finish_early`."""
        end = self.finish
        return end is not None and end.stage == self.stage and self.step >= end.step + end.steps

    @property
    def stage_over(self) -> bool:
        """Whether this stage has no epochs left."""
        impatient = 0 < self.patience <= self.worse
        return self.epoch >= self.now.epochs or (self.finished and not self.batch) or impatient

    def begin_stage(self) -> None:
        """Freeze or unfreeze, and create the optimizer and the running mean of the weights."""
        stage, arch = self.now, self.task.architecture
        if stage.frozen is not None:
            arch.freeze(self.task.train_bn) if stage.frozen else arch.unfreeze(stage.frozen_stages)
        self.task.connect(on_features=self.features is not None)
        self.optimizer = make_optimizer(self.task, stage.rates)
        self.average = Average(arch.model, self.task.ema)
        self.scaler = self.task.device.scaler(self.task.precision)
        self.began = time.perf_counter()

    def end_step(self, loss: StepLoss, photos: int, rate: float) -> None:
        """Count a step over its photos, and update the running mean of the weights; `report` counts its loss."""
        assert self.average is not None  # begin_stage made it
        self.average.update()
        self.photos += photos
        self.batch += 1
        self.taken.append(TakenStep(self.step, photos, rate, loss))

    def report(self) -> TakenStep:
        """The first step that has not been reported, whose loss is added to that of its epoch."""
        taken = self.taken.popleft()
        self.loss_sum += taken.loss.value * taken.photos
        return taken

    def end_stage(self) -> None:
        """Load the mean of the weights into the model and go to the next stage, or to the end if finishing early."""
        if self.average is not None:
            self.average.swap()
        self.optimizer = self.average = self.features = self.scaler = None
        self.task.connect()
        finishing = self.finish is not None and self.finish.stage == self.stage
        self.stage = len(self.stages) if finishing else self.stage + 1
        self.epoch = self.batch = self.photos = self.worse = 0
        self.loss_sum, self.stage_best = 0.0, None

    def end(self) -> None:
        """Leave all stages at once, for the model of the best epoch."""
        self.optimizer = self.average = self.features = self.scaler = None
        self.stage = len(self.stages)

    def end_epoch(self, value: float, loss: float, found: Outputs) -> bool:
        """Go to the next epoch; returns whether this one is the best so far, whose weights and outputs are kept."""
        judged = score(self.best_by, value, loss)
        best = bool(self.best_by) and (self.best is None or is_better(self.best_by, value, loss, found, self.best))
        if best:
            weights = {name: tensor.clone() for name, tensor in self.task.architecture.model.state_dict().items()}
            self.best = Best(self.now.name, self.epoch, value, loss, weights, found)
        self.worse = 0 if self.stage_best is None or judged < self.stage_best else self.worse + 1
        self.stage_best = judged if self.worse == 0 else self.stage_best
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss_sum, self.photos, self.began = 0.0, 0, time.perf_counter()
        self.task.epochs_seen += 1
        return best

    def finish_early(self) -> Finish:
        """Anneal the learning rate over the next steps, after which training validates and ends."""
        left = self.steps - self.step
        self.finish = Finish(self.stage, self.step, min(left, max(1, round(FINISH_SHARE * self.steps))))
        return self.finish

    def schedule(self) -> tuple[list[float], float]:
        """The learning rates of the parameter groups and the momentum of the next step."""
        stage, end = self.now, self.finish
        falling = end is not None and end.stage == self.stage and self.step >= end.step
        progress = (end.step if end and falling else self.step) / self.steps
        rates = [one_cycle(progress, r, stage.pct_start, stage.div, stage.div_final) for r in stage.rates]
        momentum = one_cycle_momentum(progress, stage.pct_start)
        if end and falling:
            fall = (self.step - end.step + 1) / end.steps
            rates = [cosine(now, r / stage.div_final, fall) for now, r in zip(rates, stage.rates, strict=True)]
            momentum = cosine(momentum, one_cycle_momentum(1.0, stage.pct_start), fall)
        return rates, momentum

    def restore_best(self) -> Best:
        """Load the weights of the best epoch into the model; raises BadInput if none was kept."""
        if self.best is None:
            raise BadInput("No epoch has ended yet, so there is no model to keep.")
        self.task.architecture.model.load_state_dict(self.best.weights)
        return self.best

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state, by name, on the CPU."""
        found = {f"model.{k}": v for k, v in self.task.architecture.model.state_dict().items()}
        if self.optimizer is not None and self.average is not None:
            found |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(self.optimizer).items()}
            found |= {f"average.{i}": mean for i, mean in enumerate(self.average.means)}
        if self.features is not None:
            found |= {f"features.{name}": tensor for name, tensor in self.features.tensors().items()}
        if self.best is not None:
            found |= {f"best.{k}": v for k, v in self.best.weights.items()}
            found |= {"outputs.logits": self.best.outputs.logits, "outputs.targets": self.best.outputs.targets}
        found["random.torch"] = torch.get_rng_state()
        if (state := self.task.device.random_state()) is not None:
            found["random.device"] = state
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}

    def document(self) -> dict[str, Any]:
        """All of the state that is not a tensor, for JSON."""
        best, finish = self.best, self.finish
        return {
            "position": {name: getattr(self, name) for name in _POSITION},
            "under_way": self.optimizer is not None,
            "optimizer": None if self.optimizer is None else optimizer_document(self.optimizer),
            "updates": self.average.updates if self.average else 0,
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "taken": [[t.step, t.photos, t.rate, t.loss.value] for t in self.taken],
            "seconds": time.perf_counter() - self.began,
            "epochs_seen": self.task.epochs_seen,
            "micro_batch": self.task.micro_batch,
            "finish": [finish.stage, finish.step, finish.steps] if finish else None,
            "best": [best.stage, best.epoch, best.value, best.loss, best.outputs.indices] if best else None,
            "random": random_document(),
            "draws": DRAWS_VERSION,
        }

    def restore(self, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
        """Restore the `tensors()` and `document()` of a state of the same task and stages; raises ValueError."""
        for name in _POSITION:
            setattr(self, name, document["position"][name])
        self.task.epochs_seen, self.task.micro_batch = document["epochs_seen"], document["micro_batch"]
        self.finish = Finish(*document["finish"]) if document["finish"] else None
        self.task.architecture.model.load_state_dict(_under("model", tensors))
        if document["best"]:
            stage, epoch, value, loss, indices = document["best"]
            found = Outputs(tensors["outputs.logits"], tensors["outputs.targets"], indices)
            self.best = Best(stage, epoch, value, loss, _under("best", tensors), found)
        if document["under_way"]:
            if bool(self.now.head_epochs) != ("features.train.values" in tensors):
                raise ValueError("its head was trained on features, and here on photos, or the reverse")
            if self.now.head_epochs:
                self.features = FeatureCache.restored(self.task, _under("features", tensors), self.now.head_epochs)
            self.begin_stage()
            self._restore_stage(tensors, document)
        restore_random(document["random"])
        torch.set_rng_state(tensors["random.torch"])
        if "random.device" in tensors:
            self.task.device.set_random_state(tensors["random.device"])

    def _restore_stage(self, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
        assert self.optimizer is not None and self.average is not None  # begin_stage made them
        restore_optimizer(self.optimizer, _under("optimizer", tensors), document.get("optimizer"))
        with torch.no_grad():
            for i, mean in enumerate(self.average.means):
                mean.copy_(tensors[f"average.{i}"])
        self.average.updates = document["updates"]
        if self.scaler and document.get("scaler"):
            self.scaler.load_state_dict(document["scaler"])
        taken = document.get("taken", [])  # versions before had reported each step before they saved
        self.taken = deque(TakenStep(step, photos, rate, StepLoss.known(loss)) for step, photos, rate, loss in taken)
        self.began = time.perf_counter() - document["seconds"]


_POSITION = ("stage", "epoch", "batch", "loss_sum", "photos", "worse", "stage_best")


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
