"""A lock is held by one process, freed by its death whatever it died of, and never touched by those who only look."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import core.lock
from core.errors import BadInput
from core.lock import ProcessLock, holder

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from core.lock import ProcessLock
lock = ProcessLock(Path(sys.argv[1]))
taken = lock.take()
if taken and "silent" not in sys.argv:
    lock.announce()
print("taken" if taken else "refused", flush=True)
sys.stdin.read()
lock.release()
"""
Taker = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def take_elsewhere() -> Iterator[Taker]:
    """Takes a lock in another process, which holds it until its standard input is closed; says how that went."""
    begun: list[subprocess.Popen[str]] = []

    def take(path: Path, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path), *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield take
    for process in begun:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_one_of_two_processes_gets_it_and_is_seen_by_the_other(tmp_path: Path, take_elsewhere: Taker) -> None:
    path = tmp_path / "lock"
    first = take_elsewhere(path)
    assert said(first) == "taken"
    second = take_elsewhere(path)
    assert said(second) == "refused"
    assert not ProcessLock(path).take()
    assert holder(path) == first.pid
    first.communicate()  # closes its standard input, at which it lets go
    assert holder(path) is None
    third = ProcessLock(path)
    assert third.take()
    third.release()


def test_a_taker_that_loses_leaves_the_line_of_the_holder(tmp_path: Path, take_elsewhere: Taker) -> None:
    path = tmp_path / "lock"
    process = take_elsewhere(path)
    assert said(process) == "taken"
    line = path.read_bytes()
    loser = ProcessLock(path)
    for _ in range(3):
        assert not loser.take()
        loser.release()  # as a `finally` does, whoever holds it
    assert path.read_bytes() == line
    assert line.split()[0] == str(process.pid).encode()
    assert holder(path) == process.pid


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    one, other = ProcessLock(tmp_path / "lock"), ProcessLock(tmp_path / "lock")
    assert one.take() and not other.take()
    other.release()
    assert not other.take()
    one.release()
    assert other.take()
    other.release()


def test_a_holder_that_has_not_said_who_it_is_is_nobody_but_holds_it(tmp_path: Path, take_elsewhere: Taker) -> None:
    process = take_elsewhere(tmp_path / "lock", "silent")
    assert said(process) == "taken"
    assert holder(tmp_path / "lock") is None
    assert not ProcessLock(tmp_path / "lock").take()


@pytest.mark.skipif(sys.platform == "win32", reason="there are neither SIGKILL nor zombies")
def test_it_is_free_after_sigkill_and_a_zombie_is_nobody(tmp_path: Path, take_elsewhere: Taker) -> None:
    path = tmp_path / "lock"
    process = take_elsewhere(path)
    assert said(process) == "taken" and holder(path) == process.pid
    process.kill()
    # nobody waits for it, so its id and its start time stay in the table of processes, and its line in the file
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert path.read_bytes().split()[0] == str(process.pid).encode()
    assert holder(path) is None
    lock = ProcessLock(path)
    assert lock.take()
    lock.release()
    process.wait()
    assert holder(path) is None


def test_a_recycled_process_id_with_another_start_is_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = ProcessLock(path)
    assert lock.take()
    lock.announce()
    number, started = path.read_bytes().split()
    lock.release()
    for seconds, found in ((0.0, os.getpid()), (0.1, os.getpid()), (-60.0, None), (60.0, None)):
        path.write_bytes(b"\n%s %r" % (number, float(started) + seconds))
        assert holder(path) == found, f"{seconds} seconds off"


@pytest.mark.parametrize("content", [b"", b"\n", b"\n17", b"\nabc 1.0", b"\n-1 1.0", b"\n\xff\xfe 1", b"\n1 2 3"])
def test_a_file_that_says_nothing_readable_is_nobodys(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(content)
    assert holder(tmp_path / "lock") is None


def test_no_process_of_an_id_is_nobody(tmp_path: Path, take_elsewhere: Taker) -> None:
    process = take_elsewhere(tmp_path / "other")
    process.communicate()
    (tmp_path / "lock").write_bytes(f"\n{process.pid} {time.time()}".encode())
    assert holder(tmp_path / "lock") is None


def test_looking_never_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread looks as fast as it can; every single take beside it must succeed."""
    path, over, seen = tmp_path / "lock", threading.Event(), set[int | None]()

    def look() -> None:
        while not over.is_set():
            seen.add(holder(path))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        lock = ProcessLock(path)
        for _ in range(300):
            assert lock.take()
            lock.announce()
            lock.release()
        assert lock.take()
        lock.announce()
        until(lambda: os.getpid() in seen)
    finally:
        over.set()
        looker.join()
    line = path.read_bytes()

    def forbidden(*_: object, **__: object) -> bool:
        raise AssertionError("who only looked tried to take it")

    monkeypatch.setattr(core.lock, "lock_descriptor", forbidden)
    assert holder(path) == os.getpid()
    assert path.read_bytes() == line
    lock.release()


def test_looking_makes_no_file(tmp_path: Path) -> None:
    assert holder(tmp_path / "lock") is None
    assert holder(tmp_path / "nowhere" / "lock") is None
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"could not be written: .+\.$"):
        ProcessLock(tmp_path / "file" / "lock").take()
    (tmp_path / "lock").mkdir()
    with pytest.raises(BadInput, match=r"could not be written: .+\.$"):
        ProcessLock(tmp_path / "lock").take()


def test_letting_go_of_what_is_not_held_does_nothing(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "lock")
    lock.release()
    assert lock.take()
    lock.release()
    lock.release()
    assert (tmp_path / "lock").read_bytes() == b""
