"""python -m tests.benchmarks.publishing RUN PHOTOS: to a Hub on this machine and back, and what the Space costs.

The run is pushed with a Space that is rehearsed in a fresh environment, pushed again, downloaded by a process that
knows nothing of it, and asked about up to 200 photos; then faults are injected into pushes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import hub as core_hub
from core.data.files import get_image_files
from core.data.photo import BadPhoto
from core.model.folder import load_model
from core.model.predictor import Predictor
from core.publish.fetch import FILES
from core.publish.onnx import ONNX
from core.runs.run import Run
from tests.hub.faults import CASES, XET_CASES, Case, pushed
from tests.hub.fixtures import environment, running, without_pauses
from tests.hub.server import Hub

REPO = "anna/model"
MAX_PHOTOS = 200


def main() -> None:
    """Print what was seen."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    parser = argparse.ArgumentParser("python -m tests.benchmarks.publishing", description=__doc__)
    parser.add_argument("run", help="the folder of a trained run")
    parser.add_argument("photos", nargs="+", help="folders of photos, the same number from each")
    options = parser.parse_args()
    run = Run.find(options.run, Path("workspace"))
    predictor = load_model(run.folder)
    photos: dict[Path, list[float]] = {}
    for folder in options.photos:
        photos |= readable(predictor, get_image_files(folder), MAX_PHOTOS // len(options.photos))
    with tempfile.TemporaryDirectory() as temporary:
        there_and_back(run, predictor, photos, Path(temporary))
    faults()


def readable(predictor: Predictor, files: Sequence[Path], most: int) -> dict[Path, list[float]]:
    """Photos from all over a folder that the engine can read, and what it says of each."""
    found: dict[Path, list[float]] = {}
    for file in random.Random(0).sample(files, len(files)):
        try:
            found[file] = predictor.predict(file)[2].tolist()
        except BadPhoto:
            continue
        if len(found) == most:
            break
    return found


def there_and_back(run: Run, predictor: Predictor, photos: dict[Path, list[float]], folder: Path) -> None:
    """Push, push again, download and compare."""
    hub = Hub()
    try:
        push = ["push", str(run.folder), REPO, "--space", "cpu-basic", "--examples", "--license", "cc0-1.0"]
        print(core(hub, folder / "pusher", *push), end="")
        before = [len(repo.commits) for repo in hub.repos.values()]
        core(hub, folder / "pusher", *push)
        print(f"pushed again: {sum(len(r.commits) for r in hub.repos.values()) - sum(before)} more commits")
        names = [str(photo) for photo in photos]
        lines = core(hub, folder / "stranger", "predict", REPO, *names).splitlines()
        theirs = [list(json.loads(line)["probabilities"].values()) for line in lines]
        (snapshot,) = (folder / "stranger" / "hub").glob("models--*/snapshots/*")
        same = all((snapshot / name).read_bytes() == (run.folder / name).read_bytes() for name in FILES)
        print(f"downloaded by a fresh process: {len(FILES)} files, {'byte-identical' if same else 'NOT the same'}")
        print(f"{len(photos)} photos: torch differs by {difference(photos, theirs):.1e}", end="")
        print(f", ONNX by {difference(photos, list(by_onnx(run, predictor, photos))):.1e}")
    finally:
        hub.close()


def by_onnx(run: Run, predictor: Predictor, photos: dict[Path, list[float]]) -> Iterator[Any]:
    """The probabilities of the exported model."""
    import onnxruntime

    session = onnxruntime.InferenceSession(run.folder / ONNX, providers=["CPUExecutionProvider"])
    for photo in photos:
        logits = session.run(None, {"images": predictor.prepare(photo)[None].numpy()})[0][0].astype(np.float64)
        yield np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


def difference(photos: dict[Path, list[float]], theirs: Sequence[Any]) -> float:
    """The largest of a probability."""
    return float(np.abs(np.array(list(photos.values())) - np.array(theirs)).max())


def core(hub: Hub, home: Path, *arguments: str) -> str:
    """What `python -m core` prints in a process of its own, with an empty cache at first."""
    known = {**os.environ, **environment(hub, home)}
    command = [sys.executable, "-m", "core", *arguments]
    return subprocess.run(
        command, env=known, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def faults() -> None:
    """A push with each fault, and one without: a row a fault."""
    injected: Counter[str] = Counter()
    converged: Counter[str] = Counter()
    unnoticed: Counter[str] = Counter()
    for case in (*CASES, *XET_CASES):
        name = f"connection dropped, {case.when}" if case.status == "drop" else f"{case.status}, {case.when}"
        injected[name] += 1
        said = with_fault(case)
        converged[name] += said is not None
        unnoticed[name] += said == ""
    print(
        "\n| fault | pushes with it | went through after new tries | all right after the next push |\n|---|---|---|---|"
    )
    for name, n in injected.items():
        print(f"| {name} | {n} | {unnoticed[name]} | {converged[name]} |")
    print(f"| all | {sum(injected.values())} | {sum(unnoticed.values())} | {sum(converged.values())} |")


def with_fault(case: Case) -> str | None:
    """What was said, or None where the next push did not put it right."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        without_pauses(patch)
        patch.setattr(core_hub, "WAITS", (0.01, 0.02, 0.03))
        for hub in running(Hub(xet=Path(folder) / "cas") if case.xet else Hub(), Path(folder), patch):
            patch.setenv("HF_TOKEN", hub.token)
            try:
                return pushed(hub, case)
            except Exception as error:
                print(f"{case}: {error}")
    return None


if __name__ == "__main__":
    main()
