"""Where faults are injected: photos, a small recipe, the run that nothing happened to, and a row of the table."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from core.data.files import get_image_files
from core.events import Event, RunEnded, StepEnded, replayed
from core.model.folder import load_model
from core.recipe import Recipe
from core.registry import sources
from core.runs.run import Run
from tests.faults.child import after_step, carry_out, die, going, save_at_each_step

TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}


@dataclass
class Row:
    """A row of the table: what was injected how often, and every way in which a run was not as demanded."""

    fault: str
    how: str
    injected: int = 0
    wrong: list[str] = field(default_factory=list)
    result: str = ""

    def check(self, fine: bool, otherwise: str) -> None:
        """Note what is wrong, if it is not fine."""
        if not fine:
            self.wrong.append(otherwise)

    def line(self) -> str:
        """The row in Markdown."""
        result = f"**{len(self.wrong)} wrong**: {'; '.join(self.wrong[:3])}" if self.wrong else self.result
        return f"| {self.fault} | {self.how} | {self.injected} | {' '.join(result.split())} |"


class Bench:
    """Where faults are injected: photos, a workspace, and chance that is the same every time; `small` is quicker."""

    def __init__(self, folder: Path, data: Path | None = None, seed: int = 0, small: bool = False) -> None:
        self.folder, self.small = folder, small
        drawn = {"name": "sample", "count": 4 if small else 6}
        self.files = get_image_files(data) if data else sources.build(drawn, folder / "drawn")()
        self.photos = self.files[0].parent
        self.rng = Random(seed)
        self._references: dict[str, Run] = {}
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # so that no child imports the rest
            going(self.create())()

    def document(self, head: str = "linear", epochs: int = 0, **keys: Any) -> dict[str, Any]:
        """A recipe of two stages with four or five steps an epoch."""
        training = {
            "epochs": epochs or (1 if self.small else 2),
            "freeze_epochs": 1,
            "batch_size": -(-len(self.files) * 4 // 5 // 4),
        }
        return {
            "version": 1,
            "source": {"name": "folder", "path": str(self.photos)},
            "labeller": {"name": "regex"},
            "splitter": {"name": "stratified", "seed": 42},
            "item_tfms": [{"name": "resize", "size": 48 if self.small else 64}],
            "batch_tfms": [{"name": "aug_transforms", "size": 32 if self.small else 48}],
            "architecture": TINY | {"head": head},
            "training": training,
        } | keys

    def create(self, document: dict[str, Any] | None = None, workspace: Path | None = None) -> Run:
        """A new run of a recipe."""
        return Run.create(Recipe.from_dict(document or self.document()), workspace or self.folder / "workspace")

    def photos_of_its_own(self) -> Path:
        """A copy of the photos that a fault may damage."""
        copy = self.folder / f"photos-{time.time_ns()}"
        return Path(shutil.copytree(self.photos, copy))

    def reference(self, document: dict[str, Any] | None = None) -> Run:
        """The run of a recipe that nothing happened to."""
        document = document or self.document()
        key = json.dumps(document)
        if key not in self._references:
            run = self.create(document)
            ended = carry_out(run)
            assert ended.code == 0, ended.said
            self._references[key] = run
        return self._references[key]

    def stopped_after(self, k: int, document: dict[str, Any] | None = None) -> Run:
        """A run that was killed after step `k`, with a checkpoint for each of the steps before."""
        run = self.create(document)
        carry_out(run, after_step(k, die), save_at_each_step)
        return run

    def differs(self, run: Run, document: dict[str, Any] | None = None) -> str:
        """What about a run is not as if nothing had happened to it, or nothing."""
        reference = self.reference(document)
        if run.status != "completed":
            end = run.last_event
            return f"{run.name} is {run.status} ({end.error if isinstance(end, RunEnded) else ''})"
        if weights(run) != weights(reference):
            return f"{run.name} has other weights"
        if steps_of(run) != steps_of(reference):
            return f"{run.name} tells of other steps"
        if left := leftovers(run):
            return f"{run.name} left {left[0].name} behind"
        load_model(run.folder)
        return ""


def weights(run: Run) -> str:
    """The hash of the model of a run."""
    return hashlib.sha256((run.folder / "model.safetensors").read_bytes()).hexdigest()


def steps_of(run: Run) -> list[Event]:
    """The steps of a run as they count in the end: loss and rate of each."""
    return [e for e in replayed(run.events()) if isinstance(e, StepEnded)]


def leftovers(run: Run) -> list[Path]:
    """Temporary files in the folder of a run."""
    return [*run.folder.glob(".*"), *run.folder.glob("checkpoint/.*")]
