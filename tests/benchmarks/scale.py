"""How time and memory grow with the number of photos: python -m tests.benchmarks.scale (has --help).

Photos of 8 x 8 pixels, hard links to one a folder, in 100 class folders, with names like `breed_07_12.jpg`, are listed,
labelled by their names and by their folders, and split at random: step by step, and all of it as a `DataBlock` does it,
by `split` or, in fastai, by `datasets`. That computes the labels of training for its vocab, keeps none, and computes
each again when it is asked for: "and its labels read" asks both for all of them. Each number of files is done by a
fresh process (Linux). "kept" is the private memory that the process has grown by, garbage collected, while it holds the
data set by name. With --environment, the folder where fastai is, or is put, both do it in turn; a ratio above 1 says
how many times better Presize is: median, smallest, largest round.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.benchmarks.against_fastai.engines import ROOT, fastai
from tests.benchmarks.against_fastai.side import seconds
from tests.benchmarks.against_fastai.table import HEADER, lines
from tests.benchmarks.memory import private

CLASSES = 100
Figures = dict[str, float]


def main() -> None:
    """Print a line a figure for each number of files; as a child, the figures of one engine."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.benchmarks.scale", None, __doc__, formatter_class=formatter)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--environment", type=Path, help="where fastai is, or is put; without it, Presize alone")
    parser.add_argument("--rounds", type=int, default=2, help="how often each does it (2)")
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--photos", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        print("\n" + json.dumps(figures(ENGINES[options.engine](), options.photos)))
        return
    theirs = options.environment and fastai(options.environment).python
    print(HEADER)
    for n in options.files:
        with tempfile.TemporaryDirectory(prefix="presize-scale-") as folder:
            make(Path(folder), n)
            rounds = [both(Path(folder), theirs) for _ in range(options.rounds)]
        for line in lines(f"{n:,}", rounds):
            print(line, flush=True)


def make(folder: Path, n: int) -> None:
    """`n` photos in class folders."""
    from PIL import Image

    for i in range(CLASSES):
        own = folder / f"breed_{i:02}"
        own.mkdir()
        first, *others = (str(own / f"{own.name}_{j}.jpg") for j in range(i, n, CLASSES))
        Image.new("RGB", (8, 8)).save(first)
        for other in others:
            os.link(first, other)


def both(photos: Path, theirs: Path | None) -> tuple[Figures, Figures]:
    """The figures of Presize, then those of fastai where it is asked for."""
    ours = ask(Path(sys.executable), "Presize", photos)
    return ours, ask(theirs, "fastai", photos) if theirs else dict.fromkeys(ours, float("nan"))


def ask(python: Path, engine: str, photos: Path) -> Figures:
    """The figures of an engine, in a fresh process."""
    command = [str(python), "-m", "tests.benchmarks.scale", "--engine", engine, "--photos", str(photos)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {engine} failed:\n{done.stderr[-3000:]}")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def figures(words: SimpleNamespace, photos: Path) -> Figures:
    """Seconds of each step and bytes kept, in the words that both engines share."""
    labeller, splitter = words.RegexLabeller(r"(.+)_\d+\.jpg$"), words.RandomSplitter(seed=42)
    by_name = words.using_attr(labeller, "name")
    held: list[Any] = []

    def whole(get_y: Callable[[Path], str]) -> Any:
        block = words.DataBlock(
            blocks=(words.ImageBlock, words.CategoryBlock),
            get_items=words.get_image_files,
            splitter=splitter,
            get_y=get_y,
        )
        return words.split(block, photos)

    gc.collect()
    before = private(os.getpid())
    found = {"all by name, s": seconds(lambda: held.append(whole(by_name)))}
    gc.collect()
    grown = private(os.getpid()) - before
    found["and its labels read, s"] = found["all by name, s"] + seconds(lambda: list(words.labels(held[0])))
    held.clear()
    found["all by folder, s"] = seconds(lambda: whole(words.parent_label))
    found["list, s"] = seconds(lambda: held.append(words.get_image_files(photos)))
    files = held[0]
    found["label by name, s"] = seconds(lambda: [by_name(file) for file in files])
    found["label by folder, s"] = seconds(lambda: [words.parent_label(file) for file in files])
    found["split, s"] = seconds(lambda: splitter(files))
    return {**found, "kept, bytes a file": grown / len(files)}


def presize() -> SimpleNamespace:
    """Presize's words."""
    import core
    from plugins.labellers.folder import parent_label
    from plugins.labellers.regex import RegexLabeller
    from plugins.splitters.random import RandomSplitter

    words = "ImageBlock", "CategoryBlock", "DataBlock", "get_image_files", "using_attr"
    plugins = {"parent_label": parent_label, "RegexLabeller": RegexLabeller, "RandomSplitter": RandomSplitter}
    own = {"split": core.DataBlock.split, "labels": attrgetter("labels")}
    return SimpleNamespace(**{word: getattr(core, word) for word in words}, **plugins, **own)


def fastais() -> SimpleNamespace:
    """The same words of fastai."""
    import fastai.vision.all as words

    return SimpleNamespace(**{**vars(words), "split": words.DataBlock.datasets, "labels": lambda data: data.tls[1]})


ENGINES = {"Presize": presize, "fastai": fastais}

if __name__ == "__main__":
    main()
