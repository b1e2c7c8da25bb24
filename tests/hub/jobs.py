"""Jobs of a Hub: each one that is submitted really runs, as a process of this machine, and its log can be read."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from tests.hub.asking import Asking, refused, the_hub
from tests.hub.state import User

if TYPE_CHECKING:
    from tests.hub.server import Hub

UV = f"""#!/bin/sh
while [ "$1" != python ] && [ "$1" != hf ]; do shift; done
PATH="{Path(sys.executable).parent}:$PATH" exec "$@"
"""
LONG_POLL = 1.0  # seconds that a reader of the log waits for its end
GPU = {"type": "gpu", "vram": "16 GB", "manufacturer": "Nvidia"}
HARDWARE = [
    {"name": name, "prettyName": name, "cpu": "4 vCPU", "ram": "15 GB", "accelerator": gpu,
     "unitCostMicroUSD": cost, "unitCostUSD": cost / 1e6, "unitLabel": "minute"}
    for name, cost, gpu in (
        ("cpu-basic", 167, None),
        ("t4-small", 6667, {**GPU, "model": "T4", "quantity": "1"}),
        ("a10g-largex4", 83333, {**GPU, "model": "A10G", "quantity": "4"}),
    )
]  # fmt: skip
router = APIRouter()


@dataclass
class Job:
    """A job, its process and the folder with its log."""

    id: str
    owner: str
    spec: dict[str, Any]
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    ended_by: str = ""

    @property
    def stage(self) -> str:
        """As the Hub calls it."""
        if self.process.poll() is None:
            return "RUNNING"
        return self.ended_by or ("ERROR" if self.process.returncode else "COMPLETED")

    @property
    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "log").read_text(errors="replace")

    def end(self, stage: str) -> None:
        """Kill it."""
        if self.process.poll() is None:
            self.ended_by = stage
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def as_json(self) -> dict[str, Any]:
        """What the Hub tells about it; of secrets only their names."""
        shown = {key: self.spec.get(key) for key in ("dockerImage", "command", "environment", "flavor", "labels")}
        status = {"stage": self.stage, "message": "Job timeout" if self.ended_by == "ERROR" else None}
        owner = {"id": self.owner, "name": self.owner, "type": "user"}
        return {"id": self.id, "owner": owner, "status": status, **shown, "secrets": list(self.spec.get("secrets", ()))}


class Jobs(dict[str, Job]):
    """The jobs of a Hub by their ids; `uv` is the program that stands for uv on their machines."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.uv = hub, UV
        self.folder = Path(tempfile.mkdtemp(prefix="jobs-"))

    def submit(self, user: User, spec: dict[str, Any]) -> Job:
        """Start a job."""
        id = f"job{len(self) + 1}"
        folder = self.folder / id
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "uv").write_text(self.uv)
        (folder / "bin" / "uv").chmod(0o755)
        known = {"HF_ENDPOINT": self.hub.url, "HF_HOME": str(folder / "hf"), "HOME": str(folder), "TMPDIR": str(folder)}
        path = {"PATH": f"{folder / 'bin'}:{os.defpath}", "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_XET": "1"}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                spec["command"], env={**known, **path, **spec["environment"], **spec.get("secrets", {})},
                cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        job = self[id] = Job(id, user.name, spec, folder, process)
        timer = Timer(spec.get("timeoutSeconds", 1800), job.end, ("ERROR",))
        timer.daemon = True
        timer.start()
        return job

    def close(self) -> None:
        """Kill all that still run, with the trainings that they started, and delete their folders."""
        for job in self.values():
            job.end("DELETED")
            for lock in job.folder.rglob("lock"):
                with suppress(ValueError, IndexError, ProcessLookupError):
                    os.kill(int(lock.read_text().split()[0]), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def owned(request: Request, user: User | None, owner: str, id: str) -> Job:
    """A job of this user."""
    job = the_hub(request).jobs.get(id)
    if not user or user.name != owner or not job or job.owner != owner:
        raise refused(404, "Job not found")
    return job


@router.get("/api/jobs/hardware", name="hardware-of-jobs")
async def hardware(user: Asking) -> Any:
    return HARDWARE


@router.post("/api/jobs/{owner}", name="run-job")
async def run_job(request: Request, user: Asking, owner: str) -> Any:
    if not user or user.name != owner or user.role != "write":
        raise refused(403, "You don't have the required permissions to perform this action")
    spec = await request.json()
    if not user.pro:
        raise refused(402, "Pre-paid credit balance is insufficient")
    return the_hub(request).jobs.submit(user, spec).as_json()


@router.get("/api/jobs/{owner}/{id}", name="job")
async def inspect(request: Request, user: Asking, owner: str, id: str) -> Any:
    return owned(request, user, owner, id).as_json()


@router.post("/api/jobs/{owner}/{id}/cancel", name="cancel-job")
async def cancel(request: Request, user: Asking, owner: str, id: str) -> Any:
    job = owned(request, user, owner, id)
    job.end("CANCELED")
    return job.as_json()


@router.get("/api/jobs/{owner}/{id}/logs", name="logs")
async def logs(request: Request, user: Asking, owner: str, id: str) -> Any:
    """The log from its first line, as often as it is asked for."""
    job = owned(request, user, owner, id)
    until = time.monotonic() + LONG_POLL
    while job.stage == "RUNNING" and time.monotonic() < until:
        await asyncio.sleep(0.05)
    complete = job.log.rpartition("\n")[0].split("\n") if "\n" in job.log else []
    lines = ["===== Job started at 2026-11-27 =====", *complete]
    told = [json.dumps({"timestamp": "2026-11-27T10:00:00.000Z", "data": line}) for line in lines]
    return Response("".join(f"data: {line}\n\n" for line in told), media_type="text/event-stream")


@router.delete("/api/repos/delete", name="delete")
async def delete(request: Request, user: Asking) -> Any:
    asked = await request.json()
    kind, id = asked.get("type", "model"), f"{asked['organization'] or (user and user.name)}/{asked['name']}"
    if not user or user.role != "write" or not id.startswith(f"{user.name}/"):
        raise refused(403, "You don't have the required permissions to perform this action")
    if the_hub(request).repos.pop((kind, id), None) is None:
        raise refused(404, "Repository not found", "RepoNotFound")
    return {}
