"""What an open tab costs: the CPU time of the browser and of the app, idle and beside a run that trains.

    python -m tests.benchmarks.tabs [--tabs 1 5] [--seconds 60] [--runs 500]

Costs are CPU seconds per second, so 1 % is a hundredth of one core, however busy the machine is otherwise.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from playwright.sync_api import sync_playwright

from core.discovery import discover
from core.events import EpochEnded, RunEnded, RunStarted, StageStarted, to_line
from core.runs.events_file import EVENTS
from core.runs.run import Run
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.runs import FIRST_ROWS, MAX_ROWS
from tests.browser.conftest import CHROMIUM, FLAGS

ROOT = Path(__file__).resolve().parents[2]
SETTLES = 30.0  # seconds before measuring: Chromium collects what loading left behind
ROUNDS = 3  # of which the longest click counts, and the middle opening


def main() -> None:
    """Measure, and print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tabs", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--no-training", action="store_true")
    args = parser.parse_args()
    discover()
    with tempfile.TemporaryDirectory() as folder, app(Path(folder)) as (url, server):
        project = prepared(Path(folder))
        for tabs in args.tabs:
            print(f"idle, {tabs} tabs: {cost(url, server, tabs, args.seconds)}", flush=True)
        if not args.no_training:
            run = project.start()
            for tabs in args.tabs:
                print(f"training, {tabs} tabs: {cost(url, server, tabs, args.seconds, 'train')}", flush=True)
            print(f"rail clicks while training: {clicks(url):.2f} s", flush=True)
            run.stop()
        many(project, args.runs)
        print(f"a page of {args.runs} runs: {opening(url, args.runs):.2f} s", flush=True)


def prepared(workspace: Path) -> Project:
    """The sample, to be trained for long on small photos."""
    project = Project(workspace)
    project.open({"name": "sample", "count": 12})
    for path, value in {
        "item_tfms.0.size": 86,
        "batch_tfms.0.size": 64,
        "training.features": False,
        "training.freeze_epochs": 900,
    }.items():
        project.edit(path, value)
    return project


def many(project: Project, count: int) -> None:
    """Write `count` runs of four epochs that have ended."""
    recipe = project.require_recipe()
    first = Run.create(recipe, project.folder)
    epochs = [EpochEnded(i, 1.0, 1 / (i + 1), {"error_rate": 0.2}, 3.0, True) for i in range(4)]
    events = [RunStarted("x", 5, 50, 10, "cpu"), StageStarted("frozen", 4, 24, [0.1]), *epochs, RunEnded("completed")]
    (first.folder / EVENTS).write_text("".join(f"{to_line(event)}\n" for event in events))
    first.write("photos.json", json.dumps({f"{i}.jpg": ("label", str(i)) for i in range(60)}))
    for i in range(count - 1):
        shutil.copytree(first.folder, first.folder.with_name(f"2020-01-01_00-{i // 60 % 60:02d}-{i % 60:02d}-{i}_x"))


@contextmanager
def app(workspace: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The app on a workspace: its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "app.py", "--port", str(port), "--workspace", str(workspace)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout and url in process.stdout.readline()
    try:
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def browser(url: str, tabs: int = 1, page: str = "data") -> Iterator[tuple[list[Any], psutil.Process]]:
    """Tabs of the app in Chromium, and its process."""
    before = set(psutil.Process().children(recursive=True))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        new = [p for p in psutil.Process().children(recursive=True) if p not in before and "chrom" in p.name()]
        context = chromium.new_context(reduced_motion="reduce")
        opened = [context.new_page() for _ in range(tabs)]
        for each in opened:
            each.goto(f"{url}#{page}")
            each.locator(f"#page-{page} h1").wait_for(timeout=120_000)
        yield opened, min(new, key=lambda p: p.pid)
        chromium.close()


def cost(url: str, server: psutil.Process, tabs: int, seconds: float, page: str = "data") -> str:
    """The CPU time that open tabs take, in percent of one core."""
    with browser(url, tabs, page) as (_, chromium):
        time.sleep(SETTLES)
        began, before = time.monotonic(), (_spent(chromium, True), _spent(server, False))
        time.sleep(seconds)
        took = time.monotonic() - began
        after = _spent(chromium, True), _spent(server, False)
    shares = [100 * (b - a) / took for a, b in zip(before, after, strict=True)]
    return f"browser {shares[0]:.1f} %, server {shares[1]:.1f} % of a core"


def _spent(process: psutil.Process, family: bool) -> float:
    """CPU seconds of a process, and of its descendants if asked for."""
    total = 0.0
    for each in [process, *(process.children(recursive=True) if family else [])]:
        times = each.cpu_times()
        total += times.user + times.system
    return total


def clicks(url: str) -> float:
    """The longest time in seconds from a click in the rail to its page, a few seconds after that was opened."""
    with browser(url, page="train") as ((page,), _):
        took = []
        page.wait_for_timeout(5000)
        for name in ("results", "data", "predict", "train") * ROUNDS:
            began = time.monotonic()
            page.locator(f'#rail [data-go="{name}"]').click()
            page.locator(f"#page-{name}").wait_for()
            took.append(time.monotonic() - began)
        return max(took)


def opening(url: str, runs: int) -> float:
    """Seconds from opening the page of all runs until they are listed, as for who comes back; the middle of several."""
    took = []
    for _ in range(1 + ROUNDS):
        with browser(url, page="data") as ((page,), _):
            page.goto("about:blank")
            began = time.monotonic()
            page.goto(f"{url}#train")
            rows = page.locator("#train-runs tbody tr")
            rows.nth(min(runs, MAX_ROWS) - 1).wait_for(state="attached", timeout=60_000)
            rows.nth(min(runs, FIRST_ROWS) - 1).wait_for()
            took.append(time.monotonic() - began)
    return median(took[1:])


if __name__ == "__main__":
    main()
