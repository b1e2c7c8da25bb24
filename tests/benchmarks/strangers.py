"""How many strangers a trained model catches: python -m tests.benchmarks.strangers CLOTHING PETS

CLOTHING has folders `train` and `validation` with a folder a class, PETS photos called `breed_1.jpg`. A sample of the
photos is copied to a temporary folder and trained on, clothing first, then pets without seven of the breeds.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from core.data.photo import BadPhoto
from core.discovery import discover
from core.model.answer import Answer
from core.model.folder import load_model, read_config
from core.recipe import Recipe
from core.runs.run import Run
from core.runs.train import train

LEFT_OUT = 7  # breeds


def main() -> None:
    """Print a line for each model and what it was asked about."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clothing", type=Path)
    parser.add_argument("pets", type=Path)
    parser.add_argument("--photos", type=int, default=3068, help="to train and validate on, a fifth for validation")
    parser.add_argument("--epochs", type=int, default=0, help="unfrozen ones, after the frozen one")
    parser.add_argument("--asked", type=int, default=300, help="photos of each kind to ask about, at most")
    arguments = parser.parse_args()
    discover()
    clothing, others, pets = (
        _shuffled(folder)
        for folder in (arguments.clothing / "train", arguments.clothing / "validation", arguments.pets)
    )
    left_out = set(Random(0).sample(sorted({_breed(file) for file in pets}), LEFT_OUT))
    new = [file for file in pets if _breed(file) in left_out]
    known = [file for file in pets if _breed(file) not in left_out]
    count, epochs, most = arguments.photos, arguments.epochs, arguments.asked
    _ask(
        "clothing",
        clothing[:count],
        [f.parent.name for f in clothing],
        epochs,
        {"clothing": others[:most], "pets": pets[:most]},
    )
    half = len(known) * 4 // 5
    asked = {"known breeds": known[half:], f"{LEFT_OUT} new breeds": new, "clothing": clothing}
    _ask(
        "pets",
        known[:half][:count],
        list(map(_breed, known)),
        epochs,
        {what: files[:most] for what, files in asked.items()},
    )


def _shuffled(folder: Path) -> list[Path]:
    files = sorted(folder.rglob("*.jpg"))
    Random(0).shuffle(files)
    return files


def _breed(file: Path) -> str:
    return file.stem.rpartition("_")[0]


def _ask(name: str, files: Sequence[Path], labels: Sequence[str], epochs: int, asked: dict[str, list[Path]]) -> None:
    with TemporaryDirectory() as temporary:
        root = Path(temporary)
        for file, label in zip(files, labels, strict=False):
            (root / "photos" / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, root / "photos" / label)
        run = Run.create(_recipe(root / "photos", epochs), root / "workspace")
        for _ in train(run):
            pass
        found, model = read_config(run.folder).calibration, load_model(run.folder)
        print(f"{name}: {len(files)} photos, {epochs} unfrozen epochs", flush=True)
        print(
            f"  calibration error {found.error:.3f} ({found.low:.3f} to {found.high:.3f}), before {found.before:.3f}, "
            f"by chance {found.chance:.3f}, on {found.photos} photos"
        )
        for what, photos in asked.items():
            began = time.perf_counter()
            answers = [answer for _, answer in model.answers(photos) if not isinstance(answer, BadPhoto)]
            took = 1000 * (time.perf_counter() - began) / len(answers)
            print(
                f"  asked about {what}: {_share(answers):.3f} of {len(answers)} strange, {took:.0f} ms a photo",
                flush=True,
            )


def _recipe(photos: Path, epochs: int) -> Recipe:
    document = {
        "version": 1,
        "source": {"name": "folder", "path": str(photos)},
        "labeller": {"name": "folder"},
        "splitter": {"name": "stratified", "valid_pct": 0.2},
        "item_tfms": [{"name": "resize", "size": 160}],
        "batch_tfms": [{"name": "aug_transforms", "size": 128, "min_scale": 0.75}],
        "architecture": {"name": "efficientnet_lite0"},
        "training": {"epochs": epochs, "freeze_epochs": 1, "batch_size": 32},
    }
    return Recipe.from_dict(document)


def _share(answers: Sequence[Answer]) -> float:
    return sum(answer.stranger is True for answer in answers) / len(answers)


if __name__ == "__main__":
    main()
