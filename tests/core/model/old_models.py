"""Model folders of an earlier version; of their weights the names and shapes are kept, and the values drawn."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

BEFORE = Path(__file__).parent / "written_before"
HASHED = ("model.safetensors", "config.json", "classes.json")


def photo() -> Image.Image:
    """A photo of colours that run into each other."""
    y, x = np.mgrid[:60, :80]
    return Image.fromarray(np.stack([3 * x, 4 * y, x + 2 * y], 2).astype(np.uint8))


def drawn(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Weights of these shapes as large as those of a trained network, the same on every machine."""
    random = np.random.default_rng(0)

    def one(name: str, shape: list[int]) -> NDArray[np.float64]:
        if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            return random.uniform(0.5, 1.5, shape)
        return random.normal(size=shape) / np.sqrt(max(1.0, np.prod(shape[1:])))

    return {name: torch.from_numpy(one(name, shape)).float() for name, shape in shapes.items()}


def folder_of(kept: Path, folder: Path) -> Path:
    """The whole model folder of what is kept of it."""
    folder.mkdir(parents=True)
    for name in HASHED[1:]:
        shutil.copy(kept / name, folder / name)
    weights = drawn(json.loads((kept / "shapes.json").read_text()))
    counts = {name.replace("running_mean", "num_batches_tracked"): torch.tensor(9) for name in weights}
    weights |= {name: count for name, count in counts.items() if name.endswith("num_batches_tracked")}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in HASHED}
    (folder / "hashes.json").write_text(json.dumps(hashes))
    return folder
