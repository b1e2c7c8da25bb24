"""From one photo to its probabilities, by the road that validation takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.data import photo
from core.data.photo import View
from core.data.pil_image import opened
from core.model.architecture import Architecture


@dataclass
class Predictor:
    """A trained model, how its photos are prepared, and the names of its classes."""

    architecture: Architecture
    views: Sequence[View]
    vocab: list[str]

    def __post_init__(self) -> None:
        self.architecture.model.eval()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.architecture.model.parameters()).device  # type: ignore[no-any-return]

    def predict(self, item: Any) -> tuple[str, int, Tensor]:
        """Label, its index and the probabilities [C] of a file, its bytes, an image or an array; raises BadPhoto."""
        probabilities = self.logits(self.prepare(item)[None]).softmax(1)[0]
        index = int(probabilities.argmax())
        return self.vocab[index], index, probabilities

    def prepare(self, item: Any) -> Tensor:
        """The model's input [3, H, W] for one photo, of whatever `opened` takes; raises BadPhoto."""
        pixels = photo.fit(opened(item), self.views)
        return torch.from_numpy(photo.normalise(pixels, self.architecture.mean, self.architecture.std))

    def logits(self, batch: Tensor) -> Tensor:
        """Logits [N, C], on the CPU, of prepared photos [N, 3, H, W]."""
        with torch.inference_mode():
            images = batch.to(self.device, memory_format=torch.channels_last)
            return self.architecture.model(images).float().cpu()  # type: ignore[no-any-return]
