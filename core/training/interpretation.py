"""Where a model errs: the confusion matrix, the pairs it confuses most, and the photos it is most wrong about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as F

from core.data import pictures
from core.errors import BadInput
from core.training.metrics import accuracy, confusion, wilson_interval

if TYPE_CHECKING:
    from core.data.loaders import Loader


@dataclass
class ClassificationInterpretation:
    """Predictions on labelled photos: logits [N, C], targets [N], their files and the names of the classes."""

    logits: Tensor
    targets: Tensor
    items: list[Path]
    vocab: list[str]
    loader: Loader | None = None

    @classmethod
    def from_learner(cls, learner: Any, dl: Loader | None = None) -> ClassificationInterpretation:
        """Of a learner's validation set, or of `dl`."""
        return learner.interpret(dl)  # type: ignore[no-any-return]

    @property
    def accuracy(self) -> float:
        """The share of photos predicted rightly."""
        return accuracy(self.logits, self.targets)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy."""
        return wilson_interval(self.accuracy, len(self.targets))

    def confusion_matrix(self) -> Tensor:
        """Counts [C, C]: rows the actual, columns the predicted class."""
        return confusion(self.logits, self.targets)

    def most_confused(self, min_val: int = 1) -> list[tuple[str, str, int]]:
        """(actual, predicted, count) for the wrong cells of at least `min_val`, largest first."""
        counts = self.confusion_matrix().tolist()
        cells = [
            (self.vocab[r], self.vocab[c], n)
            for r, row in enumerate(counts)
            for c, n in enumerate(row)
            if r != c and n >= min_val
        ]
        return sorted(cells, key=lambda cell: -cell[2])

    def per_class(self) -> list[dict[str, Any]]:
        """Photos, recall, precision and F1 of each class; None where there is nothing to divide by."""
        counts = self.confusion_matrix()
        hits, actual, predicted = counts.diag().tolist(), counts.sum(1).tolist(), counts.sum(0).tolist()
        return [
            {
                "class": name,
                "n": n,
                "recall": hit / n if n else None,
                "precision": hit / p if p else None,
                "f1": 2 * hit / (n + p) if n + p else None,
            }
            for name, hit, n, p in zip(self.vocab, hits, actual, predicted, strict=True)
        ]

    def losses(self) -> Tensor:
        """Cross-entropy of each photo in nats: [N]."""
        return F.cross_entropy(self.logits, self.targets, reduction="none")

    def top_losses(self, k: int = 9) -> tuple[Tensor, Tensor]:
        """The `k` largest losses and the indices of their photos."""
        best = self.losses().topk(min(k, len(self.targets)))
        return best.values, best.indices

    def plot_confusion_matrix(self) -> Image:
        """The confusion matrix as a picture."""
        return pictures.matrix(self.confusion_matrix().tolist(), self.vocab)

    def plot_top_losses(self, k: int = 9) -> Image:
        """The photos with the largest losses: prediction / actual / loss / probability of the prediction."""
        if self.loader is None:
            raise BadInput("These predictions came without their photos; make them with `from_learner`.")
        losses, indices = self.top_losses(k)
        probabilities = self.logits.softmax(1)
        samples = [self.loader.pipeline.item(self.items[i], None, False) for i in indices.tolist()]  # type: ignore[arg-type]
        images = self.loader.pipeline.batch(samples, torch.device("cpu"), False)
        captions = [
            f"{self.vocab[int(self.logits[i].argmax())]} / {self.vocab[int(self.targets[i])]} / "
            f"{loss:.2f} / {probabilities[i].max():.2f}"
            for loss, i in zip(losses.tolist(), indices.tolist(), strict=True)
        ]
        return pictures.contact_sheet(images, captions)
