"""Photos that go, a loss that is no number, and no memory: at any step."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.events import EpochEnded, Notice, PhotoSkipped, RunEnded, StageStarted, StepEnded
from core.model.folder import load_model
from core.runs.run import Run
from core.training import loop
from core.training.task import Network
from tests.faults.child import after_step, carry_out
from tests.faults.harness import Bench, Row, steps_of


def photo_lost(bench: Bench, count: int) -> Row:
    """In the middle of the first epoch a photo is deleted, or half of it is."""
    row = Row("an image vanishes or is truncated", "in the middle of an epoch, half of the times each")
    total = len(steps_of(bench.reference()))
    for number in range(count):
        photos = bench.photos_of_its_own()
        run = bench.create(bench.document(source={"name": "folder", "path": str(photos)}))
        victim = bench.rng.choice(sorted(f for f in photos.iterdir() if f.name in {b.name for b in bench.files}))

        def harm(victim: Path = victim, vanish: bool = number % 2 == 0) -> None:
            victim.unlink() if vanish else os.truncate(victim, victim.stat().st_size // 2)

        carry_out(run, after_step(bench.rng.randint(1, 3), harm))
        row.injected += 1
        listed = {e.path for e in run.events() if isinstance(e, PhotoSkipped)}
        row.check(listed == {str(victim)}, f"{victim.name} harmed, but {sorted(listed)} listed")
        row.check(run.status == "completed" and len(steps_of(run)) == total, f"{run.name} is {run.status}")
        load_model(run.folder)
    row.result = f"listed, run completed, {count} of {count}"
    return row


def not_a_number(bench: Bench, count: int) -> Row:
    """A batch whose pixels are no numbers, at several steps; then resume without it."""
    row = Row("NaN loss at step k", "k before and after the end of the first epoch; then resumed without it")
    named, epoch = _named_steps(bench.reference())
    kept = 0
    for number in range(count):
        k = bench.rng.choice(range(epoch) if number % 2 == 0 else range(epoch, len(named)))
        run = bench.create()
        ended = carry_out(run, None, _spoil(k))
        row.injected += 1
        end, model = run.last_event, run.folder / "model.safetensors"
        failed = isinstance(end, RunEnded) and end.status == "failed" and end.error == ended.said
        row.check(failed and ended.sentence and named[k] in ended.said, f"{named[k]}: it said {ended.said!r}")
        row.check(model.exists() == (k >= epoch), f"{named[k]}: model there: {model.exists()}")
        if model.exists():
            kept += 1
            row.check(_finite(run), f"{named[k]}: the model is not finite")
        carry_out(run)
        if wrong := bench.differs(run):
            row.wrong.append(f"{named[k]}: {wrong}")
    row.result = f"step named, {count} of {count}; the best finite model left after an epoch, {kept} of {kept}"
    return row


def _named_steps(run: Run) -> tuple[list[str], int]:
    """What each step is called, and how many there are in the first epoch."""
    stage, names, epochs = "", [], []
    for event in run.events():
        if isinstance(event, StageStarted):
            stage = event.name
        if isinstance(event, StepEnded):
            names.append(f"at step {event.step} of {event.total} of the stage {stage!r};")
        if isinstance(event, EpochEnded):
            epochs.append(len(names))
    return names, epochs[0]


def _spoil(k: int) -> Any:
    """The pixels of batch `k`, from 0, are no numbers."""

    def fault() -> None:
        step, left = loop.step, [k]

        def spoilt(task: Any, optimizer: Any, images: Tensor, *rest: Any) -> float:
            left[0] -= 1
            return step(task, optimizer, images * float("nan") if left[0] == -1 else images, *rest)

        loop.step = spoilt

    return fault


def _finite(run: Run) -> bool:
    state = load_model(run.folder).architecture.model.state_dict()
    return all(bool(torch.isfinite(tensor.float()).all()) for tensor in state.values())


def no_memory(bench: Bench, count: int) -> Row:
    """From a random step on there is memory for half of a batch, or for less than one photo."""
    row = Row("out of memory at step k", "in the forward pass; memory for half of a batch, every third time for none")
    total = len(steps_of(bench.reference()))
    photos = bench.document()["training"]["batch_size"]
    for number in range(count):
        k, room = bench.rng.randint(1, total - 1), 0 if number % 3 == 2 else photos // 2 + 1
        run, tight = bench.create(), [False]
        ended = carry_out(run, after_step(k, lambda tight=tight: tight.__setitem__(0, True)), _short(tight, room))
        row.injected += 1
        said = [e.message for e in run.events() if isinstance(e, Notice) and e.message.startswith("Out of memory")]
        row.check(bool(said), f"step {k}: nothing was said")
        if room:
            parts = [int(n) for n in re.findall(r"from now on (\d+), ", " ".join(said))]
            row.check(bool(parts) and 2 <= parts[-1] <= room, f"it said {said}")
        else:
            row.check(ended.sentence and ended.said.startswith("Out of memory with"), f"it said {ended.said!r}")
            ended = carry_out(run)
        whole = run.status == "completed" and len(steps_of(run)) == total
        row.check(whole and _finite(run), f"step {k}, memory for {room}: {run.status}, {ended.said}")
    row.result = f"said, halved, completed; with memory for none one sentence, then resumed, {count} of {count}"
    return row


def _short(tight: list[bool], room: int) -> Any:
    """While it is tight no more than `room` photos go through the network at once."""

    def fault() -> None:
        forward = Network.forward

        def short(network: Network, images: Tensor, part: int) -> Tensor:
            at_once = min(part, len(images)) if network.task.architecture.frozen else len(images)
            if tight[0] and at_once > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
            return forward(network, images, part)

        Network.forward = short  # type: ignore[method-assign]

    return fault
