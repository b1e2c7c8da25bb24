"""What the browser app costs: python -m tests.benchmarks.app RUN PHOTO (needs tests/requirements.txt and a chromium).

RUN is a trained model's folder, PHOTO any photo. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
from gradio_client import Client, handle_file
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
TIMES, VISITORS, EACH, WATCHED = 5, 20, 3, 30.0


@contextmanager
def app(*options: str) -> Iterator[tuple[str, psutil.Process, float]]:
    """The app as a process: its address, the process, and when it was begun."""
    began = time.perf_counter()
    command = [sys.executable, "app.py", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = next(line for line in process.stdout if "http" in line)
        yield line.split()[3], psutil.Process(process.pid), began
    finally:
        process.kill()
        process.wait()


def until_usable(browser: Browser, workspace: Path) -> float:
    """Seconds from `python app.py` until a person can drop photos."""
    with app("--workspace", str(workspace)) as (address, _, began):
        page = browser.new_page()
        page.goto(address)
        page.locator("#data-drop .drop").wait_for()
        page.locator("#rail .step").first.wait_for()
        seconds = time.perf_counter() - began
        page.close()
    return seconds


def of_a_prediction(run: Path, photo: Path) -> tuple[float, float]:
    """Medians in ms: our own time from the photo's bytes to its probabilities, and the client's whole time."""
    with app("--model", str(run)) as (address, _, _):
        client = Client(address, verbose=False)
        own, whole = [], []
        for _ in range(TIMES + 1):
            began = time.perf_counter()
            answer = client.predict(handle_file(str(photo)), api_name="/predict")
            whole.append(1000 * (time.perf_counter() - began))
            own.append(answer["milliseconds"])
    return statistics.median(own[1:]), statistics.median(whole[1:])


def of_visitors(run: Path, photo: Path) -> tuple[list[float], list[str]]:
    """Seconds of each prediction of many visitors at once, and what went wrong."""
    times: list[float] = []
    errors: list[str] = []

    def visit(client: Client) -> None:
        for _ in range(EACH):
            began = time.perf_counter()
            try:
                client.predict(handle_file(str(photo)), api_name="/predict")
            except Exception as error:
                errors.append(str(error))
            times.append(time.perf_counter() - began)

    with app("--model", str(run)) as (address, _, _):
        clients = [Client(address, verbose=False) for _ in range(VISITORS)]
        with ThreadPoolExecutor(VISITORS) as pool:
            list(pool.map(visit, clients))
    return sorted(times), errors


def of_following(browser: Browser, workspace: Path) -> tuple[float, float]:
    """CPU seconds a second of the app while a run trains: with no page open, and with one that follows it."""
    shares = []
    with app("--workspace", str(workspace)) as (address, process, _):
        client = Client(address, verbose=False)
        page = browser.new_page()
        page.goto(address)
        page.locator("[role=tab]:has-text('Sample')").click()
        page.locator("#data-sample").click()
        page.locator("#data-found .figure").first.wait_for(timeout=120_000)
        page.locator("#data-train").click()
        page.locator("#train-run svg").first.wait_for(timeout=180_000)
        for watched in (True, False):
            if not watched:
                page.close()
            time.sleep(5)
            before, began = sum(process.cpu_times()[:2]), time.perf_counter()
            time.sleep(WATCHED)
            shares.append((sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - began))
        for run in client.predict(api_name="/runs"):
            if run["status"] == "running":
                client.predict(run["run"], api_name="/stop")
            else:
                print(f"warning: the run was {run['status']} before the watching was over")
    return shares[1], shares[0]


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--chromium", default=shutil.which("chromium") or "/usr/bin/chromium")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} at the beginning")
    own, whole = of_a_prediction(options.run, options.photo)
    print(f"a prediction: {own:.0f} ms of our own, {whole:.0f} ms for the client (medians of {TIMES})")
    times, errors = of_visitors(options.run, options.photo)
    p95 = times[int(0.95 * len(times))]
    print(
        f"{VISITORS} visitors at once, {EACH} photos each: {len(errors)} errors, "
        f"median {statistics.median(times):.2f} s, p95 {p95:.2f} s"
    )
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
        seconds = [until_usable(browser, Path(folder, "new")) for _ in range(TIMES)]
        print(
            f"until the page can be used: {statistics.median(seconds):.1f} s "
            f"(median of {TIMES}, {max(seconds):.1f} at most)"
        )
        nobody, one = of_following(browser, Path(folder, "workspace"))
        print(f"CPU seconds a second while a run trains: {nobody:.3f} without a page, {one:.3f} with one")
        browser.close()


if __name__ == "__main__":
    main()
