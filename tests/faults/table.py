"""The rows of the table: what injects each, how often, and how often with --quick (0: not at all)."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults import bits, cost, disks, kills, losses, processes
from tests.faults.harness import Bench, Row

EVERY = 10**6
ROWS: dict[str, tuple[Callable[[Bench, int], Row], int, int]] = {
    "kill": (kills.random_moments, 100, 6),
    "step": (kills.every_step, EVERY, 2),
    "workers": (kills.with_workers, 20, 2),
    "disk": (disks.disk_full, 10, 2),
    "checkpoint": (bits.in_checkpoints, 100, 10),
    "model": (bits.in_models, 100, 10),
    "photo": (losses.photo_lost, 20, 2),
    "nan": (losses.not_a_number, 10, 2),
    "memory": (losses.no_memory, 12, 3),
    "crash": (kills.decoder_crash, 10, 1),
    "signal": (processes.signals, 21, 2),
    "race": (processes.two_processes, 20, 2),
    "read-only": (disks.read_only, 9, 3),
    "cost": (cost.cost, 180, 0),
}
