"""What small hostile inputs cost, by themselves and beside an honest visitor (Linux).

python -m tests.benchmarks.small_inputs [--checkout DIR] [--only WORD ...]: the same inputs go to this program or to
another checkout of it. Each is given 90 seconds, or as many as `--seconds` says, and 12 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from core.atomic import sha256
from core.recipe import Recipe
from core.runs.run import Run
from core.runs.train import train
from tests.app.running import ROOT, Visitor, jpeg, photos, tiny, zipped
from tests.benchmarks.costly_photos import PHOTOS, safetensors

SECONDS, MEMORY = 90, 12 * 2**30
MEASURED = """
import re, resource, sys, time
peak = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
{prepare}
before, began = peak(), time.perf_counter()
try:
    outcome = {act}
except BaseException as error:
    outcome = f"{{type(error).__name__}}: {{error}}"
seconds, after = time.perf_counter() - began, peak()
said = " ".join(str(outcome).split())[:90]
print("", f"{{seconds:.2f}} s", f"{{(after - before) / 1024:,.0f}} MB", said, "", sep=" | ")
"""
PHOTO = "from core.data.photo import decode", "decode(sys.argv[2]).size"
THREE = (
    "from concurrent.futures import ThreadPoolExecutor\nfrom core.data.photo import decode\nfile = sys.argv[2]",
    "list(ThreadPoolExecutor(3).map(lambda file: decode(file).size, [file] * 3))",
)
ALIKE = "from core.data.check import alike\nnames = {names}", "len(alike(names))"
LOOKS_ALIKE = "[format(i, '09b').translate({48: 'l', 49: 'I'}) * 12 for i in range(400)]"
TWO_WORDS = "[f'{a}red{i} {b}house{i}' for i in range(1000) for a, b in ('ab', 'cd', 'ef', 'gh')]"
TABLE = (
    "from pathlib import Path\nfrom plugins.labellers.csv import CsvLabeller",
    "type(CsvLabeller(sys.argv[2])).__name__",
)
WEIGHTS = (
    "import timm\n"
    "from pathlib import Path\nfrom core.model.folder import load_model\nfolder = Path(sys.argv[2]).parent",
    "load_model(folder)",
)
ZIP = (
    "from pathlib import Path\nimport tempfile\nfrom plugins.sources.zip import ZipSource",
    "ZipSource(Path(tempfile.mkdtemp()), path=sys.argv[2])()",
)


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.small_inputs", description=__doc__)
    parser.add_argument("--checkout", type=Path, default=ROOT, help="another version of this program")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="inputs with such a word in the name")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "inputs")
        folder.mkdir()
        for name, make in PHOTOS.items():
            if any(word in name for word in options.only):
                (folder / name).write_bytes(make())
        print("| input | bytes | seconds | memory | outcome |\n|---|---:|---:|---:|---|", flush=True)
        run = model(Path(temporary))
        alone(folder, run, options.checkout, options.only, options.seconds)
        print("\n| beside a visitor | answered in | honest photo waits | memory of the app | outcome |")
        print("|---|---:|---:|---:|---|", flush=True)
        beside(sorted(folder.iterdir()), run, Path(temporary), options.checkout, options.seconds)


def alone(folder: Path, run: Run, checkout: Path, only: list[str], seconds: int) -> None:
    """A row for each input: a process of its own reads it, as the engine does."""
    cases = [(file.name, PHOTO, file) for file in sorted(folder.iterdir())]
    cases += [(f"three {file.name}", THREE, file) for file in [folder / "floats.tif"] if file.exists()]
    others = folder.parent / "others"
    others.mkdir()
    (others / "table.csv").write_text(f"name,label\n{'a/' * 30_000}b.jpg,cat\n")
    cases.append(("a table of one deep name", TABLE, others / "table.csv"))
    strange = shutil.copytree(run.folder, others / "model")
    (strange / "model.safetensors").write_bytes(safetensors())
    hashes = {name: sha256(strange / name) for name in ("model.safetensors", "config.json", "classes.json")}
    (strange / "hashes.json").write_text(json.dumps(hashes))
    cases.append(("weights of a million names", WEIGHTS, strange / "model.safetensors"))
    with zipfile.ZipFile(others / "entries.zip", "w") as archive:
        for number in range(1_000_000):
            archive.writestr(f"{number:x}", b"")
    cases.append(("a zip of a million entries", ZIP, others / "entries.zip"))
    for name, names in (("400 labels that look alike", LOOKS_ALIKE), ("4,000 labels of two words", TWO_WORDS)):
        (others / name).write_text(names)
        cases.append((name, (ALIKE[0].format(names=names), ALIKE[1]), others / name))
    for name, (prepare, act), file in cases:
        if any(word in name for word in only):
            print(f"| {name} | {file.stat().st_size:,}{measured(prepare, act, file, checkout, seconds)}", flush=True)


def measured(prepare: str, act: str, file: Path, checkout: Path, seconds: int) -> str:
    """The rest of a row."""
    command = [sys.executable, "-c", MEASURED.format(prepare=prepare, act=act), str(MEMORY), str(file)]
    env = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f" | over {seconds} s | | |"
    return done.stdout.rstrip() or f" | | | ended by signal {-done.returncode} |"


def beside(files: list[Path], run: Run, folder: Path, checkout: Path, seconds: int) -> None:
    """A row for each photo: a stranger sends it, and another one an honest photo right after."""
    for file in files:
        with served(run, checkout, folder) as (url, process), ThreadPoolExecutor(2) as pool:
            stranger, honest = Visitor(url), Visitor(url)
            for visitor in (stranger, honest):
                visitor.predict(jpeg())
            before = peak = memory(process)
            began = time.perf_counter()
            bad = pool.submit(timed, stranger, file.read_bytes(), file.name)
            time.sleep(0.5)
            good = pool.submit(timed, honest, jpeg(side=1000), "photo.jpg")
            while not (bad.done() and good.done()) and time.perf_counter() - began < seconds:
                peak = max(peak, memory(process))
                time.sleep(0.02)
            process.kill()  # whoever waits still gets an error
            said = [
                (f"{result.result()[0]:.2f} s", result.result()[1]) if result.done() else (f"over {seconds} s", "")
                for result in (bad, good)
            ]
            grown = f"+{(peak - before) / 1e6:,.0f} MB"
            print(f"| {file.name} | {said[0][0]} | {said[1][0]} | {grown} | {said[0][1][:90]} |", flush=True)


def timed(visitor: Visitor, content: bytes, name: str) -> tuple[float, str]:
    """Seconds until a photo is answered, and the answer."""
    began = time.perf_counter()
    try:
        answer = visitor.predict(content, name)
        said = answer.error or "answered"
    except (httpx.HTTPError, KeyError) as error:
        said = type(error).__name__
    return time.perf_counter() - began, said


def model(folder: Path) -> Run:
    """A run of a tiny network."""
    (folder / "photos.zip").write_bytes(zipped(photos()))
    source = {"name": "zip", "path": str(folder / "photos.zip")}
    run = Run.create(Recipe.from_dict(tiny(source)), folder / "workspace")
    for _ in train(run):
        pass
    return run


@contextmanager
def served(run: Run, checkout: Path, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The public page of a model: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workspace = folder / "served"
    command = [sys.executable, "app.py", "--workspace", str(workspace), "--model", str(run.folder), "--port", str(port)]
    env = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    limit = f"resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))"  # or it would take the machine's
    start = f"import os, resource, sys; {limit}; os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", start, *command]
    process = subprocess.Popen(command, cwd=checkout, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            with suppress(httpx.HTTPError):
                if httpx.get(url).status_code == 200:
                    break
            time.sleep(0.2)
        yield url, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(workspace, ignore_errors=True)


def memory(process: psutil.Process) -> int:
    """Bytes that a process and its children hold."""
    total = 0
    with suppress(psutil.Error):
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total


if __name__ == "__main__":
    main()
