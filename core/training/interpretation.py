"""The interpretation of a model's predictions: confusion matrix, most confused classes, top losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as F

from core.data import pictures
from core.data.sheet import Figsize, Layout, pixels, sheet
from core.errors import BadInput
from core.training.metrics import confusion, wilson_interval

if TYPE_CHECKING:
    from core.data.loaders import Loader


@dataclass
class ClassificationInterpretation:
    """Predictions on labelled photos: logits [N, C], targets [N], files and class names."""

    logits: Tensor
    targets: Tensor
    items: list[Path]
    vocab: list[str]
    loader: Loader | None = None

    @classmethod
    def from_learner(cls, learner: Any, dl: Loader | None = None) -> ClassificationInterpretation:
        """The interpretation of a learner's predictions on its validation set, or on `dl`."""
        return learner.interpret(dl)  # type: ignore[no-any-return]

    def calibrated(self, temperature: float) -> ClassificationInterpretation:
        """The same predictions with the confidences of a calibrated model."""
        return replace(self, logits=self.logits / temperature)

    @property
    def accuracy(self) -> float:
        """The share of photos that are predicted correctly."""
        return (self.logits.argmax(1) == self.targets).float().mean().item()

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy (Wilson)."""
        return wilson_interval(self.accuracy, len(self.targets))

    def confusion_matrix(self) -> Tensor:
        """Counts [C, C]: rows the actual, columns the predicted class."""
        return confusion(self.logits, self.targets)

    def most_confused(self, min_val: int = 1) -> list[tuple[str, str, int]]:
        """(actual, predicted, count) of the off-diagonal cells of at least `min_val`, largest first."""
        counts = self.confusion_matrix().tolist()
        cells = [
            (self.vocab[r], self.vocab[c], n)
            for r, row in enumerate(counts)
            for c, n in enumerate(row)
            if r != c and n >= min_val
        ]
        return sorted(cells, key=lambda cell: -cell[2])

    def per_class(self) -> list[dict[str, Any]]:
        """The number of photos, recall, precision and F1 of each class; None where the denominator is 0."""
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

    def print_classification_report(self) -> None:
        """Print precision, recall, F1 and the number of photos of each class, and their means."""
        rows = self.per_class()
        columns = ("precision", "recall", "f1")
        width = max(len("weighted mean"), *(len(name) for name in self.vocab))
        print(f"{'':<{width}}" + "".join(f"{name:>11}" for name in (*columns, "photos")))
        for row in rows:
            print(_line(row["class"], width, [row[c] for c in columns], row["n"]))
        total = len(self.targets)
        print(_line("accuracy", width, [None, None, self.accuracy], total))
        for title, weights in (("mean", [1] * len(rows)), ("weighted mean", [row["n"] for row in rows])):
            means = [sum(w * (row[c] or 0.0) for w, row in zip(weights, rows, strict=True)) for c in columns]
            print(_line(title, width, [mean / (sum(weights) or 1) for mean in means], total))

    def plot_confusion_matrix(self, figsize: Figsize | None = None, dpi: float = 100) -> Image:
        """The confusion matrix as an image that fits into `figsize` inches at `dpi` pixels per inch."""
        return pictures.matrix(self.confusion_matrix().tolist(), self.vocab, size=pixels(figsize, dpi))

    def plot_top_losses(self, k: int = 9, **layout: Unpack[Layout]) -> Image:
        """The photos with the largest losses: prediction / actual / loss / probability of the prediction."""
        if self.loader is None:
            raise BadInput("These predictions have no loader of their photos; make them with `from_learner`.")
        losses, indices = self.top_losses(k)
        probabilities = self.logits.softmax(1)
        photos = [self.loader.pipeline.read(self.items[i], training=False) for i in indices.tolist()]
        images = self.loader.pipeline.images(photos, draws=None)
        captions = [
            f"{self.vocab[int(self.logits[i].argmax())]} / {self.vocab[int(self.targets[i])]} / "
            f"{loss:.2f} / {probabilities[i].max():.2f}"
            for loss, i in zip(losses.tolist(), indices.tolist(), strict=True)
        ]
        return sheet(images, captions, **layout)


def _line(title: str, width: int, shares: Sequence[float | None], photos: int) -> str:
    return f"{title:<{width}}" + "".join(f"{'' if s is None else f'{s:.2f}':>11}" for s in shares) + f"{photos:>11}"
