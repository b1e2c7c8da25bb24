"""Predictor: a trained model that predicts photos with the preprocessing of validation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data import photo
from core.data.photo import BadPhoto, View
from core.data.pil_image import opened
from core.errors import BadInput
from core.model.architecture import Architecture

Item = TypeVar("Item")


@dataclass
class Predictor:
    """A trained model with the preprocessing of its photos and the names of its classes."""

    architecture: Architecture
    views: Sequence[View]
    vocab: list[str]

    def __post_init__(self) -> None:
        self.architecture.model.eval()

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.architecture.model.parameters()).device  # type: ignore[no-any-return]

    def predict(self, item: Any) -> tuple[str, int, Tensor]:
        """Label, its index and the probabilities [C] of a file, its bytes, an image or an array.

        Raises BadPhoto, or BadInput if the model's outputs are not finite.
        """
        probabilities = self.logits(self.prepare(item)[None]).softmax(1)[0]
        index = int(probabilities.argmax())
        return self.vocab[index], index, probabilities

    def prepare(self, item: Any) -> Tensor:
        """The model's input [3, H, W] for one photo, given as anything that `opened` takes; raises BadPhoto."""
        return self.tensor(photo.fit(opened(item), self.views))

    def tensor(self, pixels: NDArray[np.uint8]) -> Tensor:
        """The model's input [3, H, W] for the pixels that `photo.fit` returns."""
        return torch.from_numpy(photo.normalise(pixels, self.architecture.mean, self.architecture.std))

    def logits(self, batch: Tensor) -> Tensor:
        """Logits [N, C] on the CPU of prepared photos [N, 3, H, W]; raises BadInput if they are not finite."""
        with torch.inference_mode():
            images = batch.to(self.device, memory_format=torch.channels_last)
            logits: Tensor = self.architecture.model(images).float().cpu()
        if not logits.isfinite().all():
            raise BadInput("This model's outputs are not finite numbers; use another model, or train it again.")
        return logits

    def predict_many(
        self,
        items: Sequence[Item],
        batch_size: int = 32,
        prepare: Callable[[Item], Tensor] | None = None,
        logits: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[tuple[Item, Tensor | BadPhoto]]:
        """Each item in order with its logits [C], or with the BadPhoto that says why it cannot be read.

        Items are read in threads and predicted in batches. `prepare` and `logits` replace the predictor's own. Raises
        BadInput as `logits` does.
        """

        def read(item: Item) -> Tensor | BadPhoto:
            try:
                return (prepare or self.prepare)(item)
            except BadPhoto as error:
                return error

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "photos") as pool:
            for start in range(0, len(items), batch_size):
                batch = items[start : start + batch_size]
                inputs = list(pool.map(read, batch))
                readable = [x for x in inputs if isinstance(x, Tensor)]
                outputs = iter((logits or self.logits)(torch.stack(readable)) if readable else ())
                for item, x in zip(batch, inputs, strict=True):
                    yield item, x if isinstance(x, BadPhoto) else next(outputs)
