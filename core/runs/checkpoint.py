"""Checkpoints: all of a training state in one file, whose name holds the SHA-256 of its content; two are kept."""

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

KEPT = 2
COSTS = 100  # a checkpoint is due when the time since the last is so many times what that took,
LONGEST = 600.0  # or when so many seconds have gone by
MOST = 100_000  # tensors in a checkpoint, each a brace in its header; to parse a million would take a minute
DIGITS = 32  # of the SHA-256, in the name


class Checkpoints:
    """The checkpoints of a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkpoint"
        self.cost = 0.0
        self.last = time.perf_counter()

    @property
    def due(self) -> bool:
        """Whether it is time for the next; the first is due at once and shows what one costs."""
        return time.perf_counter() - self.last > min(COSTS * self.cost, LONGEST)

    def save(self, state: TrainState, events: int) -> float:
        """Write the state, and how many events stand before it; returns the seconds it took. Raises BadInput."""
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
        self._keep(KEPT)
        self.last = time.perf_counter()
        self.cost = self.last - began
        return self.cost

    def newest(self) -> tuple[dict[str, Tensor], dict[str, Any], list[Path]]:
        """Tensors and document of the newest whole one, or nothing; and those found damaged, newest first."""
        damaged: list[Path] = []
        for file in reversed(self._files()):
            try:
                content = file.read_bytes()
                named = hashlib.sha256(content).hexdigest()[:DIGITS] == file.stem.partition("-")[2]
                if named and content.count(b"{", 0, 8 + int.from_bytes(content[:8], "little")) < MOST:
                    with safetensors.safe_open(file, "pt") as opened:
                        return load(content), json.loads(opened.metadata()["state"]), damaged
            except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError):  # with a hash, by anybody
                pass
            damaged.append(file)
        return {}, {}, damaged

    def set_aside(self, damaged: list[Path]) -> None:
        """Rename damaged ones, so that they do not count among those that are kept."""
        for file in damaged:
            file.rename(file.with_suffix(".damaged"))

    def keep_last(self) -> None:
        """Of a completed run the end alone is kept: the model can be made from it again."""
        self._keep(1)

    def _keep(self, count: int) -> None:
        for file in self._files()[:-count]:
            file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        found = [f for f in self.folder.glob("*-*.safetensors") if f.name.split("-")[0].isdigit()]
        return sorted(found, key=_number)


def _number(file: Path) -> int:
    return int(file.name.split("-")[0])
