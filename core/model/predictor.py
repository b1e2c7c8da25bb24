"""From one photo to its probabilities, by the road that validation takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data import photo
from core.data.photo import View
from core.data.pil_image import opened
from core.errors import BadInput
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
        """Label, its index and the probabilities [C] of a file, its bytes, an image or an array.

        Raises BadPhoto, or BadInput where the model answers with numbers that are not finite.
        """
        probabilities = self.logits(self.prepare(item)[None]).softmax(1)[0]
        index = int(probabilities.argmax())
        return self.vocab[index], index, probabilities

    def prepare(self, item: Any) -> Tensor:
        """The model's input [3, H, W] for one photo, of whatever `opened` takes; raises BadPhoto."""
        return self.tensor(photo.fit(opened(item), self.views))

    def tensor(self, pixels: NDArray[np.uint8]) -> Tensor:
        """The model's input [3, H, W] for what `photo.fit` shows of a photo."""
        return torch.from_numpy(photo.normalise(pixels, self.architecture.mean, self.architecture.std))

    def logits(self, batch: Tensor) -> Tensor:
        """Logits [N, C], on the CPU, of prepared photos [N, 3, H, W]; raises BadInput where they are no numbers."""
        with torch.inference_mode():
            images = batch.to(self.device, memory_format=torch.channels_last)
            logits: Tensor = self.architecture.model(images).float().cpu()
        if not logits.isfinite().all():
            raise BadInput("This model's answers are no finite numbers; use another model, or train it anew.")
        return logits
