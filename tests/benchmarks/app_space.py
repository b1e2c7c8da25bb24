"""The whole app as the Hub would run it, used by two visitors: python -m tests.benchmarks.app_space (has --help).

What git tracks is installed and started with the variables of a Space. Without --python that takes 5 GB of the disk and
some minutes; it needs tests/requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from core.discovery import discover
from core.publish.rehearsal import install, memory_of, served, size_of
from core.registry import sources
from core.runs.run import ALIVE
from tests.app.running import ROOT, SPACE, Visitor

VARIABLES = {
    **SPACE,
    "SPACE_HOST": "127.0.0.1",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "OAUTH_CLIENT_ID": "of-the-rehearsal",
    "OAUTH_CLIENT_SECRET": "of-the-rehearsal",
    "OAUTH_SCOPES": "openid profile contribute-repos",
    "OPENID_PROVIDER_URL": "https://huggingface.co",
}
TRAINS = 1800  # seconds
TIMES = 5


def copy(space: Path) -> None:
    """Put there what would be pushed."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, tracked.split("\0")):
        (space / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, space / name)


def train(visitor: Visitor, epochs: int, process: psutil.Process) -> tuple[str, float, float]:
    """The run, the seconds from pressing Train until there is a model, and the most megabytes meanwhile."""
    recipe = json.loads(visitor.api("recipe", "").values["answer"])
    recipe["training"] |= {"epochs": epochs, "freeze_epochs": 1}
    must(not (said := visitor.api("recipe", json.dumps(recipe)).said), said)
    began, most = time.perf_counter(), 0.0
    answer = visitor.api("train")
    must(not answer.said, answer.said)
    name = answer.values["answer"]["run"]
    while (run := runs(visitor)[name])["status"] in ALIVE and time.perf_counter() - began < TRAINS:
        most = max(most, memory_of(process))
        time.sleep(0.5)
    must(run["status"] == "completed", f"the run is {run['status']}: {run['error']}")
    return name, time.perf_counter() - began, most


def runs(visitor: Visitor) -> dict[str, Any]:
    """What a visitor sees, by name."""
    return {run["run"]: run for run in visitor.api("runs").values["answer"]}


def must(true: object, else_said: str) -> None:
    """End with a sentence where something is not as it should be."""
    if not true:
        sys.exit(f"error: {else_said}")


def visit(url: str, process: psutil.Process, epochs: int, photo: Path) -> None:
    """Two visitors use the sample, train it and predict, and neither sees the other."""
    visitors = [Visitor(url), Visitor(url)]
    must(len({visitor.cookie for visitor in visitors}) == 2 and all(v.cookie for v in visitors), "there is no cookie")
    must("publish-login" in visitors[0].names.values(), "the page has no button to sign in with")
    trained = []
    for visitor in visitors:
        must(not runs(visitor), "a visitor begins with a run")
        must(not (said := visitor.do("data-sample", "click", data=["40", "0"]).said), said)
        name, seconds, most = train(visitor, epochs, process)
        trained.append(name)
        accuracy = runs(visitor)[name]["accuracy"]
        print(
            f"trained in {seconds:.0f} s, accuracy {accuracy:.3f}, {most:,.0f} MB of memory at most, the app's included"
        )
    for visitor, own, other in zip(visitors, trained, reversed(trained), strict=True):
        must(set(runs(visitor)) == {own}, f"a visitor sees {', '.join(runs(visitor))}")
        must("There is no run" in visitor.predict(photo.read_bytes(), run=other).said, "a visitor uses another's run")
        answers = [visitor.predict(photo.read_bytes(), photo.name).values["answer"] for _ in range(TIMES)]
        times = sorted(answer["milliseconds"] for answer in answers)
        print(f"{photo.name} is {answers[0]['label']!r}: {times[TIMES // 2]:.0f} ms (median of {TIMES})")
    print(f"the app alone holds {memory_of(process):,.0f} MB")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.app_space", description=__doc__)
    parser.add_argument("--python", type=Path, help="an interpreter that has everything, instead of a new environment")
    parser.add_argument("--epochs", type=int, default=1, help="unfrozen epochs of each training (1)")
    parser.add_argument("--folder", type=Path, help="where the environment is made, for a while (the temporary folder)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} at the beginning")
    discover()
    with tempfile.TemporaryDirectory(prefix="presize-app-space-", dir=options.folder) as temporary:
        root = Path(temporary)
        copy(root / "space")
        python = options.python
        if python is None:
            began = time.perf_counter()
            python = install(root, root / "space")
            print(f"{size_of(root):,.0f} MB installed in {time.perf_counter() - began:.0f} s")
        photo = sources.create("sample", root / "drawn", count=2, seed=1)()[0]  # another seed than the page's sample
        began = time.perf_counter()
        with served(root / "space", python.absolute(), root / "log.txt", VARIABLES | {"TMPDIR": temporary}) as (
            process,
            url,
        ):
            print(f"serves after {time.perf_counter() - began:.1f} s")
            visit(url, process, options.epochs, photo)


if __name__ == "__main__":
    main()
