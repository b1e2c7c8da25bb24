"""A run on a rented machine, followed from here: its events as they happen, its requests, its files at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.atomic import open_own
from core.errors import BadInput
from core.events import Event, Notice, RunEnded
from core.hub import HubUnreachable, with_retries
from core.publish.jobs.agreed import EVENT, SENT
from core.publish.jobs.bundle import Bundle
from core.publish.jobs.job import Job, cancel, clean, fetch, lines_of, request, send
from core.publish.jobs.offer import Rent
from core.registry import sources
from core.runs.events_file import EVENTS, event_of
from core.runs.record import Log, record
from core.runs.run import Run
from core.runs.stop_signals import FINISH, KEEP, STOP, Stopped, StopSignals

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PATIENCE = 600.0  # seconds after a request to stop before the job is cancelled


def train_rented(
    run: Run, signals: StopSignals, api: HfApi, user: str, rent: Rent | None
) -> Generator[Event, None, None]:
    """Train a run on a rented machine, or with no `rent` follow the job that it has; raises BadInput."""
    if rent is None:
        _forget_end(run)
    return record(run, signals, partial(_train, run, signals, api, user, rent), queue=False)


def _train(
    run: Run, signals: StopSignals, api: HfApi, user: str, rent: Rent | None, log: Log
) -> Generator[Event, None, None]:
    if rent is not None:
        bundle = Bundle(run.recipe, run.workspace)
        yield Notice(f"sending {bundle} to a private data set on the Hub; then a {rent.flavor} is started")
        job = send(run, bundle, rent, api, user)
        yield Notice(f"waiting for a {rent.flavor}, which then installs this program: {job.url}")
    elif (found := Job.of(run)) is None:
        raise BadInput(f"{run.name!r} has no job on the Hub.")
    else:
        job = found
    requests = _Requests(job, api, signals)
    end: Event | None = None
    reason = ""
    try:
        with os.fdopen(open_own(run.folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), "a") as text:
            for line in lines_of(job, api):
                if event := EVENT.fullmatch(line):
                    requests.began = True
                    if int(event[1]) >= log.count:  # a lost connection repeats the others
                        end = yield from _shown(event[2].encode())
                elif line:
                    print(line, file=text, flush=True)
                    reason = line if line.startswith("error: ") else reason
                requests.send()
        info = with_retries(job.repo, lambda: api.inspect_job(job_id=job.id, namespace=job.user))
        for late in fetch(run, job, api, EVENTS)[log.count + (end is not None) :]:
            end = yield from _shown(late)
        _rehome_predictions(run)
    except (GeneratorExit, KeyboardInterrupt):
        with suppress(BadInput):
            cancel(job, api)
        raise
    except BadInput as error:
        raise BadInput(
            f"{error} The job may go on, at {job.url}, and its private data set {job.repo} is still there; "
            f"`python -m core resume {run.folder}` follows it again."
        ) from None
    if left := clean(run, job, api):
        yield Notice(f"warning: {left}")
    if isinstance(end, RunEnded) and end.status == "completed":
        yield end
    elif isinstance(end, RunEnded) and end.status == "failed":
        raise BadInput(end.error)
    elif STOP in requests.asked:
        raise Stopped
    elif isinstance(end, RunEnded):
        raise Stopped(end.error or "It was stopped before the job's time limit.")
    else:
        why = reason.removeprefix("error: ") or info.status.message or "log.txt in the run's folder has its log."
        raise BadInput(f"The job ended as {info.status.stage}: {why}")


def _shown(line: bytes) -> Generator[Event, None, Event | None]:
    """Yield an event, or return it if it is the last one, which waits for the files."""
    event = event_of(line)
    if isinstance(event, RunEnded):
        return event
    yield event
    return None


class _Requests:
    """Passes requests to stop, to keep the best model or to finish early on to the job."""

    def __init__(self, job: Job, api: HfApi, signals: StopSignals) -> None:
        self.job, self.api, self.signals = job, api, signals
        self.began = False  # whether there is a training that can save anything
        self.asked: dict[str, float] = {}

    def send(self) -> None:
        """Send what has been requested since the last call; the network may fail, and the next call tries again."""
        with suppress(HubUnreachable):
            if self.signals.stop and STOP not in self.asked:
                request(self.job, self.api, STOP) if self.began else cancel(self.job, self.api)
                self.asked[STOP] = time.monotonic()
            for name, wanted in ((KEEP, self.signals.keep), (FINISH, self.signals.finish)):
                if wanted and name not in self.asked:
                    request(self.job, self.api, name)
                    self.asked[name] = time.monotonic()
            if STOP in self.asked and time.monotonic() - self.asked[STOP] > PATIENCE:
                cancel(self.job, self.api)
                self.asked[STOP] = time.monotonic()


def _forget_end(run: Run) -> None:
    """Remove what was recorded here when the job went on unseen, so that its events keep their numbers."""
    lines, _ = run.lines(0)
    while lines and (b'"RunEnded"' in lines[-1] or b'"not resumed: ' in lines[-1]):
        lines.pop()
    run.write(EVENTS, "".join(f"{line.decode()}\n" for line in lines))


def _rehome_predictions(run: Run) -> None:
    """Let the predictions name the photos as they are here, if they were sent."""
    from core.runs.predictions import PREDICTIONS, keep_predictions, named_predictions
    from core.training.interpretation import ClassificationInterpretation

    if not (run.folder / PREDICTIONS).exists():
        return
    there, names = named_predictions(run)
    if there.items[0].is_relative_to(run.workspace / SENT):
        root = Path(sources.build(run.recipe.source, run.workspace).root)
        items = [root / name for name in names]
        keep_predictions(run, ClassificationInterpretation(there.logits, there.targets, items, there.vocab), root)
