"""One run of a workspace trains at a time; the others wait in the order in which they came, and the dead do not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.events import Checked, Event, Queued, RunEnded, RunStarted, StepEnded
from core.lock import ProcessLock
from core.recipe import Recipe
from core.runs.queue import Queue
from core.runs.run import Run
from core.runs.train import RunOptions, find_rate, train
from tests.warm import Forked

ROOT = Path(__file__).resolve().parents[3]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
WAIT = """
import sys
from pathlib import Path
from core.lock import ProcessLock
from core.runs.queue import Queue
run = Path(sys.argv[1])
lock = ProcessLock(run / "lock")
assert lock.take()
lock.announce()
queue = Queue(run)
place = next(queue.wait(), None)
print(f"at place {place.place}" if place else "has the turn", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look when they want to."""
    monkeypatch.setattr("core.runs.queue.PAUSE", 0.0)


class Waiter:
    """A run of this process, with its lock held as a run holds it, that asks for its turn."""

    def __init__(self, workspace: Path, name: str) -> None:
        self.folder = workspace / "runs" / name
        self.folder.mkdir(parents=True)
        self.lock = ProcessLock(self.folder / "lock")
        assert self.lock.take()
        self.lock.announce()
        self.queue = Queue(self.folder)
        self.places = self.queue.wait()

    def look(self) -> Queued | str | None:
        """What the next look at the queue says: a new place, None for the same one, or that it is its turn."""
        return next(self.places, "turn")

    def leave(self) -> None:
        self.queue.leave()
        self.lock.release()


@pytest.fixture
def waiter(tmp_path: Path) -> Iterator[Callable[[str], Waiter]]:
    made: list[Waiter] = []

    def make(name: str) -> Waiter:
        made.append(Waiter(tmp_path, name))
        return made[-1]

    yield make
    for one in made:
        one.leave()


def tickets(workspace: Path) -> list[str]:
    return [t.read_text() for t in sorted((workspace / "queue").glob("*.run"))]


def new_run(recipe_dict: Callable[..., dict[str, Any]], workspace: Path, kind: str = "runs") -> Run:
    return Run.create(Recipe.from_dict(recipe_dict(architecture=TINY)), workspace, kind)


def test_nobody_waits_where_nobody_trains(waiter: Callable[[str], Waiter], tmp_path: Path) -> None:
    assert waiter("only").look() == "turn"
    assert tickets(tmp_path) == ["runs/only"]


def test_three_that_wait_come_in_the_order_in_which_they_came(waiter: Callable[[str], Waiter], tmp_path: Path) -> None:
    first = waiter("z-first")
    assert first.look() == "turn"
    # the names are in no order, so that only the time of coming can be
    second, third, fourth = (waiter(name) for name in ("m-second", "a-third", "k-fourth"))
    assert second.look() == Queued(1, "runs/z-first")
    assert third.look() == Queued(2, "runs/z-first")
    assert fourth.look() == Queued(3, "runs/z-first")
    for one in (fourth, third, second):  # whoever looks first, and nothing is said twice
        assert one.look() is None

    first.leave()
    assert fourth.look() == Queued(2, "runs/m-second")
    assert third.look() == Queued(1, "runs/m-second")
    assert second.look() == "turn"
    assert third.look() is None

    second.leave()
    assert fourth.look() == Queued(1, "runs/a-third")
    assert third.look() == "turn"
    late = waiter("b-late")
    assert late.look() == Queued(2, "runs/a-third")

    third.leave()
    assert late.look() == Queued(1, "runs/k-fourth")
    assert fourth.look() == "turn"
    fourth.leave()
    assert late.look() == "turn"
    late.leave()
    assert tickets(tmp_path) == []


def test_one_that_gives_up_lets_those_behind_it_move_up(waiter: Callable[[str], Waiter], tmp_path: Path) -> None:
    one, two, three = (waiter(name) for name in ("one", "two", "three"))
    assert one.look() == "turn"
    assert two.look() == Queued(1, "runs/one")
    assert three.look() == Queued(2, "runs/one")
    two.leave()
    assert three.look() == Queued(1, "runs/one")
    assert tickets(tmp_path) == ["runs/one", "runs/three"]


def test_the_ticket_of_an_earlier_life_is_not_waited_for(waiter: Callable[[str], Waiter], tmp_path: Path) -> None:
    """A run that was killed while it waited, and is resumed, finds its old ticket before its new one."""
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue" / f"{5:020d}.run").write_text("runs/again")
    assert waiter("again").look() == "turn"
    assert tickets(tmp_path) == ["runs/again"]


def test_unreadable_and_orphaned_tickets_are_nobodys(waiter: Callable[[str], Waiter], tmp_path: Path) -> None:
    queue = tmp_path / "queue"
    queue.mkdir()
    for number, content in enumerate((b"", b"\xff\xfe", b"runs/was-deleted")):
        (queue / f"{number:020d}.run").write_bytes(content)
    assert waiter("only").look() == "turn"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_the_dead_do_not_count(waiter: Callable[[str], Waiter], tmp_path: Path) -> None:
    """One process is killed while it has the turn, another while it waits; nobody tidies up after them."""
    processes = []
    for name, expected in (("trains", "has the turn"), ("waits", "at place 1")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        process = subprocess.Popen(
            [sys.executable, "-c", WAIT, str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == expected
    mine = waiter("mine")
    try:
        assert mine.look() == Queued(2, "runs/trains")
        processes[1].kill()
        processes[1].communicate()
        assert mine.look() == Queued(1, "runs/trains")
        assert mine.look() is None
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert mine.look() == "turn"


def test_a_run_that_waits_is_queued_and_goes_on_by_itself(
    recipe_dict: Callable[..., dict[str, Any]], waiter: Callable[[str], Waiter], tmp_path: Path
) -> None:
    other = waiter("other")
    assert other.look() == "turn"
    run = new_run(recipe_dict, tmp_path)
    events = train(run)
    assert next(events) == Queued(1, "runs/other")
    assert run.status == "queued" and run.process == os.getpid()
    other.leave()
    assert isinstance(next(events), Checked)
    assert run.status == "running"
    *_, end = events
    assert isinstance(end, RunEnded) and run.status == "completed"
    assert tickets(tmp_path) == []


@pytest.mark.parametrize(("kind", "carry_out"), [("runs", train), ("lr_finds", find_rate)])
def test_a_stop_while_queued_ends_as_stopped(
    kind: str,
    carry_out: Callable[[Run], Iterator[Event]],
    recipe_dict: Callable[..., dict[str, Any]],
    waiter: Callable[[str], Waiter],
    tmp_path: Path,
) -> None:
    other = waiter("other")
    assert other.look() == "turn"
    run = new_run(recipe_dict, tmp_path, kind)
    events = carry_out(run)
    assert next(events) == Queued(1, "runs/other")
    run.stop()
    (end,) = events
    assert isinstance(end, RunEnded) and end.status == "stopped"
    assert run.status == "stopped"
    assert tickets(tmp_path) == ["runs/other"]
    # and later it can still be trained from its beginning
    other.leave()
    *_, end = carry_out(run)
    assert isinstance(end, RunEnded) and end.status == "completed"


def test_a_run_that_need_not_queue_does_not_wait(
    recipe_dict: Callable[..., dict[str, Any]], waiter: Callable[[str], Waiter], tmp_path: Path
) -> None:
    other, patient = waiter("other"), waiter("patient")
    assert other.look() == "turn"
    run = new_run(recipe_dict, tmp_path)
    events = list(train(run, options=RunOptions(queue=False)))
    assert isinstance(events[0], Checked)
    assert not any(isinstance(e, Queued) for e in events)
    assert run.status == "completed"
    # nor did it take the turn of those who do
    assert patient.look() == Queued(1, "runs/other")
    assert tickets(tmp_path) == ["runs/other", "runs/patient"]


def test_a_run_that_need_not_queue_does_not_hold_up_others_by_an_old_ticket(
    recipe_dict: Callable[..., dict[str, Any]], waiter: Callable[[str], Waiter], tmp_path: Path
) -> None:
    """It was killed while it waited, and goes on without waiting; nobody trains in the queue's turn."""
    run = new_run(recipe_dict, tmp_path)
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue" / f"{5:020d}.run").write_text(f"runs/{run.name}")
    events = train(run, options=RunOptions(queue=False))
    next(events)
    found = waiter("other").look()
    events.close()  # type: ignore[attr-defined]
    assert found == "turn"


def test_runs_of_different_workspaces_do_not_wait_for_each_other(
    recipe_dict: Callable[..., dict[str, Any]], waiter: Callable[[str], Waiter], tmp_path: Path
) -> None:
    assert waiter("other").look() == "turn"
    events = train(new_run(recipe_dict, tmp_path / "elsewhere"))
    assert isinstance(next(events), Checked)
    events.close()  # type: ignore[attr-defined]


def test_of_two_processes_the_second_waits_and_then_trains(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    begun: list[Forked] = []

    def begin(run: Run) -> Forked:
        with said(run).open("wb") as output:
            begun.append(Forked([sys.executable, "-m", "core", "train", str(run.folder)], os.environ, stdout=output))
        return begun[-1]

    def said(run: Run) -> Path:
        return tmp_path / f"{run.name}.txt"

    def until(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not true():
            if time.monotonic() > deadline or any(p.poll() is not None for p in begun):
                for process in begun:
                    process.kill()
                raise AssertionError([said(run).read_text() for run in (first, second)])
            time.sleep(0.02)

    long = recipe_dict({"epochs": 1000}, architecture=TINY)
    first, second = Run.create(Recipe.from_dict(long), tmp_path), new_run(recipe_dict, tmp_path)
    trains = begin(first)
    until(lambda: tickets(tmp_path) == [f"runs/{first.name}"])
    waits = begin(second)
    until(lambda: second.status == "queued")
    assert second.last_event == Queued(1, f"runs/{first.name}")
    assert (first.status, first.process, second.process) == ("running", trains.pid, waits.pid)
    made = len(first.events())
    until(lambda: any(isinstance(e, StepEnded) for e in first.events()[made:]))  # it is not disturbed
    assert not any(isinstance(e, RunStarted) for e in second.events())

    first.stop()
    trains.wait(120)
    assert first.status == "stopped", said(first).read_text()
    assert waits.wait(120) == 0, said(second).read_text()
    assert f"waiting for runs/{first.name}, at place 1 of the queue" in said(second).read_text()
    assert second.status == "completed"
    assert sum(isinstance(e, RunStarted) for e in second.events()) == 1
    assert tickets(tmp_path) == []
