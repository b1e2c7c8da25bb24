"""A run whose process is elsewhere is shown as what is known of it; one that was killed says why, if that is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.__main__ import main
from core.errors import BadInput
from core.events import Event, Queued, RunEnded, StepEnded, to_line
from core.lock import ProcessLock
from core.recipe import Recipe
from core.runs import host
from core.runs.host import introduce
from core.runs.record import held
from core.runs.run import Run
from core.runs.start import start
from core.runs.stop_signals import StopSignals

STEP = StepEnded(1, 9, 0.5, 0.01)


@pytest.fixture
def run(tmp_path: Path, recipe_dict: Callable[..., dict[str, Any]]) -> Run:
    return Run.create(Recipe.from_dict(recipe_dict()), tmp_path)


def say(run: Run, event: Event, ago: float = 0.0) -> None:
    with (run.folder / "events.jsonl").open("a") as file:
        file.write(f"{to_line(event)}\n")
    os.utime(run.folder / "events.jsonl", (time.time() - ago, time.time() - ago))


def move(run: Run) -> None:
    """Let the process that introduced itself be one of another container."""
    document = json.loads(run.read("process.json"))
    run.write("process.json", json.dumps(document | {"place": "box boot pid:[1]", "host": "box"}))


@pytest.fixture
def killed(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """What counts kills for out of memory; the run's process was killed after its first step."""
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\nmax 7\noom 1\noom_kill 3\noom_group_kill 0\n")
    monkeypatch.setattr(host, "_counters", lambda: iter([tmp_path / "none", counter]))
    introduce(run.folder)
    (run.folder / "lock").write_text("\n999999999 1.0")
    say(run, STEP)
    yield counter


@pytest.mark.parametrize(("event", "status"), [(STEP, "running"), (Queued(1, "runs/other"), "queued")])
def test_a_run_elsewhere_is_alive_while_it_is_heard_of(run: Run, event: Event, status: str, capsys: Any) -> None:
    with held(run, StopSignals(run.folder)):
        move(run)  # though there is a process of that id here
        say(run, event)
        assert (run.process, run.elsewhere, run.status) == (None, "box", status)
        assert main(["runs", "--workspace", str(run.workspace)]) == 0
        assert capsys.readouterr().out.split() == [status, "on", "box", str(run.folder)]
        with pytest.raises(BadInput, match=f"is {status}"):
            run.delete()
        run.stop()
        assert (run.folder / "stop").exists(), "which it can be asked wherever it is"
        say(run, event, ago=200)
        assert (run.elsewhere, run.status) == ("", "interrupted")
        with pytest.raises(BadInput, match="already under way in another process"), held(run, StopSignals(run.folder)):
            pass
    say(run, RunEnded("completed"))
    assert (run.elsewhere, run.status) == ("", "completed"), "it let go of its lock"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"place": 3, "kills": "x", "counter": 7}'])
def test_a_damaged_introduction_says_nothing(run: Run, content: str) -> None:
    lock = ProcessLock(run.folder / "lock")
    assert lock.take()
    lock.announce()
    (run.folder / "process.json").write_text(content)
    say(run, STEP)
    assert run.status == "running"
    lock.release()
    assert run.status == "interrupted" and run.why_interrupted == ""


def test_a_run_killed_for_lack_of_memory_says_so(run: Run, killed: Path, capsys: Any) -> None:
    assert (run.status, run.why_interrupted) == ("interrupted", ""), "nobody was killed for that"
    killed.write_text("oom_kill 4\n")
    assert run.status == "interrupted" and "memory" in run.why_interrupted and "batch_size" in run.why_interrupted
    assert main(["follow", str(run.folder)]) == 0
    assert "out of memory" in capsys.readouterr().out
    killed.unlink()
    assert run.why_interrupted == "", "it cannot be known any more"


def test_a_run_of_another_machine_is_not_explained_by_this_one(run: Run, killed: Path) -> None:
    move(run)
    say(run, STEP, ago=200)
    killed.write_text("oom_kill 4\n")
    assert (run.status, run.why_interrupted) == ("interrupted", "")


def test_a_run_that_ended_is_not_explained(run: Run, killed: Path) -> None:
    killed.write_text("oom_kill 4\n")
    say(run, RunEnded("stopped"))
    assert run.why_interrupted == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_that_is_killed_before_it_began_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = subprocess.Popen

    def killed(*arguments: Any, **options: Any) -> Any:
        process = begin(*arguments, **options)
        process.kill()
        return process

    monkeypatch.setattr(subprocess, "Popen", killed)
    with pytest.raises(BadInput, match=f"'{run.name}' was killed, .*memory; lower training.batch_size"):
        start(run)


@pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="the kernel counts no kills")
def test_the_kernel_counts_kills(run: Run) -> None:
    introduce(run.folder)
    assert isinstance(json.loads(run.read("process.json"))["kills"], int)
