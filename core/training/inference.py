"""Inference with a learner: predictions, interpretation, and saving the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import torch
from PIL.Image import Image
from torch import Tensor

from core.data.loaders import Loader
from core.data.sheet import Layout, sheet
from core.errors import BadInput
from core.model.calibration import Calibration
from core.model.folder import ModelConfig, save_model
from core.model.predictor import Predictor
from core.registry import architectures
from core.training.interpretation import ClassificationInterpretation
from core.training.task import Task
from core.training.validate import InMemoryBatches, Outputs, predict, validate


class Inference:
    """The methods of fastai's Learner that do not train."""

    __slots__ = ("choice", "task")

    task: Task
    choice: dict[str, Any]

    def validate(self) -> dict[str, float]:
        """Loss in nats and the metrics on the validation set."""
        loss, metrics = validate(self.task)
        return {"valid_loss": loss, **metrics}

    def predict(self, item: Any) -> tuple[str, int, Tensor]:
        """Label, its index and the probabilities [C] of a file, its bytes, an image or an array; raises BadPhoto."""
        return self.predictor().predict(item)

    def predictor(self) -> Predictor:
        """The Predictor that `load_learner` would return after `save`."""
        return Predictor(self.task.architecture, self.task.dls.valid.pipeline.views, self.task.dls.vocab)

    def get_preds(self, dl: Loader | Sequence[tuple[Tensor, Tensor]] | None = None) -> tuple[Tensor, Tensor]:
        """Probabilities [N, C] and targets [N] of the validation set, or of `dl`, which may be a list of batches."""
        loader = self.task.dls.valid if dl is None else dl
        found = predict(self.task, loader if isinstance(loader, Loader) else InMemoryBatches(loader))
        return found.logits.softmax(1), found.targets

    def tta(self, dl: Loader | None = None, n: int = 4, beta: float = 0.25) -> tuple[Tensor, Tensor]:
        """As `get_preds`, with test-time augmentation: (1 - beta) of the mean of `n` augmented views, beta of plain."""
        loader = self.task.dls.valid if dl is None else dl
        plain, targets = self.get_preds(loader)
        augmented = [predict(self.task, replace(loader, training=True), epoch).logits.softmax(1) for epoch in range(n)]
        return torch.stack(augmented).mean(0).lerp(plain, beta), targets

    def interpret(self, dl: Loader | None = None) -> ClassificationInterpretation:
        """The interpretation of predictions on the validation set, or on `dl`."""
        loader = self.task.dls.valid if dl is None else dl
        return self.interpretation(predict(self.task, loader), loader)

    def interpretation(self, found: Outputs, loader: Loader) -> ClassificationInterpretation:
        """The interpretation of outputs for the photos of a loader."""
        items = [loader.items[i] for i in found.indices]
        return ClassificationInterpretation(found.logits, found.targets, items, self.task.dls.vocab, loader)

    def confusion_matrix(self) -> Tensor:
        """Counts [C, C] on the validation set: rows the actual, columns the predicted class."""
        return self.interpret().confusion_matrix()

    def most_confused(self, min_val: int = 1) -> list[tuple[str, str, int]]:
        """(actual, predicted, count) of the most frequent mistakes on the validation set."""
        return self.interpret().most_confused(min_val)

    def top_losses(self, k: int = 9) -> tuple[Tensor, Tensor]:
        """The largest losses on the validation set and the indices of their photos."""
        return self.interpret().top_losses(k)

    def show_results(self, max_n: int = 9, **layout: Unpack[Layout]) -> Image:
        """A sheet of validation photos with their label and prediction."""
        images, targets, _ = next(batch for batch in self.task.dls.valid.batches(0) if batch[2])
        self.task.architecture.model.eval()
        with torch.inference_mode():
            guesses = self.task.architecture.forward(images[:max_n]).argmax(1).tolist()
        names = self.task.dls.vocab
        captions = [f"{names[t]} / {names[g]}" for t, g in zip(targets[:max_n].tolist(), guesses, strict=True)]
        return sheet(images[:max_n], captions, **layout)

    def save(self, folder: str | Path, calibration: Calibration | None = None) -> Path:
        """Write the model as safetensors and JSON; `load_learner` reads it. Raises BadInput."""
        arch, name = self.task.architecture, self.choice["name"]
        if name not in architectures:
            raise BadInput(
                f"{name!r} is not a registered architecture, so it could not be loaded; write it as a plugin."
            )
        views, choice = self.task.dls.valid.pipeline.views, self.choice
        if arch.img_size:  # a model folder has no transforms from which to derive it
            choice = choice | {"img_size": list(arch.img_size)}
        vocab, found = self.task.dls.vocab, calibration or Calibration()
        save_model(Path(folder), arch, ModelConfig(choice, views, vocab, arch.mean, arch.std, found))
        return Path(folder)
