"""Presize and fastai on the same work, in turn: python -m tests.benchmarks.against_fastai --data PHOTOS (has --help).

PHOTOS is the folder of `clothing`. Both get the same photos, sizes, batch size and ImageNet weights of
efficientnet_lite0 (resnet18 starts from random ones), each in a process of its own, and fastai its best number of
workers of 0, 1 and 2. A ratio above 1 says how many times better Presize is, round by round: median, smallest, largest.

What is not the same mathematics: fastai trains the norm layers of a frozen body too, Presize keeps them in eval mode,
so its frozen body needs no gradients; rows named "-rest" keep them in eval mode in unfrozen Presize too, the other
unfrozen rows train them in both. fastai samples a training photo three times (resize, affine, crop), Presize once,
filtered. fastai drops the last partial batch. Presize's model is an exponential moving average of its weights, and its
step includes the normalisation that fastai does with the batch. Presize keeps freed memory, as it does in every
training; "batch-transforms" is what the threads of its loader do after decoding; in "memory-parts" Presize uses micro-
batches of four photos, whose gradients are accumulated. In "lr-find" Presize extracts the features of the frozen body
once, in "lr-find-photos" it does not. "import" is what a notebook begins with, without torch's own time. "fine-tune"
gives each engine its own defaults, heads included; "fine-tune-rates" gives both the same rates, and Presize's head
starts on features in both; their seeds are the rounds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from tests.benchmarks.against_fastai.engines import OURS, Engine, fastai
from tests.benchmarks.against_fastai.table import HEADER, lines
from tests.benchmarks.against_fastai.work import ROWS, WORKERS, Row, read_once


def main() -> None:
    """Print a line a figure, row by row."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m tests.benchmarks.against_fastai", None, __doc__, formatter_class=formatter
    )
    names = [row.name for row in ROWS]
    quick = [row.name for row in ROWS if not row.long]
    parser.add_argument(
        "--data", type=Path, required=True, help="the folder of clothing: train/CLASS and validation/CLASS"
    )
    parser.add_argument("--only", nargs="+", choices=names, default=quick, metavar="NAME", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=3, help="how often both do each row (3)")
    parser.add_argument("--epochs", type=int, default=3, help="unfrozen epochs of the fine-tune rows (3)")
    folder = Path(tempfile.gettempdir(), "presize-against-fastai")
    parser.add_argument("--environment", type=Path, default=folder, help=f"where fastai is, or is put ({folder})")
    options = parser.parse_args()
    theirs = fastai(options.environment)
    weights = options.environment / "efficientnet_lite0.safetensors"
    for name, engine in (("Presize", OURS), ("fastai", theirs)):
        versions = engine.ask({"do": "versions"})
        print(f"{name}: " + ", ".join(f"{package} {version}" for package, version in versions.items()))
    OURS.ask({"do": "save_weights", "to": str(weights)})
    photos = options.data.absolute()
    read_once(photos)
    known: dict[str, Any] = {"data": str(photos), "weights": str(weights), "scratch": str(options.environment)}
    known |= {"epochs": options.epochs, "workers": 0}
    chosen = [row for row in ROWS if row.name in options.only]
    if any(row.loads for row in chosen):
        known["workers"] = best_workers(theirs, known)
    print(f"{date.today()}, {os.cpu_count()} cores, {options.rounds} rounds\n\n{HEADER}")
    for row in chosen:
        rounds = [both(row, theirs, {**known, "seed": i}) for i in range(options.rounds)]
        for line in lines(row.name, rounds):
            print(f"{line}   load {os.getloadavg()[0]:.1f}", flush=True)


def both(row: Row, theirs: Engine, known: dict[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """The figures of Presize, then those of fastai."""
    return OURS.ask({**known, **row.task}), theirs.ask({**known, **row.task})


def best_workers(theirs: Engine, known: dict[str, Any]) -> int:
    """The number of workers with which fastai loads training photos fastest."""
    task = next(row for row in ROWS if row.name == "load-train").task
    rates = {n: max(theirs.ask({**known, **task, "workers": n, "seed": 0}).values()) for n in WORKERS}
    print("fastai's workers: " + ", ".join(f"{n} {rate:.0f} images/s" for n, rate in rates.items()))
    return max(rates, key=rates.__getitem__)


if __name__ == "__main__":
    main()
