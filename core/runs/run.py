"""Run: the folder of a run with its recipe, events and results, its status, and requests to it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from core.atomic import disk_error, write_atomic
from core.data.corrections import Corrections, is_whole
from core.data.journal import Journal, acts_of
from core.errors import BadInput
from core.events import Event, Queued, RunEnded
from core.lock import ProcessLock, holder
from core.model.file_names import HASHES
from core.recipe import Recipe
from core.runs.events_file import EVENTS, event_of, last_event, lines_from
from core.runs.host import ADVICE, elsewhere, is_here, lacked_memory
from core.runs.stop_signals import FINISH, KEEP, STOP

PACKAGES = ("torch", "torchvision", "timm", "pillow", "numpy", "safetensors", "huggingface_hub")
RUN_FOLDERS = RUNS, LR_FINDS = "runs", "lr_finds"
LOCK = "lock"
JOB = "job.json"  # while something of the run is on the Hub
LABELS = "labels.jsonl"  # a run's copy of what people said about its photos
PRESIZED = "presized"  # the folder beside the runs with the presized photos that they share
ALIVE = RUNNING, QUEUED = "running", "queued"
CREATED, INTERRUPTED = "created", "interrupted"


@dataclass(frozen=True)
class Run:
    """A run, identified by its folder."""

    folder: Path

    @classmethod
    def create(cls, recipe: Recipe, workspace: Path, kind: str = RUNS) -> Run:
        """Create the folder of a run with its recipe, corrections of labels and package versions; raises BadInput."""
        stem = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{recipe.architecture['name']}"
        parent = workspace / kind
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder = _make_unique(parent, stem)
        except OSError as error:
            raise disk_error(parent, error) from error
        run = cls(folder)
        environment = {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()}
        try:
            run.write("recipe.json", recipe.absolute().relative_to(workspace).to_json())
            if corrections := Journal(workspace).corrections:
                run.write(LABELS, corrections.text())
            run.write("environment.json", json.dumps(environment | {p: version(p) for p in PACKAGES}, indent=2))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # an incomplete folder would be taken for a run
            raise
        return run

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Delete the folder again if this context raises BadInput before the run has any event."""
        try:
            yield
        except BadInput:
            if self.status == CREATED:
                with suppress(BadInput):
                    self.delete()
            raise

    @classmethod
    def find(cls, name: str, workspace: Path) -> Run:
        """The run at a path, or with a name in the workspace; raises BadInput naming the newest runs."""
        if not name.strip():
            raise BadInput("The name of the run is empty; `python -m core runs` lists them.")
        for folder in (Path(name), *(workspace / kind / name for kind in RUN_FOLDERS)):
            if (folder / "config.json").is_file() or (folder / "recipe.json").is_file():
                return cls(folder)
        from core.runs.listing import runs_in

        known = [run.folder.name for run in runs_in(workspace)[:3]]
        there = f"the newest are {', '.join(known)}" if known else f"{str(workspace / RUNS)!r} has no runs"
        raise BadInput(f"There is no run {name!r}; {there}.")

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.folder.name if self.folder.name not in ("", "..") else self.folder.resolve().name

    @property
    def workspace(self) -> Path:
        """The workspace that contains this run."""
        return self.folder.resolve().parent.parent

    @property
    def is_created(self) -> bool:
        """Whether the run has its recipe, without which a folder is not a run."""
        return (self.folder / "recipe.json").is_file()

    @property
    def has_model(self) -> bool:
        """Whether a model was saved; `load_model` checks it for damage."""
        return (self.folder / HASHES).is_file()

    def check_has_model(self) -> None:
        """Raise BadInput unless this run has a model and no process that may change it."""
        if self.is_lr_find:
            raise BadInput(f"{self.name!r} is a run of the LR finder, which has no model; give a training run.")
        if not self.has_model:
            raise BadInput(f"{self.name!r} has no model yet; one is saved when it ends after at least one epoch.")
        if not self.is_created:
            raise BadInput(f"{self.name!r} is a model without its run; give the run that it came from.")
        if self.is_alive:
            raise BadInput(f"{self.name!r} is {self.status}; wait until it ends, or stop it.")

    @property
    def is_lr_find(self) -> bool:
        """Whether it is a run of the LR finder."""
        return self.folder.resolve().parent.name == LR_FINDS

    def check_is_run(self) -> None:
        """Raise BadInput unless `create` made this folder, so that no folder of the user's is changed."""
        folder = self.folder.resolve()
        made = all((folder / name).is_file() for name in ("recipe.json", "environment.json"))
        if folder.parent.name not in RUN_FOLDERS or not made:
            raise BadInput(f"{str(self.folder)!r} is not a run in a workspace; `python -m core train` creates one.")

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run, with absolute paths; raises BadInput if the folder is a model without one."""
        return Recipe.from_json(self.read("recipe.json")).absolute(self.workspace)

    @property
    def corrections(self) -> Corrections:
        """The corrections of labels that were in force when the run was created; raises BadInput."""
        if not (self.folder / LABELS).exists():
            return Corrections()
        text = self.read(LABELS)
        if not is_whole(text):
            raise BadInput(f"{str(self.folder / LABELS)!r} is damaged; train the run's recipe.json in a new run.")
        return Corrections.of(acts_of(text.encode()))

    @property
    def process(self) -> int | None:
        """The id of the process on this machine that carries out the run, or None."""
        found = holder(self.folder / LOCK)
        return found if found and is_here(self.folder) else None

    @property
    def elsewhere(self) -> str:
        """The machine or container on which the run is in progress, or "" if it is this one or none."""
        return elsewhere(self.folder, LOCK, EVENTS)

    @property
    def is_alive(self) -> bool:
        """Whether the run has a process, here or elsewhere."""
        return self.process is not None or bool(self.elsewhere)

    @property
    def why_interrupted(self) -> str:
        """The reason why the run was interrupted, as a sentence, or "" if it is not known."""
        if self.status == INTERRUPTED and lacked_memory(self.folder):
            return f"It was interrupted, probably because the system ran out of memory and killed it; {ADVICE}."
        return ""

    @property
    def status(self) -> str:
        """created, queued, running, completed, stopped, failed or interrupted, derived from process and events."""
        alive = self.is_alive  # before the events, as a process writes its last event before it ends
        last = self.last_event
        if alive:
            return QUEUED if isinstance(last, Queued) else RUNNING
        if last is None:
            return CREATED
        return last.status if isinstance(last, RunEnded) else INTERRUPTED

    @property
    def last_event(self) -> Event | None:
        """The newest event, or None."""
        return last_event(self.folder / EVENTS)

    def read(self, name: str) -> str:
        """The text of a file in the run's folder; raises BadInput if it cannot be read."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{str(self.folder / name)!r} cannot be read ({type(error).__name__}).") from None

    def write(self, name: str, text: str) -> None:
        """Write a file in the run's folder atomically."""
        write_atomic(self.folder / name, text)

    def since(self, position: int = 0) -> tuple[list[Event], int]:
        """The events after a position in the events file, where 0 is its beginning, and the position after them."""
        lines, after = self.lines(position)
        return [event_of(line) for line in lines], after

    def lines(self, position: int) -> tuple[list[bytes], int]:
        """The lines after a position in the events file, and the position after them."""
        return lines_from(self.folder / EVENTS, position)

    def events(self) -> list[Event]:
        """All events so far."""
        return self.since()[0]

    def follow(self, position: int = 0, pause: float = 0.2) -> Generator[Event, None, None]:
        """Yield every event after a position as it happens, until the run has no process."""
        while True:
            alive = self.is_alive  # before reading, so that the last events are not missed
            events, position = self.since(position)
            yield from events
            if not alive:
                return
            time.sleep(pause)

    def stop(self) -> None:
        """Request that the run finishes its step, saves everything and ends; raises BadInput if it has no process."""
        self._request(STOP)

    def keep(self) -> None:
        """Request that the run completes at once with the best model so far, or after its first epoch; BadInput."""
        self._request(KEEP)

    def finish(self) -> None:
        """Request that the run anneals the learning rate over the next steps, validates and completes; BadInput."""
        self._request(FINISH)

    def delete(self) -> None:
        """Delete the folder and everything in it; raises BadInput while the run has a process or a rented machine."""
        try:
            self.move(gone := self.folder.with_name(f".{self.name}.deleted"))  # not taken for a run when partly deleted
            shutil.rmtree(gone)
        except OSError as error:
            raise BadInput(f"{str(self.folder)!r} could not be deleted: {error.strerror or error}.") from error

    def move(self, target: Path) -> None:
        """Give the folder another place on the same disk; raises BadInput as `delete`."""
        self.check_is_run()
        self._check_no_job()
        lock = ProcessLock(self.folder / LOCK)
        if not lock.take():
            raise BadInput(f"{self.name!r} is {self.status}; stop it before it is deleted.")
        try:
            if os.name == "nt":  # Windows cannot rename a folder with an open file in it
                lock.release()
            self.folder.rename(target)
        except OSError as error:
            raise BadInput(f"{str(self.folder)!r} could not be deleted: {error.strerror or error}.") from error
        finally:
            lock.release()

    def _request(self, what: str) -> None:
        if self.is_lr_find and what != STOP:
            raise BadInput(f"{self.name!r} is a run of the LR finder, which cannot be finished early; stop it.")
        self.check_is_run()
        self._check_no_job()
        if not self.is_alive:
            raise BadInput(f"{self.name!r} is {self.status}, so there is nothing to {what}.")
        self.write(what, "")

    def _check_no_job(self) -> None:
        """Raise BadInput if a rented machine may train it and no process here follows that."""
        if (self.folder / JOB).exists() and not self.is_alive:
            raise BadInput(
                f"{self.name!r} has a job on a rented machine, which may still run; `python -m core resume "
                f"{self.folder}` follows it again, `python -m core delete {self.folder}` cancels it and deletes both."
            )


def _make_unique(parent: Path, stem: str) -> Path:
    for suffix in ("", *(f"-{i}" for i in range(2, 1000))):
        try:
            folder = parent / f"{stem}{suffix}"
            folder.mkdir()
            return folder
        except FileExistsError:
            continue
    raise BadInput(f"A thousand runs were started in the same second in {str(parent)!r}.")
