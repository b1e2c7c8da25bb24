"""All transforms of a data set, sorted by what they change: a photo, a matrix or a batch.

Presizing in training: a large photo is first reduced to the size that the first transform needs, which a cache can
keep; then all geometric transforms are composed into one matrix and the photo is interpolated once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
from core.data.draws import Array, Draws
from core.data.sampler import Plan, as_tensor, planned, sampled, to_size
from core.data.transforms import BatchTransform, Geometric, PadMode, Pixel, Pixels, box_matrices, compose, view_boxes
from core.errors import BadInput

Prepare = Callable[[Path, str, Callable[[Image.Image], Pixels]], Pixels]


class Pipeline:
    """Turns files into batches by the given transforms; raises BadInput if none fixes the size."""

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
            raise BadInput("No transform gives the photos one size; add one that does, such as Resize(460).")
        self.size = self.views[-1].size
        self.pad_mode: PadMode = next((t.pad_mode for t in self.geometric if t.pad_mode), "reflection")
        self._check_views()

    @property
    def cacheable(self) -> bool:
        """Whether training starts from the same pixels of a photo in every epoch, so that they can be cached."""
        return not self.on_photo and self.geometric[0].max_useful_size is not None

    def read(self, file: Path, training: bool, prepared: Prepare = decoded) -> Pixels:
        """The pixels of a photo from which its place in a batch is made, uint8 [h, w, 3]; raises BadPhoto."""
        kept = self.kept(training)
        return prepared(file, *kept) if kept else self.presized(self.apply_item_tfms(photo.decode(file)))

    def draw(self, sizes: Array, draws: Draws) -> tuple[Plan, list[Tensor]]:
        """How training photos of `sizes` [N, 2] are sampled, and what each pixel transform draws for them."""
        matrices, after = compose(self.geometric, sizes, draws, True)
        return planned(sizes, matrices, self.size, self.pad_mode), self.draw_light(after, draws)

    def draw_light(self, sizes: Array, draws: Draws) -> list[Tensor]:
        """What each pixel transform draws for photos of `sizes` [N, 2]; float32, as not every device has float64."""
        return [torch.from_numpy(t.draw(sizes, draws).astype(np.float32)) for t in self.pixel]

    def kept(self, training: bool) -> tuple[str, Callable[[Image.Image], Pixels]] | None:
        """The cache key and the function that makes the pixels to cache; None if nothing can be cached."""
        if not training:
            return f"views {self.views}", self.validation_pixels
        if not self.cacheable:
            return None
        return f"enough {self.geometric[0].max_useful_size}", self.presized  # part of cache keys on disk

    def validation_pixels(self, image: Image.Image) -> Pixels:
        """The photo as in validation and in a saved model: uint8 [H, W, 3]."""
        return photo.fit(image, self.views)

    def apply_item_tfms(self, image: Image.Image) -> Image.Image:
        """The photo after the item transforms that are plain functions of an image."""
        for change in self.on_photo:
            image = change(image).convert("RGB")
        return image

    def presized(self, image: Image.Image) -> Pixels:
        """The presized photo in sRGB, no larger than the first transform needs: uint8 [h, w, 3]."""
        height, width = self.geometric[0].max_useful_size or (image.height, image.width)
        scale = min(image.height / height, image.width / width)
        if scale <= 1:
            return np.asarray(colours.in_srgb(image))
        small = to_size(image, round(image.height / scale), round(image.width / scale))
        return np.asarray(to_srgb.apply(Image.fromarray(small))) if (to_srgb := colours.to_srgb(image)) else small

    def images(self, photos: Sequence[Pixels], draws: Draws | None) -> Tensor:
        """Photos as in training, or with None as in validation: [N, 3, H, W] in 0..1, on the CPU."""
        images = torch.empty(len(photos), 3, *self.size)
        self.write(photos, draws, list(images))
        return images

    def write(self, photos: Sequence[Pixels], draws: Draws | None, places: Sequence[Tensor]) -> None:
        """`images`, each photo written to its place [3, H, W], independent of the others to the last bit."""
        if draws is None:
            for pixels, place in zip(photos, places, strict=True):
                torch.div(as_tensor(pixels).permute(2, 0, 1), 255, out=place)
        elif photos:
            plan, drawn = self.draw(np.array([p.shape[:2] for p in photos], np.float64), draws)
            for i, (image, place) in enumerate(zip(sampled(photos, plan), places, strict=True)):
                place.copy_(self.light(image, [part[i : i + 1] for part in drawn])[0])

    def light(self, images: Tensor, drawn: Sequence[Tensor]) -> Tensor:
        """The images [N, 3, H, W] after the pixel transforms, each with its draws for all of them."""
        for transform, part in zip(self.pixel, drawn, strict=True):
            images = transform.apply(images, part)
        return images

    def apply_batch_tfms(self, images: Tensor, training: bool) -> Tensor:
        """The images after the batch transforms that are plain functions of a batch, applied only in training."""
        for change in self.on_batch if training else ():
            images = change(images)
        return images

    def mix(self, images: Tensor, targets: Tensor, classes: int, generator: Random) -> tuple[Tensor, Tensor]:
        """Mixed images [N, 3, H, W] and soft targets [N, C] from images and targets [N]."""
        targets = F.one_hot(targets, classes).to(images.dtype)
        for transform in self.with_targets:
            images, targets = transform.apply(images, targets, transform.draw(len(images), self.size, generator))
        return images, targets

    def _check_views(self) -> None:
        """Raise BadInput if a transform differs from its `view` in validation: a saved model stores only the views."""
        for transform in self.geometric:
            sizes, view = np.array([[300.0, 200.0]]), transform.view
            matrices = transform.matrices(transform.draw(sizes, Draws(0, 0, [0]), False), sizes)
            expected = box_matrices(view_boxes(view, sizes), view.size) if view else np.eye(3)
            if not np.allclose(matrices, expected):
                raise BadInput(
                    f"{type(transform).__name__} does not do in validation what its `view` says, "
                    "so a saved model could not reproduce it; correct its `view`."
                )


def _flat(tfms: Any) -> Iterable[Any]:
    if tfms is None:
        return
    for t in tfms if isinstance(tfms, Iterable) else (tfms,):
        yield from _flat(t) if isinstance(t, (list, tuple)) else (t,)
