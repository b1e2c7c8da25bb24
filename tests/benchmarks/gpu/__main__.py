"""What an accelerator does with Presize: python -m tests.benchmarks.gpu --data PHOTOS (has --help).

PHOTOS is a folder of train/CLASS and validation/CLASS, such as `clothing`. For resnet50 and efficientnet_lite0 at 224
pixels (460 before), batches of 64 and 256: `plain`, an eager loop on synthetic data in the best precision; `synthetic`,
our `fit` on the same; `photos`, our `fit` on photos; `loader` alone, by threads; `minute`, the first minute of a run,
step by step; `reach`, seconds to fastai's final accuracy; `fastai` with to_fp16(); `compiled`, with torch.compile.
Compare rows of one run only. It needs no network; fastai's rows are empty unless --fastai names a Python that has it.
With --device cpu, sizes are tiny: it shows that every part runs, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import torch

from core.device import choose
from core.discovery import discover
from core.errors import BadInput
from tests.benchmarks.gpu.parts import PARTS
from tests.benchmarks.gpu.work import TINY, Work


def main() -> None:
    """Print a line a row; a row that would begin after the time is up is left out, and said."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.benchmarks.gpu", None, __doc__, formatter_class=formatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of train/CLASS and validation/CLASS")
    parser.add_argument("--rounds", type=int, default=1, help="how often each part is done (1)")
    parser.add_argument("--device", default="auto", help="cuda, cuda:1, mps, or cpu with tiny sizes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--networks", nargs="+", default=list(Work.networks), help="these alone")
    parser.add_argument("--batches", nargs="+", type=int, default=list(Work.batches), help="sizes of a batch")
    parser.add_argument("--photos", type=int, default=2048, help="how many photos `photos`, `loader` and `minute` use")
    parser.add_argument("--minutes", type=float, default=7.5, help="no row begins later than this (7.5)")
    own = Path(sys.executable) if find_spec("fastai") else None
    parser.add_argument("--fastai", type=Path, default=own, metavar="PYTHON", help="a Python that has fastai")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    discover()
    try:
        device = choose(options.device)
    except BadInput as error:
        sys.exit(f"error: {error}")
    asked = {"photos": options.photos, "networks": options.networks, "batches": options.batches}
    sizes = TINY if device.host else asked
    work = Work(device, options.data.absolute(), fastai=options.fastai, **sizes)
    about = f"{device.name}, {os.cpu_count()} cores, torch {torch.__version__}, {', '.join(device.precisions)}"
    print(f"{date.today()}, {about}; {work.photos} photos, {work.large} -> {work.small} pixels", flush=True)
    for number in range(options.rounds):
        for part in options.only:
            rows = PARTS[part](work)
            while time.monotonic() < end and (row := next(rows, None)):
                name, figures = row
                said = ", ".join(
                    f"{figure} {value:.3g}" if value < 1 else f"{figure} {value:,.1f}"
                    for figure, value in figures.items()
                )
                print(f"{number + 1}  {part:<10} {name:<32} {said or 'not measured: no fastai here'}", flush=True)
            if time.monotonic() >= end:
                print(f"{number + 1}  {part:<10} the rest was left out, as {options.minutes:g} minutes are over")


if __name__ == "__main__":
    main()
