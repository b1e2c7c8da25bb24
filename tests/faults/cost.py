"""What the care for runs costs them."""

from __future__ import annotations

import time

from core.events import CheckpointSaved, Event, RunEnded, StepEnded
from tests.faults.child import carry_out
from tests.faults.harness import Bench, Row

LIMIT = 0.02


def cost(bench: Bench, seconds: int) -> Row:
    """Train for at least `seconds` with the default rule of checkpoints."""
    row = Row("none: what saving and logging cost", f"a run of {seconds} s with the default rule of checkpoints")
    architecture = {"name": "timm", "model": "efficientnet_lite0", "pretrained": False, "head": "concat"}
    run = bench.create(bench.document(epochs=1000, architecture=architecture))
    began = time.monotonic()
    asked: list[bool] = []

    def enough(event: Event) -> None:
        if isinstance(event, StepEnded) and not asked and time.monotonic() - began > seconds:
            asked.append(True)
            run.stop()

    carry_out(run, enough)
    end = run.last_event
    saved = sum(isinstance(e, CheckpointSaved) for e in run.events())
    steps = sum(isinstance(e, StepEnded) for e in run.events())
    row.check(isinstance(end, RunEnded) and end.seconds >= seconds, f"it ended with {end}")
    if isinstance(end, RunEnded) and end.seconds:
        share = end.saving / end.seconds
        row.check(share < LIMIT, f"{share:.2%} of {end.seconds:.0f} s")
        row.result = f"{share:.2%} of {end.seconds:.0f} s ({saved} checkpoints, {steps} steps)"
    return row
