"""Checkpoints: a training state in one file, named by the SHA-256 of its content; the last two are kept."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load, save
from torch import Tensor

from core.atomic import disk_error, make_folder, write_atomic
from core.training.state import TrainState

CHECKPOINTS_KEPT = 2
INTERVAL_FACTOR = 100  # the time between two checkpoints is this many times what saving one takes
MAX_INTERVAL = 600.0  # seconds between two checkpoints
MAX_TENSORS = 100_000  # in a checkpoint; parsing the header of a million would take a minute
DIGITS = 32  # of the SHA-256 in a file's name


class Checkpoints:
    """The checkpoints of a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkpoint"
        self.cost = 0.0  # seconds that saving the last checkpoint took
        self.last = time.perf_counter()

    @property
    def due(self) -> bool:
        """Whether it is time for the next checkpoint; the first is due at once, to measure how long saving takes."""
        return time.perf_counter() - self.last > min(INTERVAL_FACTOR * self.cost, MAX_INTERVAL)

    def save(self, state: TrainState, events: int) -> float:
        """Write the state with the number of events before it; returns the seconds it took. Raises BadInput."""
        began = time.perf_counter()
        document = {**state.document(), "events": events}
        content = save(state.tensors(), metadata={"state": json.dumps(document)})
        digest = hashlib.sha256(content).hexdigest()[:DIGITS]
        try:
            make_folder(self.folder)
        except OSError as error:
            raise disk_error(self.folder, error) from error
        before = self._files()
        number = _number(before[-1]) + 1 if before else 1
        write_atomic(self.folder / f"{number:06d}-{digest}.safetensors", content)
        self._keep(CHECKPOINTS_KEPT)
        self.last = time.perf_counter()
        self.cost = self.last - began
        return self.cost

    def newest(self) -> tuple[dict[str, Tensor], dict[str, Any], list[Path]]:
        """Tensors and document of the newest undamaged checkpoint, or empty, and the newer damaged files."""
        damaged: list[Path] = []
        for file in reversed(self._files()):
            try:
                content = file.read_bytes()
                named = hashlib.sha256(content).hexdigest()[:DIGITS] == file.stem.partition("-")[2]
                tensors = content.count(b"{", 0, 8 + int.from_bytes(content[:8], "little"))  # each is a JSON object
                if named and tensors < MAX_TENSORS:
                    with safetensors.safe_open(file, "pt") as opened:
                        return load(content), json.loads(opened.metadata()["state"]), damaged
            except (
                OSError,
                ValueError,
                KeyError,
                TypeError,
                safetensors.SafetensorError,
            ):  # a matching hash does not make the content valid
                pass
            damaged.append(file)
        return {}, {}, damaged

    def set_aside(self, damaged: list[Path]) -> None:
        """Rename damaged checkpoints, so that they are no longer counted as checkpoints."""
        for file in damaged:
            file.rename(file.with_suffix(".damaged"))

    def keep_last(self) -> None:
        """Delete all but the newest checkpoint, from which a completed run's model can be restored."""
        self._keep(1)

    def _keep(self, count: int) -> None:
        for file in self._files()[:-count]:
            file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        found = [f for f in self.folder.glob("*-*.safetensors") if f.name.split("-")[0].isdigit()]
        return sorted(found, key=_number)


def _number(file: Path) -> int:
    return int(file.name.split("-")[0])
