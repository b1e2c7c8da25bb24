"""A run is a folder: its recipe, its events as they happen, and what it made."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from core.atomic import disk_error, write_atomic
from core.errors import BadInput
from core.events import Event, RunEnded, from_line, to_line
from core.recipe import Recipe

PACKAGES = ("torch", "torchvision", "timm", "pillow", "numpy", "safetensors", "huggingface_hub")


@dataclass(frozen=True)
class Run:
    """The folder of a run, and what can be asked of it."""

    folder: Path

    @classmethod
    def create(cls, recipe: Recipe, workspace: Path, kind: str = "runs") -> Run:
        """A new folder with the recipe and the versions in use; raises BadInput if it cannot be written."""
        stem = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{recipe.architecture['name']}"
        parent = workspace / kind
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder = _make_unique(parent, stem)
        except OSError as error:
            raise disk_error(parent, error) from error
        run = cls(folder)
        run.write("recipe.json", recipe.to_json())
        environment = {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()}
        run.write("environment.json", json.dumps(environment | {p: version(p) for p in PACKAGES}, indent=2))
        return run

    @classmethod
    def find(cls, name: str, workspace: Path) -> Run:
        """The run of a folder's path, or of a name in the workspace; raises BadInput naming the newest there are."""
        for folder in (Path(name), workspace / "runs" / name):
            if (folder / "config.json").is_file() or (folder / "recipe.json").is_file():
                return cls(folder)
        known = sorted((f.name for f in (workspace / "runs").glob("*") if f.is_dir()), reverse=True)[:3]
        there = f"the newest are {', '.join(known)}" if known else f"there are none in {str(workspace / 'runs')!r}"
        raise BadInput(f"There is no run {name!r}; {there}.")

    @property
    def recipe(self) -> Recipe:
        """What this run was asked to do; raises BadInput where a model came without its recipe."""
        return Recipe.from_json(self.read("recipe.json"))

    def read(self, name: str) -> str:
        """The text of a file of the run; raises BadInput if it is not there."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{str(self.folder / name)!r} cannot be read ({type(error).__name__}).") from None

    def write(self, name: str, text: str) -> None:
        """Write a file of the run, whole or not at all."""
        write_atomic(self.folder / name, text)

    def record(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass events on, each one written down first; however they end, the last one says so."""
        try:
            file = (self.folder / "events.jsonl").open("a", buffering=1, encoding="utf-8")
        except OSError as error:
            raise disk_error(self.folder / "events.jsonl", error) from error
        with file:
            ended = False

            def written(event: Event) -> Event:
                nonlocal ended
                if ended:  # nothing comes after the end, whatever its reader does
                    return event
                ended = isinstance(event, RunEnded)
                try:
                    file.write(to_line(event) + "\n")
                except OSError as error:
                    raise disk_error(self.folder / "events.jsonl", error) from error
                return event

            try:
                for event in events:
                    yield written(event)
            except (KeyboardInterrupt, GeneratorExit):
                written(RunEnded("stopped"))
                raise
            except BadInput as error:
                written(RunEnded("failed", str(error)))
                raise
            except Exception as error:
                written(RunEnded("failed", f"{type(error).__name__}: {error}"))
                raise

    def events(self) -> list[Event]:
        """What has happened so far."""
        path = self.folder / "events.jsonl"
        if not path.exists():
            return []
        return [from_line(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _make_unique(parent: Path, stem: str) -> Path:
    for suffix in ("", *(f"-{i}" for i in range(2, 1000))):
        try:
            folder = parent / f"{stem}{suffix}"
            folder.mkdir()
            return folder
        except FileExistsError:
            continue
    raise BadInput(f"A thousand runs were started in the same second in {str(parent)!r}.")
