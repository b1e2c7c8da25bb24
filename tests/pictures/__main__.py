"""Draw the README's pictures from photos that the program draws itself: python -m tests.pictures"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.data import photo
from core.data.draws import Array, Draws
from core.data.photo import View
from core.data.pictures import contact_sheet
from core.data.sampler import planned, sampled
from core.data.transforms import Geometric, PadMode, Pixels, compose
from core.discovery import discover
from core.registry import sources, transforms

FOLDER = Path(__file__).parent
SIZE = (224, 224)


def presized(image: Image.Image, steps: Sequence[Geometric], seed: int) -> Tensor:
    """Everything composed, sampled once: [1, 3, H, W]."""
    resize: Geometric = transforms.create("resize", size=460)
    matrices, _ = compose([resize, *steps], np.array([[image.height, image.width]], float), Draws(seed, 0, [0]), True)
    return interpolated(np.asarray(image), matrices, "reflection")


def resized_then_augmented(image: Image.Image, steps: Sequence[Geometric], seed: int) -> Tensor:
    """Down to the final size first, then one interpolation after another: [1, 3, H, W]."""
    draws, size = Draws(seed, 0, [0]), np.array([[image.height, image.width]], float)
    transforms.create("resize", size=460).draw(size, draws, True)  # as presizing draws
    pixels, small = photo.fit(image, [View(SIZE)]), np.array([SIZE], float)
    for step in steps:
        result = interpolated(pixels, step.matrices(step.draw(small, draws, True), small), "zeros")
        pixels = (result[0] * 255).round().byte().permute(1, 2, 0).numpy()
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None] / 255


def interpolated(pixels: Pixels, matrices: Array, pad_mode: PadMode) -> Tensor:
    """One photo at the final size: [1, 3, H, W]."""
    return next(sampled([pixels], planned(np.array([pixels.shape[:2]], float), matrices, SIZE, pad_mode)))


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
            torch.cat([way(image, steps, i) for i, image in enumerate(images)])
            for way in (presized, resized_then_augmented)
        ]
    captions = ["presized: sampled once"] * len(images) + ["resized, then augmented"] * len(images)
    contact_sheet(torch.cat(rows), captions, len(images)).save(FOLDER / "presizing.jpg", quality=92)


if __name__ == "__main__":
    main()
