"""One bit that is not what it was, in a checkpoint or in a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from core.errors import BadInput
from core.model.folder import load_model
from core.runs.checkpoint import Checkpoints
from core.runs.run import Run
from tests.faults.child import carry_out
from tests.faults.harness import Bench, Row, steps_of, weights

MODEL = ("model.safetensors", "config.json", "classes.json")
HEADER = 4096  # bytes in which a format says what follows; a quarter of the flips are there


@contextmanager
def flipped(file: Path, rng: Random) -> Iterator[str]:
    """One bit of a file is another one for a while; gives which."""
    before = file.read_bytes()
    after = bytearray(before)
    at = rng.randrange(min(HEADER, len(before)) if rng.random() < 0.25 else len(before))
    after[at] ^= 1 << rng.randrange(8)
    file.write_bytes(after)
    try:
        yield f"byte {at} of {file.name}"
    finally:
        if file.exists():
            file.write_bytes(before)


def in_checkpoints(bench: Bench, count: int) -> Row:
    """Flip a bit of the newest checkpoint: the one before it is used; every twentieth time resume to the end."""
    row = Row("one bit flipped in a checkpoint", "in the newest of two; some resumed to the end")
    run = bench.stopped_after(7)
    files = sorted((run.folder / "checkpoint").iterdir())
    row.check(len(files) == 2, f"{len(files)} checkpoints were kept")
    older, newest = Checkpoints(run.folder).newest()[1], files[-1]
    with flipped(newest, bench.rng):
        older = Checkpoints(run.folder).newest()[1]
    for _ in range(count - max(1, count // 20)):
        with flipped(newest, bench.rng) as where:
            _, state, damaged = Checkpoints(run.folder).newest()
            row.injected += 1
            row.check(damaged == [newest] and bool(state) and state == older, f"{where} was not found")
    total = len(steps_of(bench.reference()))
    for _ in range(max(1, count // 20)):
        again = bench.stopped_after(bench.rng.randint(3, total - 1))
        with flipped(max((again.folder / "checkpoint").iterdir()), bench.rng) as where:
            carry_out(again)
            row.injected += 1
            said = any("is damaged; the one before it is used" in str(e) for e in again.events())
            row.check(said, f"{where}: nothing was said")
            if wrong := bench.differs(again):
                row.wrong.append(f"{where}: {wrong}")
    row.result = f"{count} of {count} found, the previous checkpoint used; {max(1, count // 20)} resumed: same weights"
    return row


def in_models(bench: Bench, count: int) -> Row:
    """Flip a bit of a file of a model: it is not loaded; every twentieth time have `resume` make it again."""
    row = Row("one bit flipped in a model", ", ".join(MODEL))
    run = bench.create()
    carry_out(run)
    whole, again = weights(run), 0
    for number in range(count):
        file = run.folder / MODEL[max(0, number % 5 - 2)]
        with flipped(file, bench.rng) as where:
            row.injected += 1
            row.check(not _loads(run), f"{where} was not found")
            if number % max(1, count // 6) == 0:
                again += 1
                ended = carry_out(run)
                row.check(ended.code == 0 and _loads(run) and weights(run) == whole, f"{where}: {ended.said}")
    row.result = f"{count} of {count} refused; {again} made again by `resume` from the last checkpoint, same hash"
    return row


def _loads(run: Run) -> bool:
    try:
        load_model(run.folder)
    except BadInput:
        return False
    return True
