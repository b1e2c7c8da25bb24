"""Draw the README's pictures from photos that the program draws itself: python -m tests.pictures"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.data import photo
from core.data.photo import View
from core.data.pictures import contact_sheet
from core.data.sampler import Source, sample, shrunk
from core.data.transforms import Geometric, compose
from core.discovery import discover
from core.registry import sources, transforms

FOLDER = Path(__file__).parent
SIZE = (224, 224)
CPU = torch.device("cpu")


def presized(image: Image.Image, steps: Sequence[Geometric], seed: str) -> Tensor:
    """Everything composed, sampled once: [1, 3, H, W]."""
    resize: Geometric = transforms.create("resize", size=460)
    matrix, size = compose([resize, *steps], (image.height, image.width), Random(seed), True)
    return sample([shrunk(image, matrix, size)], size, "reflection", CPU)


def resized_then_augmented(image: Image.Image, steps: Sequence[Geometric], seed: str) -> Tensor:
    """Down to the final size first, then one interpolation after another: [1, 3, H, W]."""
    generator = Random(seed)
    transforms.create("resize", size=460).draw((image.height, image.width), generator, True)  # as presizing draws
    pixels = photo.fit(image, [View(SIZE)])
    for step in steps:
        matrix, size = step.matrix(step.draw(pixels.shape[:2], generator, True), pixels.shape[:2])
        result = sample([Source(pixels, matrix)], size, "zeros", CPU)
        pixels = (result[0] * 255).round().byte().permute(1, 2, 0).numpy()
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None] / 255


def main() -> None:
    """Write presizing.jpg: one row presized, one row resized and then augmented, the same draws."""
    discover()
    steps = [
        t
        for t in transforms.create("aug_transforms", size=224, min_scale=0.75, max_rotate=25.0, p_affine=1.0)
        if isinstance(t, Geometric)
    ]
    with tempfile.TemporaryDirectory() as workspace:
        files = sources.create("sample", Path(workspace))()
        images = [photo.decode(file) for file in files[7::40]]
        rows = [
            torch.cat([way(image, steps, str(i)) for i, image in enumerate(images)])
            for way in (presized, resized_then_augmented)
        ]
    captions = ["presized: sampled once"] * len(images) + ["resized, then augmented"] * len(images)
    contact_sheet(torch.cat(rows), captions, len(images)).save(FOLDER / "presizing.jpg", quality=92)


if __name__ == "__main__":
    main()
