"""Runs that are killed: at any moment, at every step, by a crash in the code that decodes a photo."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import Any

from core.data.pipeline import Pipeline
from core.events import CheckpointSaved, Event, RunResumed, RunStarted, StepEnded
from core.runs.run import INTERRUPTED
from tests.faults.child import Child, after_step, carry_out, die, going, save_at_each_step
from tests.faults.harness import Bench, Row, leftovers, steps_of

WORKERS = 4


def random_moments(bench: Bench, count: int) -> Row:
    """SIGKILL at a random moment of a life, and of the next, until the run is through; saves at each step in half."""
    row = Row("SIGKILL at a random moment, saves included", "several a run; in half of the runs a save at each step")
    bench.reference()
    began = time.perf_counter()
    carry_out(bench.create())
    long = time.perf_counter() - began
    runs = torn = again = most = 0
    while row.injected < count:
        runs += 1
        faults = [save_at_each_step] if runs % 2 else []
        run = bench.create(workspace=bench.folder / f"kills-{runs}")  # of its own, so that its check is killed too
        while row.injected < count and run.status != "completed":
            child = Child(going(run, None, *faults))
            if child.ended_within(bench.rng.uniform(0, long)):
                ended = child.wait()
                row.check(ended.code == 0, f"it could not go on: {ended.said}")
                break
            child.kill()
            row.injected += 1
            torn += bool(leftovers(run))
        if run.status != "completed":
            ended = carry_out(run)
            row.check(ended.code == 0, f"it could not go on: {ended.said}")
        if wrong := bench.differs(run):
            row.wrong.append(wrong)
        lost = [redone(run.events(), i) for i, e in enumerate(run.events()) if isinstance(e, RunResumed)]
        row.check(all(ok for ok, _ in lost), f"{run.name} went back by more than one checkpoint interval")
        again = max([again, *(steps for _, steps in lost)])
        most = max([most, *(steps for _, steps in lost if faults)])
    row.check(most <= 1, f"{most} steps were done again although each had a checkpoint")
    row.result = (
        f"0 of {runs} runs lost, {torn} kills in the middle of a write; at most one checkpoint interval done again "
        f"({again} steps; where each step is saved, {most}); weights equal"
    )
    return row


def redone(events: list[Event], resumed: int) -> tuple[bool, int]:
    """Whether event number `resumed` went back to the last checkpoint; and how many steps were done again."""
    end = events[resumed]
    assert isinstance(end, RunResumed)
    lives = [i for i, e in enumerate(events[:resumed]) if isinstance(e, RunResumed)]
    saved = [i for i, e in enumerate(events[:resumed]) if isinstance(e, CheckpointSaved) and i >= end.kept]
    life = events[max([end.kept, *lives]) : resumed]
    return saved in ([], [end.kept]), sum(isinstance(e, StepEnded) for e in life)


def every_step(bench: Bench, count: int) -> Row:
    """Kill after each step of a small run with each head, or after `count` of them, then resume."""
    row = Row("kill, then resume", "at every step of two stages; linear head, and concat head with dropout")
    for head in ("linear", "concat"):
        document = bench.document(head)
        total = len(steps_of(bench.reference(document)))
        for k in range(1, total + 1) if count >= total else sorted(bench.rng.sample(range(1, total + 1), count)):
            run = bench.stopped_after(k, document)
            row.injected += 1
            row.check(run.status == INTERRUPTED, f"after step {k} it is {run.status}")
            carry_out(run, None, save_at_each_step)
            if wrong := bench.differs(run, document):
                row.wrong.append(f"{head}, step {k}: {wrong}")
    row.result = f"equal to the last bit, {row.injected} of {row.injected}"
    return row


def with_workers(bench: Bench, count: int) -> Row:
    """Kill at random steps of a run read by one thread, or by several; resume with the other."""
    row = Row("kill, then resume", f"at random steps, photos read by {WORKERS} threads before and by 1 after, or so")
    document = bench.document("concat")
    total = len(steps_of(bench.reference(document)))
    for number in range(count):
        before, after = (WORKERS, 1) if number % 2 else (1, WORKERS)
        run = bench.create(document)
        k = bench.rng.randint(1, total)
        carry_out(run, after_step(k, die), read_by(before))
        row.injected += 1
        row.check(run.status == INTERRUPTED, f"after step {k} it is {run.status}")
        carry_out(run, None, read_by(after))
        if wrong := bench.differs(run, document):
            row.wrong.append(f"{before} then {after} threads, step {k}: {wrong}")
    row.result = f"equal to the last bit, {count} of {count}"
    return row


def read_by(workers: int) -> Any:
    """No fault: photos are decoded by `workers` threads."""

    def fault() -> None:
        os.cpu_count = lambda: workers

    return fault


def decoder_crash(bench: Bench, count: int) -> Row:
    """A segmentation fault in a thread that decodes a random photo."""
    row = Row("a crash in a decoder", "a real segmentation fault in one of its threads, at a random photo")
    started = next(e for e in bench.reference().events() if isinstance(e, RunStarted))
    options = bench.document()["training"]
    photos = started.train * (options["freeze_epochs"] + options["epochs"])
    for _ in range(count):
        left = [bench.rng.randint(1, photos - 8)]

        def crash(left: list[int] = left) -> None:
            read = Pipeline.read

            def prepared(*arguments: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    ctypes.string_at(0)
                return read(*arguments)

            Pipeline.read = prepared  # type: ignore[method-assign]

        run = bench.create()
        ended = carry_out(run, None, crash)
        row.injected += 1
        row.check(ended.signal == signal.SIGSEGV, f"no crash: {ended}")
        row.check(run.status == INTERRUPTED, f"it is {run.status}")
        carry_out(run)
        if wrong := bench.differs(run):
            row.wrong.append(wrong)
    row.result = f"interrupted, resumed, same weights, {count} of {count}"
    return row
