"""A job of Hugging Face Jobs and its private data set: made, looked at, asked, and cleaned up."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

from core.errors import BadInput
from core.hub import HubUnreachable, hub_error, with_retries
from core.publish.hub import Hub
from core.publish.jobs.agreed import ARCHIVE, BACK
from core.publish.jobs.bundle import Bundle
from core.publish.jobs.offer import Rent
from core.runs.run import JOB, Run

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobInfo

IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
UV = "uv run --no-project --python 3.12"
COMMAND = f"""set -e
cd "$(mktemp -d)"
{UV} --with 'huggingface_hub>=2.4,<3' hf download "$1" {ARCHIVE} --repo-type dataset --local-dir . --quiet
{UV} python -m zipfile -e {ARCHIVE} .
{UV} --with-requirements requirements.txt python -u -m core.publish.jobs "$@" "$SECONDS" $MORE
"""
OURS = re.compile(r"[^/]+/presize-.+-[0-9a-f]{8}")  # no other repository is ever deleted
PAUSE = 1.0  # seconds to wait for a line of the log
RECONNECT = 10.0  # seconds before a lost connection is tried again
WAITING = 3600.0  # seconds that a job may wait for its machine


@dataclass(frozen=True)
class Job:
    """Where a run trains: the job's id, empty until it is started, its owner, address and data set."""

    user: str
    repo: str
    keep: bool
    until: float  # seconds since 1970, after which it has ended for certain
    id: str = ""
    url: str = ""

    @classmethod
    def of(cls, run: Run) -> Job | None:
        """The job that has not been fetched yet, or None; raises BadInput if its record is damaged."""
        if not (run.folder / JOB).exists():
            return None
        with suppress(ValueError, TypeError):
            job = cls(**json.loads(run.read(JOB)))
            if OURS.fullmatch(job.repo):
                return job
        raise BadInput(
            f"{str(run.folder / JOB)!r} is damaged; end its job at https://huggingface.co/settings/jobs and delete it."
        )

    def write(self, run: Run) -> None:
        """Remember it in the run's folder."""
        run.write(JOB, json.dumps(asdict(self), indent=2))


def is_under_way(run: Run) -> bool:
    """Whether a run has a job to follow; what was sent for a job that never started is deleted."""
    job = Job.of(run)
    if job and not job.id and not run.is_alive:
        clean(run, replace(job, keep=False), Hub().api)
        return False
    return job is not None


def send(run: Run, bundle: Bundle, rent: Rent, api: HfApi, user: str) -> Job:
    """Send a run to a new private data set and start its job; if this fails, nothing stays there. Raises BadInput."""
    repo = f"{user}/presize-{run.name[:60]}-{secrets.token_hex(4)}"
    job = Job(user, repo, rent.keep, time.time() + rent.seconds + WAITING)
    job.write(run)
    known: dict[str, Any] = {"repo_id": repo, "repo_type": "dataset"}
    try:
        with_retries(repo, lambda: api.create_repo(**known, private=True, exist_ok=True))
        with TemporaryDirectory(dir=run.folder, prefix=".") as folder:
            file = Path(folder, ARCHIVE)
            bundle.write(file, run)
            with_retries(repo, lambda: api.upload_file(path_or_fileobj=file, path_in_repo=ARCHIVE, **known))
        started = with_retries(repo, lambda: _start(job, run, rent, api), waits=())  # two would cost twice as much
        job = replace(job, id=started.id, url=started.url)
        job.write(run)
        return job
    except BaseException as error:
        left = clean(run, replace(job, keep=False), api)
        if left and isinstance(error, BadInput):
            raise BadInput(f"{error} {left}") from None
        raise


def _start(job: Job, run: Run, rent: Rent, api: HfApi) -> JobInfo:
    more = [] if rent.finish_after is None else ["--finish-after", str(rent.finish_after)]
    return api.run_job(
        image=IMAGE,
        command=["bash", "-c", COMMAND, "presize", job.repo, run.name, str(rent.seconds)],
        env={
            "MORE": " ".join([*more, *["--accept-changes"] * rent.accept_changes]),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # they are for a terminal
        },
        secrets={"HF_TOKEN": api.token},
        flavor=rent.flavor,
        timeout=rent.seconds,
        name="presize",
        namespace=job.user,
    )


def lines_of(job: Job, api: HfApi) -> Iterator[str]:
    """The lines of the job's log as they come, and "" in each second without one, until it ends; reconnects."""
    lines: Queue[str | BadInput | None] = Queue()
    Thread(target=_read, args=(job, api, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=PAUSE)
        except Empty:
            line = ""
        if line is None:
            return
        if isinstance(line, BadInput):
            raise line
        yield line.rstrip("\r\n")


def _read(job: Job, api: HfApi, lines: Queue[str | BadInput | None]) -> None:
    """Put each line there, from the first one after each lost connection, and at the end None or the error."""
    while True:
        try:
            for line in api.fetch_job_logs(job_id=job.id, namespace=job.user, follow=True):
                lines.put(line)
            return lines.put(None)
        except Exception as error:
            found = hub_error(job.repo, error)
            if not isinstance(found, HubUnreachable) or time.time() > job.until:
                return lines.put(found)
            time.sleep(RECONNECT)


def request(job: Job, api: HfApi, what: str) -> None:
    """Ask the training there to stop, to keep the best model or to finish early; raises BadInput."""
    known: dict[str, Any] = {"repo_id": job.repo, "repo_type": "dataset"}
    with_retries(job.repo, lambda: api.upload_file(path_or_fileobj=b"\n", path_in_repo=what, **known))


def cancel(job: Job, api: HfApi) -> None:
    """End the job at once; raises BadInput."""
    with_retries(job.repo, lambda: api.cancel_job(job_id=job.id, namespace=job.user))


def fetch(run: Run, job: Job, api: HfApi, events: str) -> list[bytes]:
    """Move the files that the job sent into the run's folder; returns the lines of its events. Raises BadInput."""
    from huggingface_hub import snapshot_download

    with TemporaryDirectory(dir=run.folder, prefix=".") as folder:
        known: dict[str, Any] = {
            "repo_type": "dataset",
            "local_dir": folder,
            "token": api.token,
            "endpoint": api.endpoint,
        }
        with_retries(job.repo, lambda: snapshot_download(job.repo, allow_patterns=[f"{BACK}/*"], **known))
        found = [file for file in Path(folder, BACK).rglob("*") if file.is_file()]
        lines = [line for file in found if file.name == events for line in file.read_bytes().splitlines()]
        for file in (file for file in found if file.name != events):
            target = run.folder / file.relative_to(Path(folder, BACK))
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
        checkpoints = {file.name for file in found if file.parent.name == "checkpoint"}
        for old in (run.folder / "checkpoint").glob("*.safetensors") if checkpoints else ():
            if old.name not in checkpoints:
                old.unlink()
    return lines


def abandon(run: Run, job: Job) -> str:
    """Cancel the job and delete its data set unless it is kept; returns a sentence on this. Raises BadInput."""
    api = Hub().api
    if job.id and time.time() < job.until:
        cancel(job, api)
    if not job.keep:
        _delete(job, api)
    (run.folder / JOB).unlink()
    return f"The job is cancelled, and its private data set {job.repo} is {'kept' if job.keep else 'deleted'}."


def clean(run: Run, job: Job, api: HfApi) -> str:
    """Delete the data set unless it is kept, and forget the job; returns a sentence on what is left, or ""."""
    left = ""
    if not job.keep:
        try:
            _delete(job, api)
        except BadInput as error:
            left = f"The private data set {job.repo} is left on the Hub, as it could not be deleted: {error}"
    (run.folder / JOB).unlink(missing_ok=True)
    return left


def _delete(job: Job, api: HfApi) -> None:
    with_retries(job.repo, lambda: api.delete_repo(job.repo, repo_type="dataset", missing_ok=True))
