"""Evidence for the defaults of `python -m core new`: variants of its recipe, on folds that no test figure uses.

    python -m tests.benchmarks.defaults --data PHOTOS --seeds 0 1 2 -- "" "training.ema=0 training.epochs=5"

PHOTOS holds `pets` and `clothing`. Validation is a fifth of each class of `pets`, and of `clothing/train`; each line
printed is one training. `clothing/validation` is never looked at.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from core.data.propose import proposal
from core.discovery import discover
from core.events import EpochEnded, RunEnded
from core.registry import sources
from core.runs.run import Run
from core.runs.train import train

FOLDERS = {"pets": "pets", "clothing": "clothing/train"}


def main() -> None:
    """Train every variant on every data set with every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds pets and clothing")
    parser.add_argument("--sets", nargs="+", default=list(FOLDERS), choices=list(FOLDERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--fold", type=int, default=1, help="seed of the split")
    parser.add_argument("variants", nargs="+", help="settings as --set takes them, parted by spaces")
    options = parser.parse_args()
    discover()
    with tempfile.TemporaryDirectory() as workspace:
        for variant in options.variants:
            for name in options.sets:
                for seed in options.seeds:
                    settings = [f"training.seed={seed}", f"splitter.seed={options.fold}", *variant.split()]
                    print(f"{name:<9} seed {seed}  {score(options.data / FOLDERS[name], settings, Path(workspace))}"
                          f"  {variant or '(the defaults)'}", flush=True)  # fmt: skip


def score(photos: Path, settings: list[str], workspace: Path) -> str:
    """Train one recipe; accuracy after each epoch, then that of the last, its macro error and the seconds it took."""
    source = {"name": "folder", "path": str(photos)}
    found = sources.build(source, workspace)
    recipe, _ = proposal(found(), found.root, source)
    recipe = recipe.with_settings(['training.metrics=["accuracy", "macro_error"]', *settings])
    began, epochs, last = time.perf_counter(), [], {}
    for event in train(Run.create(recipe, workspace)):
        if isinstance(event, EpochEnded):
            epochs.append(f"{event.metrics['accuracy']:.3f}")
        elif isinstance(event, RunEnded):
            last = event.metrics
    seconds = time.perf_counter() - began
    figures = f"accuracy {last['accuracy']:.4f}  macro error {last['macro_error']:.4f}"
    return f"{figures}  {seconds:4.0f} s  [{' '.join(epochs)}]"


if __name__ == "__main__":
    main()
