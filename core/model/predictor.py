"""Predictor: a trained model that predicts photos with the preprocessing of validation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.data import photo
from core.data.photo import BadPhoto, View
from core.data.pil_image import opened
from core.errors import BadInput
from core.model.answer import Answer
from core.model.architecture import Architecture
from core.model.head import Calibrated, WithFeatures
from core.model.strangers import Strangers

Item = TypeVar("Item")


class Prediction(tuple[str, int, Tensor]):
    """Label, its index and the probabilities [C], as fastai returns them; `answer` says how far to trust them."""

    answer: Answer

    def __new__(cls, answer: Answer) -> Prediction:
        """The tuple of an answer."""
        found = super().__new__(cls, (answer.label, answer.index, answer.probabilities))
        found.answer = answer
        return found


@dataclass
class Predictor:
    """A trained model with the preprocessing of its photos, the names of its classes and what it knows of itself."""

    architecture: Architecture
    views: Sequence[View]
    vocab: list[str]
    temperature: float = 1.0  # of its calibration
    strangers: Strangers | None = None
    not_sure_below: float = 0.0

    def __post_init__(self) -> None:
        self.architecture.model.eval()

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.architecture.model.parameters()).device  # type: ignore[no-any-return]

    def predict(self, item: Any) -> Prediction:
        """Label, its index and the probabilities [C] of a file, its bytes, an image or an array, as a tuple.

        Its `answer` has more. Raises BadPhoto, or BadInput if the model's outputs are not finite.
        """
        return Prediction(self._answer(self._outputs(self.prepare(item)[None])[0]))

    def answers(
        self, items: Sequence[Item], batch_size: int = 32, prepare: Callable[[Item], Tensor] | None = None
    ) -> Iterator[tuple[Item, Answer | BadPhoto]]:
        """Each item in order with its answer, or with the BadPhoto that says why it cannot be read."""
        for item, found in self.predict_many(items, batch_size, prepare, self._outputs):
            yield item, found if isinstance(found, BadPhoto) else self._answer(found)

    def with_temperature_inside(self) -> Predictor:
        """The same predictions by a network that divides its logits itself, as an exported one must."""
        network = Calibrated(self.architecture.model, self.temperature).eval()
        return replace(self, architecture=replace(self.architecture, model=network, groups=[]), temperature=1.0)

    def prepare(self, item: Any) -> Tensor:
        """The model's input [3, H, W] for one photo, given as anything that `opened` takes; raises BadPhoto."""
        return self.tensor(photo.fit(opened(item), self.views))

    def tensor(self, pixels: NDArray[np.uint8]) -> Tensor:
        """The model's input [3, H, W] for the pixels that `photo.fit` returns."""
        return torch.from_numpy(photo.normalise(pixels, self.architecture.mean, self.architecture.std))

    def logits(self, batch: Tensor) -> Tensor:
        """Calibrated logits [N, C] on the CPU of prepared photos [N, 3, H, W]; raises BadInput if not finite."""
        return _finite(self._through(Calibrated(self.architecture.model, self.temperature), batch)[0])

    def features(self, batch: Tensor) -> Tensor:
        """The model's own features [N, D] on the CPU of prepared photos [N, 3, H, W]."""
        return self._through(WithFeatures(self.architecture.model, self.temperature), batch)[1]

    def _outputs(self, batch: Tensor) -> Tensor:
        """Logits and, if the model knows strangers, a column with the distance: [N, C or C + 1]."""
        if not self.strangers:
            return self.logits(batch)
        logits, features = self._through(WithFeatures(self.architecture.model, self.temperature), batch)
        return torch.cat([_finite(logits), self.strangers.distances(features)[:, None]], 1)

    def _through(self, network: nn.Module, batch: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            found = network(batch.to(self.device, memory_format=torch.channels_last))
            return [x.float().cpu() for x in (found if isinstance(found, tuple) else (found,))]

    def _answer(self, outputs: Tensor) -> Answer:
        distance = outputs[-1].item() if self.strangers else None
        return Answer(self.vocab, outputs[: len(self.vocab)], distance, self.not_sure_below)

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


def _finite(logits: Tensor) -> Tensor:
    if not logits.isfinite().all():
        raise BadInput("This model's outputs are not finite numbers; use another model, or train it again.")
    return logits
