"""Disks that are full, and folders that may not be written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.events import RunEnded, StepEnded
from core.runs.checkpoint import Checkpoints
from core.runs.run import Run
from tests.faults.child import after_step, carry_out, die, save_at_each_step, save_once
from tests.faults.harness import Bench, Row, leftovers

SIZE = 64_000_000
NOBODY = 65534


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of 64 MB at `folder`; False where none may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(folder)]
    mounted = bool(shutil.which("mount")) and not subprocess.run(command, capture_output=True).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def filling(disk: Path, left: int) -> Callable[[], None]:
    """Fills the disk except for `left` bytes."""

    def fill() -> None:
        status = os.statvfs(disk)
        size = status.f_bavail * status.f_frsize - left
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
            while size > 0:
                size -= file.write(bytes(min(size, 1_000_000)))

    return fill


def disk_full(bench: Bench, count: int) -> Row:
    """Fill a small disk while a checkpoint is written, and while the log is; make room, and go on."""
    row = Row("disk full", "a tmpfs of 64 MB, filled during a checkpoint and during the log, half of the times each")
    with small_disk(bench.folder / "disk") as mounted:
        if not mounted:
            row.result = "skipped: a disk can only be mounted as root on Linux"
            return row
        for number in range(count):
            _fill_and_go_on(bench, row, log=bool(number % 2))
    row.result = f"the checkpoint before whole, one sentence; when there is room the same weights, {count} of {count}"
    return row


def _fill_and_go_on(bench: Bench, row: Row, log: bool) -> None:
    document = bench.document(epochs=12 if log else 0)  # so many events that they need new pages of the disk
    disk, step = bench.folder / "disk", bench.rng.randint(2, 6)
    bench.reference(document)
    run = bench.create(document, disk / "workspace")
    fault = filling(disk, 0 if log else 700_000)
    ended = carry_out(run, after_step(step, fault), save_once if log else save_at_each_step)
    row.injected += 1
    row.check(ended.sentence and "disk is full" in ended.said, f"it said {ended.said!r}")
    _, state, damaged = Checkpoints(run.folder).newest()
    row.check(bool(state) and not damaged, "no whole checkpoint was left")
    row.check(not leftovers(run), f"{leftovers(run)} left behind")
    end = run.last_event
    row.check(log or (isinstance(end, RunEnded) and end.status == "failed"), f"it ended with {end}")
    (disk / "filler").unlink()
    carry_out(run)
    if wrong := bench.differs(run, document):
        row.wrong.append(f"after room was made, {wrong}")
    shutil.rmtree(disk / "workspace")


def read_only(bench: Bench, count: int) -> Row:
    """Another user than root begins, or resumes, a run in a folder that it may not write."""
    row = Row("read-only run folder", "not as root; of a run that has not begun, of one to resume, of its checkpoints")
    for number in range(count):
        run = bench.create(workspace=bench.folder / f"read-only-{number}")
        if number % 3:
            carry_out(run, after_step(3, die), save_at_each_step)
        _give(run.workspace)
        closed = run.folder / "checkpoint" if number % 3 == 2 else run.folder
        closed.chmod(0o555)
        before = _content(run)
        ended = carry_out(run, None, _become_nobody)
        row.injected += 1
        row.check(ended.sentence and "could not be written" in ended.said, f"it said {ended.said!r}")
        steps = [e for e in run.events() if isinstance(e, StepEnded)]
        row.check(len(steps) <= (3 if number % 3 else 0), "it trained")
        row.check(_content(run) == before, "something in the folder is not as it was")
        closed.chmod(0o755)
        carry_out(run, None, _become_nobody)
        if wrong := bench.differs(run):
            row.wrong.append(f"when it may be written, {wrong}")
    row.result = f"refused before training, in one sentence, {count} of {count}; trains when it may be written"
    return row


def _give(folder: Path) -> None:
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


def _become_nobody() -> None:
    """The real user too: that is whom the system asks for in access(2)."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def _content(run: Run) -> dict[str, bytes]:
    """All but the lock, which forgets its dead holder."""
    files = [f for f in run.folder.rglob("*") if f.is_file() and f.name != "lock"]
    return {str(f.relative_to(run.folder)): f.read_bytes() for f in files}
