"""All transforms of a data set, sorted into what they need: a photo, a matrix, or a batch.

Presizing in training: a large photo is shrunk, whole, to what the first transform needs, which a cache can keep; then
all that is drawn is one matrix, sampled once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from core.data import colours, photo
from core.data.cache import decoded
from core.data.sampler import Source, moved, sample, shrunk, to_size
from core.data.transforms import BatchTransform, Geometric, PadMode, Pixel, Pixels, box_matrix, compose
from core.errors import BadInput

Prepare = Callable[[Path, str, Callable[[Image.Image], Pixels]], Pixels]


@dataclass(frozen=True)
class Sample:
    """One photo on its way to the batch: its pixels and, in training, where to sample and what was drawn."""

    source: Source
    drawn: tuple[Any, ...] = ()


class Pipeline:
    """From a file to a batch; raises BadInput if no transform fixes the size."""

    def __init__(self, item_tfms: Any = (), batch_tfms: Any = ()) -> None:
        items, batches = list(_flat(item_tfms)), list(_flat(batch_tfms))
        self.geometric = [t for t in (*items, *batches) if isinstance(t, Geometric)]
        self.pixel = [t for t in (*items, *batches) if isinstance(t, Pixel)]
        self.with_targets = [t for t in (*items, *batches) if isinstance(t, BatchTransform)]
        own = (Geometric, Pixel, BatchTransform)
        self.on_photo: list[Callable[[Any], Any]] = [t for t in items if not isinstance(t, own)]
        self.on_batch: list[Callable[[Tensor], Tensor]] = [t for t in batches if not isinstance(t, own)]
        self.views = [t.view for t in self.geometric if t.view]
        if not self.views:
            raise BadInput("The photos have different sizes; add a transform that fixes one, such as Resize(460).")
        self.size = self.views[-1].size
        self.pad_mode: PadMode = next((t.pad_mode for t in self.geometric if t.pad_mode), "reflection")
        self._check_views()

    @property
    def cacheable(self) -> bool:
        """Whether training starts from the same pixels of a photo in each epoch, so that a cache can keep them."""
        return not self.on_photo and self.geometric[0].max_useful_size is not None

    def item(self, file: Path, generator: Random, training: bool, prepared: Prepare = decoded) -> Sample:
        """Prepare one photo and draw what will happen to it; raises BadPhoto."""
        kept = self.kept(training)
        pixels = prepared(file, *kept) if kept else self.presized(self.apply_item_tfms(photo.decode(file)))
        if not training:
            return Sample(Source(pixels, np.eye(3)))
        matrix, size = compose(self.geometric, pixels.shape[:2], generator, training)
        return Sample(shrunk(pixels, matrix, size), tuple(t.draw(size, generator, training) for t in self.pixel))

    def kept(self, training: bool) -> tuple[str, Callable[[Image.Image], Pixels]] | None:
        """What a cache may keep of a photo: a description, and the function that makes it; None if nothing."""
        if not training:
            return f"views {self.views}", self.validation_pixels
        if not self.cacheable:
            return None
        return f"enough {self.geometric[0].max_useful_size}", self.presized  # these words are in the keys of caches

    def validation_pixels(self, image: Image.Image) -> Pixels:
        """The photo as validation and a saved model see it: uint8 [H, W, 3]."""
        return photo.fit(image, self.views)

    def apply_item_tfms(self, image: Image.Image) -> Image.Image:
        """The photo after the transforms that are only functions of an image."""
        for change in self.on_photo:
            image = change(image).convert("RGB")
        return image

    def presized(self, image: Image.Image) -> Pixels:
        """The photo as training begins with it, in sRGB, no larger than the first transform needs: uint8 [h, w, 3]."""
        height, width = self.geometric[0].max_useful_size or (image.height, image.width)
        scale = min(image.height / height, image.width / width)
        if scale <= 1:
            return np.asarray(colours.in_srgb(image))
        small = to_size(image, round(image.height / scale), round(image.width / scale))
        return np.asarray(to_srgb.apply(Image.fromarray(small))) if (to_srgb := colours.to_srgb(image)) else small

    def batch(self, samples: Sequence[Sample], device: torch.device, training: bool) -> Tensor:
        """Values in 0..1, [N, 3, H, W], on `device`."""
        return self.apply_batch_tfms(self.images(samples, device, training), training)

    def images(self, samples: Sequence[Sample], device: torch.device, training: bool) -> Tensor:
        """The batch before the transforms that are only functions of a batch."""
        if not training:
            pixels = moved(np.stack([s.source.pixels for s in samples]), device)
            return pixels.permute(0, 3, 1, 2).float().div_(255)
        images = sample([s.source for s in samples], self.size, self.pad_mode, device)
        for transform, drawn in zip(self.pixel, zip(*(s.drawn for s in samples), strict=True), strict=True):
            if any(d is not None for d in drawn):
                images = transform.apply(images, drawn)
        return images

    def apply_batch_tfms(self, images: Tensor, training: bool) -> Tensor:
        """Images after the transforms that are only functions of a batch."""
        for change in self.on_batch if training else ():
            images = change(images)
        return images

    def mix(self, images: Tensor, targets: Tensor, classes: int, generator: Random) -> tuple[Tensor, Tensor]:
        """Images [N, 3, H, W] and targets [N] as mixed images and soft targets [N, C]."""
        targets = F.one_hot(targets, classes).to(images.dtype)
        for transform in self.with_targets:
            images, targets = transform.apply(images, targets, transform.draw(len(images), self.size, generator))
        return images, targets

    def _check_views(self) -> None:
        """Raise BadInput if a transform differs from its `view` in validation: a saved model knows only the views."""
        for transform in self.geometric:
            size = (300, 200)
            matrix, out = transform.matrix(transform.draw(size, Random(0), False), size)
            view = transform.view
            expected = box_matrix(view.box(size), view.size) if view else np.eye(3)
            if out != (view.size if view else size) or not np.allclose(matrix, expected):
                raise BadInput(
                    f"{type(transform).__name__} changes photos in validation otherwise than its `view` says, "
                    "so a saved model could not repeat it."
                )


def _flat(tfms: Any) -> Iterable[Any]:
    if tfms is None:
        return
    for t in tfms if isinstance(tfms, Iterable) else (tfms,):
        yield from _flat(t) if isinstance(t, (list, tuple)) else (t,)
