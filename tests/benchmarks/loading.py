"""CPU time of loading a photo, also in the checkout of another version: python -m tests.benchmarks.loading PHOTOS"""

from __future__ import annotations

import sys
import tempfile
import time
from statistics import median

from core import DataBlock, get_image_files
from core.data.loaders import Loader
from core.training.memory import keep_freed_memory
from plugins.transforms.aug_transforms import aug_transforms
from plugins.transforms.resize import Resize

TRAIN, VALID = 256, 64  # photos
LATER = 5  # epochs


def milliseconds(loader: Loader) -> float:
    """Of an epoch, per photo, over all threads."""
    began = time.process_time()
    for _ in loader:
        pass
    return 1000 * (time.process_time() - began) / len(loader.items)


def main() -> None:
    """Print the first epoch and the median of later ones."""
    files = sorted(get_image_files(sys.argv[1]))[: TRAIN + VALID]
    keep_freed_memory()
    block = DataBlock(
        get_items=lambda _: files,
        get_y=lambda file: file.parent.name,
        splitter=lambda items: (list(range(TRAIN)), list(range(TRAIN, len(items)))),
        item_tfms=Resize(460),
        batch_tfms=aug_transforms(size=224, min_scale=0.75),
    )
    with tempfile.TemporaryDirectory() as cache:
        dls = block.dataloaders(sys.argv[1], bs=64, device="cpu", workers=2, cache=cache)
        for name, loader in (("training", dls.train), ("validation", dls.valid)):
            first, later = milliseconds(loader), median(milliseconds(loader) for _ in range(LATER))
            print(f"{name}: {first:.2f} ms a photo in the first epoch, {later:.2f} ms in later ones")


if __name__ == "__main__":
    main()
