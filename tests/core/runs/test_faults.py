"""The short version of `python -m tests.faults`: every fault of its table a few times, and no run is lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

if os.name != "posix":
    pytest.skip("faults are injected into forks of a process", allow_module_level=True)

from tests.faults import bits, disks, kills, losses, processes
from tests.faults.harness import Bench, Row


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Not in pytest's own folder, which other users may not enter; a row is carried out as another user."""
    if torch.cuda.is_available():
        pytest.skip("a fork of a process that has used a GPU cannot train; run `python -m tests.faults`")
    with TemporaryDirectory(prefix="presize-faults-") as folder:
        os.chmod(folder, 0o755)
        yield Bench(Path(folder), small=True)


@pytest.mark.parametrize(
    ("inject", "count"),
    [
        (kills.random_moments, 4),
        (kills.every_step, 1),
        (kills.with_workers, 1),
        (disks.disk_full, 2),
        (bits.in_checkpoints, 20),
        (bits.in_models, 12),
        (losses.photo_lost, 2),
        (losses.not_a_number, 2),
        (losses.no_memory, 3),
        (kills.decoder_crash, 1),
        pytest.param(processes.signals, 1, marks=pytest.mark.slow),
        (processes.two_processes, 2),
        pytest.param(disks.read_only, 3, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_no_run_is_lost(inject: Callable[[Bench, int], Row], count: int, bench: Bench) -> None:
    row = inject(bench, count)
    assert not row.wrong, row.wrong
    if not row.injected:
        pytest.skip(row.result)
