"""The rehearsal of a Space: run it on this machine as the Hub would, before it is published."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import ArrayLike

from core.atomic import disk_error
from core.environment import environment
from core.errors import BadInput
from core.model.file_names import CONFIG
from core.publish.export import TOLERANCE

INSTALLS, STARTS, ANSWERS = 900, 180, 60  # time limits in seconds
OURS = ("GRADIO_", "PYTHON", "SPACES_", "VIRTUAL_ENV")  # variables of this process that a Space does not have
FIXED = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


@dataclass(frozen=True)
class Rehearsal:
    """The measurements of a rehearsal: disk and memory in megabytes, times, and exactness.

    `largest_difference` is that of a probability, over all photos and the classes in the Space's answers.
    """

    megabytes: float
    install_seconds: float
    ready_seconds: float
    memory_mb: float
    first_ms: float
    median_ms: float
    photos: int
    largest_difference: float

    def __str__(self) -> str:
        return (
            f"Rehearsed: {self.megabytes:.0f} MB installed, ready in {self.ready_seconds:.1f} s, "
            f"{self.memory_mb:.0f} MB of memory, {self.first_ms:.0f} ms for the first answer and "
            f"{self.median_ms:.0f} for the median one; no probability differs from the engine's by more than "
            f"{self.largest_difference:.1e} on {self.photos} photos"
        )


def rehearse(
    files: Mapping[str, bytes], photos: Sequence[Path], expected: ArrayLike, python: Path | None = None
) -> Generator[str, None, Rehearsal]:
    """Install, start and query a Space, yielding messages; `expected` are the photos' probabilities [N, C].

    `python` runs it instead of a new virtual environment. Raises BadInput if a step fails, takes too long, or gives
    other answers than expected.
    """
    wanted = np.asarray(expected, np.float64)
    names = json.loads(files[CONFIG])["label_names"]
    if not photos:
        raise BadInput("There are no photos to rehearse the Space with; put the validation photos back.")
    with tempfile.TemporaryDirectory(prefix="presize-space-", ignore_cleanup_errors=True) as temporary:
        root = Path(temporary)
        space = root / "space"
        write(space, files)
        installing = 0.0
        if python is None:
            yield f"Installing {len(files['requirements.txt'].split())} packages and gradio, as the Hub would"
            began = time.perf_counter()
            python = install(root, space)
            installing = time.perf_counter() - began
        megabytes = size_of(root)
        here, there = "{}.{}".format(*sys.version_info), _settings(space)["python_version"]
        if not there.startswith(here):
            yield f"The Space will run Python {there}, which is not here; it is rehearsed with {here}"
        yield "Starting the Space"
        began = time.perf_counter()
        log = root / "log.txt"
        with served(space, python, log) as (process, url):
            ready = time.perf_counter() - began
            times, largest = [], 0.0
            for photo, row, (seconds, answer) in zip(photos, wanted, _answers(url, photos, log), strict=True):
                times.append(1000 * seconds)
                largest = max(largest, _difference(photo, answer, dict(zip(names, row.tolist(), strict=True))))
                yield f"{len(times)} of {len(photos)} photos answered as the model does"
            memory = memory_of(process)
    return Rehearsal(megabytes, installing, ready, memory, times[0], statistics.median(times), len(times), largest)


def write(space: Path, files: Mapping[str, bytes]) -> None:
    """Put the files of a Space into a folder; raises BadInput on a full disk."""
    for name, content in files.items():
        file = space / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        except OSError as error:
            raise disk_error(file, error) from error


def install(root: Path, space: Path) -> Path:
    """A fresh virtual environment in `root` for the Space that lies in `space`; returns its Python, raises BadInput."""
    data = _settings(space)
    gradio = f"gradio{'[oauth]' if data.get('hf_oauth') else ''}=={data['sdk_version']}"
    python = root / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-cache-dir"]
    commands: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", root / "venv"],
        [python, *pip, gradio, "-r", space / "requirements.txt"],
    )
    for command in commands:
        try:
            done = subprocess.run(
                command, env=_clean(), capture_output=True, text=True, errors="replace", timeout=INSTALLS
            )
        except subprocess.TimeoutExpired:
            raise BadInput(f"The Space was not installed within {INSTALLS} s; look at the network.") from None
        if done.returncode:
            raise BadInput(f"The Space could not be installed: {_last_line(done.stdout + done.stderr)}")
    return python


def _settings(space: Path) -> Any:
    """What the front matter of a Space says."""
    from huggingface_hub import SpaceCard

    return SpaceCard.load(space / "README.md").data


@contextmanager
def served(
    space: Path, python: Path, log: Path, more: Mapping[str, str] | None = None
) -> Iterator[tuple[psutil.Popen, str]]:
    """The Space's process and URL once it serves; the process and its children are killed at the end of the block.

    `more` are additional environment variables. Raises BadInput if it does not serve.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {name: value for name, value in _clean().items() if not name.lower().endswith("_proxy")} | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(space.with_name("uploads")),
        **(more or {}),
    }
    with log.open("wb") as output:
        process = psutil.Popen(
            [python, "app.py"], cwd=space, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + STARTS
        while not _listens(port):
            if process.poll() is not None:
                raise BadInput(f"The Space ended before it served: {_last_line(_read(log))}")
            if time.monotonic() > end:
                raise BadInput(f"The Space did not serve within {STARTS} s; try again when the machine is less busy.")
            time.sleep(0.05)
        yield process, f"http://127.0.0.1:{port}/"
    finally:
        family = _family(process)
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=10)


def _answers(url: str, photos: Sequence[Path], log: Path) -> Iterator[tuple[float, dict[str, float]]]:
    """For each photo, the seconds until the Space answered, and the probabilities of its top classes."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # the client reads this despite its argument
    from gradio_client import Client, handle_file

    options: Any = {"token": False, "httpx_kwargs": {"trust_env": False}}  # without this machine's login and proxy
    client = None
    try:
        client = Client(url, verbose=False, download_files=False, analytics_enabled=False, **options)
        for photo in photos:
            began = time.perf_counter()
            answer = client.submit(handle_file(str(photo)), api_name="/predict").result(timeout=ANSWERS)[0]
            seconds = time.perf_counter() - began
            yield seconds, {each["label"]: each["confidence"] for each in answer["confidences"]}
    except TimeoutError:
        raise BadInput(f"The Space did not answer within {ANSWERS} s; use a smaller model.") from None
    except Exception as error:  # the client raises many types of errors
        output = _read(log)  # it has the Space's traceback, which the client does not get
        reason = _last_line(output if "Traceback" in output else str(error) or type(error).__name__)
        raise BadInput(f"The Space could not answer: {reason}") from error
    finally:
        if client is not None:
            client.close()


def _difference(photo: Path, answer: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    """The largest difference of a probability; raises BadInput if it is too large."""
    if not answer or not answer.keys() <= wanted.keys():
        raise BadInput(f"The Space answers {photo.name!r} with classes that the model does not have; export it again.")
    worst = max(answer, key=lambda name: abs(answer[name] - wanted[name]))
    difference = abs(answer[worst] - wanted[worst])
    if not difference <= TOLERANCE:
        raise BadInput(
            f"The Space says {answer[worst]:.4f} for {worst!r} on {photo.name!r}, and the model {wanted[worst]:.4f}; "
            "export it again."
        )
    return difference


def size_of(folder: Path) -> float:
    """The size of all files in a folder in megabytes."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir()) / 1e6


def memory_of(process: psutil.Process) -> float:
    """The resident memory of a process and its children in megabytes."""
    total = 0.0
    for member in _family(process):
        with suppress(psutil.NoSuchProcess):
            total += member.memory_info().rss / 1e6
    return total


def _clean() -> dict[str, str]:
    """Environment variables without this program's paths and secrets, and with the Hub offline."""
    return {name: value for name, value in environment().items() if not name.startswith(OURS)} | FIXED


def _family(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [*process.children(recursive=True), process]
    return [process]


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _last_line(text: str) -> str:
    lines = text.split("\n")
    return (
        next((line.strip().rstrip(".") for line in reversed(lines) if line.strip()), "it printed nothing")[:300] + "."
    )
