"""The rehearsal of a page: a browser of this machine opens it and must answer as the engine does."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import numpy as np
import psutil
from numpy.typing import ArrayLike

from core.errors import BadInput
from core.publish.browser import find_browser, opened, serving

PAGE_TOLERANCE = 1e-3  # of a probability; a browser rounds transparency and colour profiles otherwise
STARTS, ANSWERS = 120, 60  # time limits in seconds
ASKING = Path(__file__).with_name("rehearsal.html")
NO_BROWSER = "No Chromium, Chrome or Edge is here to try the page in"


@dataclass(frozen=True)
class PageRehearsal:
    """The measurements of a page: megabytes to download, times, the tab's memory in megabytes, and exactness."""

    megabytes: float
    ready_seconds: float
    memory_mb: float
    first_ms: float
    median_ms: float
    photos: int
    largest_difference: float

    def __str__(self) -> str:
        return (
            f"Tried in a browser: {self.megabytes:.0f} MB to load, ready in {self.ready_seconds:.1f} s, "
            f"{self.memory_mb:.0f} MB of memory, {self.median_ms:.0f} ms a photo; no probability differs from the "
            f"engine's by more than {self.largest_difference:.1e} on {self.photos} photos."
        )


def rehearse_page(
    files: Mapping[str, bytes], photos: Sequence[tuple[str, bytes]], expected: ArrayLike, browser: str | None = None
) -> Generator[str, None, PageRehearsal]:
    """Open the page in a browser and ask it about named photos, yielding messages; `expected` are [N, C].

    Raises BadInput if there is no browser, the page does not start, or a probability differs.
    """
    program = browser or find_browser()
    if program is None:
        raise BadInput(f"{NO_BROWSER}; install one, or choose to have the page `untried`.")
    if not photos:
        raise BadInput("There are no photos to rehearse the page with; put the validation photos back.")
    labels = json.loads(files["page.json"])["labels"]
    times, largest = [], 0.0
    yield "Trying the page in a browser of this computer"
    with asked(program, files, [content for _, content in photos]) as tab:
        for (name, _), row, answer in zip(photos, np.asarray(expected, np.float64), tab.answers, strict=True):
            largest = max(largest, _difference(name, answer, dict(zip(labels, row.tolist(), strict=True))))
            times.append(answer["milliseconds"])
            yield f"{len(times)} of {len(photos)} photos answered as the model does"
        memory = tab.memory_mb()
    ready = tab.ready_seconds
    megabytes = sum(map(len, files.values())) / 1e6
    return PageRehearsal(megabytes, ready, memory, times[0], statistics.median(times), len(times), largest)


@dataclass(frozen=True)
class Tab:
    """A page that is open in a browser: when it was ready, and its answers to the photos it was asked about."""

    process: psutil.Popen
    ready_seconds: float
    answers: Iterator[dict[str, Any]]  # with the key `error` for a photo that it cannot show

    def memory_mb(self) -> float:
        """The largest resident memory of the browser's tabs in megabytes."""
        sizes = [0.0]
        with suppress(psutil.Error):
            for member in self.process.children(recursive=True):
                if "--type=renderer" in member.cmdline():
                    sizes.append(member.memory_info().rss / 1e6)
        return max(sizes)


@contextmanager
def asked(program: str, files: Mapping[str, bytes], photos: Sequence[bytes]) -> Iterator[Tab]:
    """The page, open in a browser and ready, as it is asked about photos; raises BadInput."""
    names = {f"photos/{i}": content for i, content in enumerate(photos)}
    served = {**files, **names, "rehearsal.html": ASKING.read_bytes(), "photos.json": json.dumps(list(names)).encode()}
    with (
        tempfile.TemporaryDirectory(prefix="presize-page-", ignore_cleanup_errors=True) as profile,
        serving(served) as (url, posted),
        opened(program, f"{url}rehearsal.html", Path(profile)) as process,
    ):
        ready = _next(posted, process, STARTS)["ready"] / 1000
        yield Tab(process, ready, (_next(posted, process, ANSWERS) for _ in photos))


def _next(posted: Queue[Any], process: psutil.Process, seconds: float) -> dict[str, Any]:
    """The next document that the page posts; raises BadInput."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(Empty):
            answer: dict[str, Any] = posted.get(timeout=0.5)
            if "failed" in answer:
                raise BadInput(f"The page does not start: {answer['failed']}")
            return answer
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise BadInput("The browser ended before the page answered; start it by hand to see why.")
    raise BadInput(f"The page did not answer within {seconds:.0f} s; try again when the machine is less busy.")


def _difference(name: str, answer: Mapping[str, Any], wanted: Mapping[str, float]) -> float:
    """The largest difference of a probability; raises BadInput if it is too large."""
    if "error" in answer:
        raise BadInput(f"The page cannot show {name!r}: {answer['error']}")
    found = dict(zip(answer["labels"], answer["probabilities"], strict=True))
    if found.keys() != wanted.keys():
        raise BadInput(f"The page answers {name!r} with labels that the model does not have; export it again.")
    worst = max(found, key=lambda label: abs(found[label] - wanted[label]))
    difference = float(abs(found[worst] - wanted[worst]))
    if not difference <= PAGE_TOLERANCE:
        raise BadInput(
            f"The page says {found[worst]:.4f} for {worst!r} on {name!r}, and the model {wanted[worst]:.4f}; "
            "do not publish it."
        )
    return difference
