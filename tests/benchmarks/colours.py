"""What a colour profile costs: python -m tests.benchmarks.colours PHOTOS [--checkout DIR] (has --help).

The same photos without a profile and with one of Display P3, from the file to what validation sees and to what training
begins with; this program and, in turn, another checkout of it. Milliseconds of a processor for a photo: the median of
the rounds, and the least.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.core.data.test_colours import P3

ROOT = Path(__file__).parents[2]
VIEWED = """
import inspect, json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from core.data.pipeline import Pipeline
from core.discovery import discover
from core.registry import transforms
discover()
pipeline = Pipeline(transforms.create("resize", size=460), transforms.create("aug_transforms", size=224))
files = sorted(Path(sys.argv[1]).iterdir())
for training in (False, True, False, True):
    began = time.thread_time()
    for file in files:
        pipeline.read(file, training)
    seconds = time.thread_time() - began
    print(json.dumps(["training" if training else "validation", 1000 * seconds / len(files)]))
"""


def main() -> None:
    """Print a line for each kind of profile and each use."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.benchmarks.colours", None, __doc__, formatter_class=formatter)
    parser.add_argument("photos", type=Path, help="a folder of photos")
    parser.add_argument("--checkout", type=Path, help="another checkout, to compare with")
    parser.add_argument("--number", type=int, default=200, help="of photos (200)")
    parser.add_argument("--side", type=int, default=0, help="of each photo's longer side; 0 leaves it as it is")
    parser.add_argument("--rounds", type=int, default=4, help="how often each does it (4)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="presize-colours-") as folder:
        kinds = made(Path(folder), sorted(options.photos.rglob("*.jpg"))[: options.number], options.side)
        checkouts = {"before": options.checkout, "now": ROOT} if options.checkout else {"now": ROOT}
        found: dict[tuple[str, str, str], list[float]] = {}
        for _ in range(options.rounds):
            for kind, photos in kinds.items():
                for name, checkout in checkouts.items():
                    for use, milliseconds in asked(checkout, photos):
                        found.setdefault((kind, use, name), []).append(milliseconds)
    for (kind, use, name), values in sorted(found.items()):
        print(f"| {kind} | {use} | {name} | {statistics.median(values):.2f} ms | {min(values):.2f} ms |")


def made(folder: Path, photos: list[Path], side: int) -> dict[str, Path]:
    """The photos, written anew as RGB JPEGs, by the kind of their profile."""
    kinds = {"none": b"", "Display P3": P3}
    for kind in kinds:
        (folder / kind).mkdir()
    for i, photo in enumerate(photos):
        with Image.open(photo) as opened:
            image = opened.convert("RGB")
        if side:
            scale = side / max(image.size)
            image = image.resize((round(image.width * scale), round(image.height * scale)))
        for kind, profile in kinds.items():
            image.save(folder / kind / f"{i:04}.jpg", quality=90, icc_profile=profile)
    return {kind: folder / kind for kind in kinds}


def asked(checkout: Path, photos: Path) -> list[tuple[str, float]]:
    """Milliseconds a photo of both uses, by a fresh process of a checkout; the second time, when all is warm."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    output = subprocess.check_output([sys.executable, "-c", VIEWED, str(photos)], cwd=checkout, env=environment)
    lines = [json.loads(line) for line in output.splitlines()]
    return [(str(use), float(milliseconds)) for use, milliseconds in lines[2:]]


if __name__ == "__main__":
    main()
