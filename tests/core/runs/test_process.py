"""A run has a process of its own: it outlives who began it, knows none of their secrets, and does as it is asked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from core.__main__ import main
from core.errors import BadInput
from core.events import (
    EpochEnded,
    FinishingEarly,
    LearningRateTried,
    RunEnded,
    RunResumed,
    RunStarted,
    StepEnded,
    replayed,
)
from core.recipe import Recipe
from core.runs.checkpoint import Checkpoints
from core.runs.listing import runs_in
from core.runs.run import Run
from core.runs.start import start
from core.runs.train import train

ROOT = Path(__file__).resolve().parents[3]
MakeRecipe = Callable[..., dict[str, Any]]
Capture = pytest.CaptureFixture[str]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
CANARY = "canary_5e1f0c"
SECRETS = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "OPENAI_API_KEY",
    "WANDB_APIKEY",
    "AWS_SECRET_ACCESS_KEY",
    "DB_PASSWORD",
    "KAGGLE_KEY",
    "my_password",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "NPM_AUTH",
)
STARTER = """
import os, sys
from pathlib import Path
from core.runs.run import Run
from core.runs.start import start
run = Run(Path(sys.argv[1]))
start(run)
print(run.process, flush=True)
sys.stdin.read()
"""


def until(true: Callable[[], bool], run: Run, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        log = run.folder / "log.txt"
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "it did not happen"
        time.sleep(0.02)


def steps(run: Run) -> int:
    return sum(isinstance(e, StepEnded) for e in run.events())


@pytest.fixture
def create(recipe_dict: MakeRecipe, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Makes runs; those that still have a process when the test ends lose it."""
    made: list[Run] = []

    def new(kind: str = "runs", **training: Any) -> Run:
        made.append(Run.create(Recipe.from_dict(recipe_dict(training, architecture=TINY)), tmp_path, kind))
        return made[-1]

    yield new
    for run in made:
        if (pid := run.process) not in (None, os.getpid()):
            psutil.Process(pid).kill()


@pytest.fixture
def fails(capsys: Capture, tmp_path: Path) -> Callable[..., str]:
    """Runs a command that must end with code 2 and one line of error; returns that line."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert main([*arguments, "--workspace", str(tmp_path)]) == 2
        out, err = capsys.readouterr()
        assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in out + err
        return err

    return run


@pytest.fixture
def completed(create: Callable[..., Run]) -> Run:
    run = create()
    list(train(run))
    return run


@pytest.mark.skipif(sys.platform == "win32", reason="sessions, SIGKILL and /proc are not there")
def test_a_run_outlives_its_starter_stops_goes_on_and_finishes_early(
    create: Callable[..., Run], capsys: Capture, tmp_path: Path
) -> None:
    run = create(epochs=300)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **dict.fromkeys(SECRETS, CANARY)}
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(run.folder)],
        env=env,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # as a terminal, or the server of the app, has one
        text=True,
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())  # `start` has returned,
    assert run.process == pid != starter.pid  # so it holds the lock already
    assert run.status in ("running", "queued")

    # in another session and another group, so that nothing which ends the starter's ends it
    assert os.getsid(pid) == pid != os.getsid(starter.pid)
    assert os.getpgid(pid) != os.getpgid(starter.pid)
    process = psutil.Process(pid)
    assert process.cmdline()[1:5] == ["-P", "-m", "core", "train"]
    if sys.platform == "linux":
        known = dict(pair.split("=", 1) for pair in Path(f"/proc/{pid}/environ").read_text().split("\0") if pair)
        assert CANARY not in "".join(known.values())
        assert not {*SECRETS} & known.keys()
        assert known["PATH"] == os.environ["PATH"] and known["OMP_NUM_THREADS"] == "1"  # what it needs it has
    os.killpg(starter.pid, signal.SIGHUP)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.communicate()
    before = steps(run)
    until(lambda: steps(run) > before + 5, run)
    assert run.process == pid

    # stop: the step is finished, everything is saved
    assert main(["stop", run.name, "--workspace", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{run.name} is stopped\n"
    assert run.status == "stopped" and run.process is None
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, run)
    events = run.events()
    made = steps(run)
    _, document, damaged = Checkpoints(run.folder).newest()
    lost = events[document["events"] :]
    assert not damaged and not any(isinstance(e, (StepEnded, EpochEnded)) for e in lost)
    for file in (f for f in run.folder.rglob("*") if f.is_file()):
        assert CANARY.encode() not in file.read_bytes(), file

    # start goes on from there
    start(run)
    assert run.process is not None and run.status in ("running", "queued")
    assert psutil.Process(run.process).cmdline()[1:5] == ["-P", "-m", "core", "resume"]
    with pytest.raises(BadInput, match="already under way"):
        list(train(run))
    until(lambda: steps(run) > made, run)
    resumed = next(e for e in run.events() if isinstance(e, RunResumed))
    assert resumed.kept == document["events"]
    last = next(e for e in reversed(events) if isinstance(e, StepEnded))
    assert resumed.step in (last.step, 0)  # 0 where the stop fell between two stages
    assert next(e for e in run.events()[len(events) :] if isinstance(e, StepEnded)).step == resumed.step + 1

    # finish: the rate falls to its end, a model is kept, and it counts as completed; somebody else looks on
    follower = threading.Thread(target=main, args=(["follow", str(run.folder)],))
    follower.start()
    assert main(["stop", "--finish", str(run.folder)]) == 0
    follower.join(60)
    out = capsys.readouterr().out
    assert out.count(f"{run.name} is completed\n") == 2  # of `stop` and of `follow`
    assert "finishing early: the learning rate is annealed over" in out and "resuming after step" in out
    assert run.status == "completed" and (run.folder / "model.safetensors").exists()
    done = replayed(run.events())
    (finishing,) = (e for e in done if isinstance(e, FinishingEarly))
    at = done.index(finishing)
    after = [e for e in done[at:] if isinstance(e, StepEnded)]
    assert len(after) == finishing.steps and after[0].step == finishing.step + 1
    assert after[-1].step < after[-1].total
    rates = [e.lr for e in after]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01 * max(e.lr for e in done if isinstance(e, StepEnded))
    assert isinstance(done[-1], RunEnded) and "accuracy" in done[-1].metrics
    assert sum(isinstance(e, EpochEnded) for e in done[done.index(after[-1]) :]) == 1  # it was validated at its end


def test_a_run_with_a_broken_recipe_is_refused_with_its_sentence(
    create: Callable[..., Run], forked_runs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create()
    document = json.loads(run.read("recipe.json"))
    document["labeler"] = document.pop("labeller")
    run.write("recipe.json", json.dumps(document))

    def sleep(_: float) -> None:
        """Looks again only when the process has said its last word, or `start` may see it while it holds the lock."""
        until(lambda: b"error: " in (run.folder / "log.txt").read_bytes(), run)

    monkeypatch.setattr("core.runs.start.time", SimpleNamespace(sleep=sleep))
    with pytest.raises(BadInput) as caught:
        start(run)
    sentence = str(caught.value)
    assert sentence.startswith("A recipe has no key 'labeler'; it has: ") and sentence.endswith(".")
    assert "\n" not in sentence and "error:" not in sentence
    assert run.process is None and run.status in ("created", "failed")
    if run.status == "failed":
        end = run.last_event
        assert isinstance(end, RunEnded) and end.error == sentence


def test_a_learning_rate_test_is_started_as_one(create: Callable[..., Run], forked_runs: None) -> None:
    run = create("lr_finds")
    start(run)
    *_, end = run.follow(pause=0.02)
    assert isinstance(end, RunEnded) and end.status == "completed"
    assert run.status == "completed"
    assert any(isinstance(e, LearningRateTried) for e in run.events())
    assert not (run.folder / "model.safetensors").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence_and_no_process(
    create: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create()
    (run.folder / "log.txt").mkdir()

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("core.runs.start.subprocess.Popen", forbidden)
    with pytest.raises(BadInput, match=r"log\.txt' could not be written: .+\.$"):
        start(run)
    assert run.status == "created"


# --- the command line -------------------------------------------------------------------------------------------------


def test_train_takes_the_folder_of_a_run_that_was_created(create: Callable[..., Run], capsys: Capture) -> None:
    run = create()
    assert main(["train", str(run.folder)]) == 0
    assert f"run: {run.folder}" in capsys.readouterr().out
    assert run.status == "completed"
    assert [r.folder for r in runs_in(run.workspace)] == [run.folder]  # it made no other


def test_train_refuses_a_run_that_has_begun_and_says_what_to_do(
    create: Callable[..., Run], completed: Run, fails: Callable[..., str]
) -> None:
    count = len(completed.events())
    assert f"'{completed.name}' is completed; `resume` continues it" in fails("train", str(completed.folder))
    assert len(completed.events()) == count
    run = create()
    events = train(run)
    next(events)
    assert f"'{run.name}' is running" in fails("train", str(run.folder))
    events.close()  # type: ignore[attr-defined]
    assert f"'{run.name}' is stopped; `resume` continues it" in fails("train", str(run.folder))


def test_a_learning_rate_test_and_a_training_are_not_taken_for_each_other(
    create: Callable[..., Run], fails: Callable[..., str]
) -> None:
    training, test = create(), create("lr_finds")
    assert f"'{training.name}' is a training" in fails("lr-find", str(training.folder))
    assert f"'{test.name}' is a run of the LR finder" in fails("train", str(test.folder))
    assert (training.status, test.status) == ("created", "created")


def test_train_does_not_change_the_recipe_of_a_folder(create: Callable[..., Run], fails: Callable[..., str]) -> None:
    run = create()
    assert "whose recipe is fixed" in fails("train", str(run.folder), "--set", "training.epochs=9")
    assert run.status == "created"


def test_resume_refuses_where_there_is_nothing_to_resume(
    create: Callable[..., Run], completed: Run, fails: Callable[..., str]
) -> None:
    content = (completed.folder / "events.jsonl").read_bytes()
    assert f"'{completed.name}' is completed, so there is nothing to resume" in fails("resume", completed.name)
    assert (completed.folder / "events.jsonl").read_bytes() == content
    run = create()
    events = train(run)
    next(events)
    assert f"'{run.name}' is running; `python -m core follow`" in fails("resume", run.name)
    events.close()  # type: ignore[attr-defined]
    assert "There is no run 'yesterday'" in fails("resume", "yesterday")


def test_resume_goes_on_with_a_stopped_run(create: Callable[..., Run], capsys: Capture) -> None:
    run = create()
    for event in train(run):
        if isinstance(event, StepEnded):
            run.stop()
    assert run.status == "stopped"
    assert main(["resume", str(run.folder)]) == 0
    assert "resuming after step 1 of 2, frozen" in capsys.readouterr().out
    assert run.status == "completed"
    assert [e.step for e in replayed(run.events()) if isinstance(e, StepEnded)] == [1, 2, 1, 2]


def test_runs_says_what_each_is_doing(create: Callable[..., Run], completed: Run, capsys: Capture) -> None:
    created, test = create(), create("lr_finds")
    events = train(created)
    next(events)
    capsys.readouterr()
    assert main(["runs", "--workspace", str(completed.workspace)]) == 0
    lines = [re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines()]
    end = completed.last_event
    assert isinstance(end, RunEnded)
    assert ["completed", f"accuracy {end.metrics['accuracy']:.4f}", str(completed.folder)] in lines
    assert ["running", str(created.folder)] in lines
    assert lines[-1] == ["created", str(test.folder)] and len(lines) == 3
    events.close()  # type: ignore[attr-defined]


def test_stop_of_a_run_without_a_process_says_so(completed: Run, fails: Callable[..., str]) -> None:
    for option in ([], ["--finish"], ["--keep"]):
        assert f"'{completed.name}' is completed" in fails("stop", *option, completed.name)


def test_follow_shows_a_run_that_is_over_and_ends(completed: Run, capsys: Capture) -> None:
    assert main(["follow", str(completed.folder)]) == 0
    out = capsys.readouterr().out
    assert "frozen, only the head is trained:" in out and "unfrozen:" in out
    assert out.endswith(f"{completed.name} is completed\n")


def test_delete_removes_a_run_and_refuses_one_under_way(
    create: Callable[..., Run], completed: Run, photos: Path, capsys: Capture, fails: Callable[..., str]
) -> None:
    before = {f.name: f.read_bytes() for f in photos.iterdir()}
    run = create()
    events = train(run)
    next(events)
    assert f"'{run.name}' is running; stop it before it is deleted" in fails("delete", run.name)
    assert run.folder.exists()
    events.close()  # type: ignore[attr-defined]
    capsys.readouterr()
    assert main(["delete", completed.name, "--workspace", str(completed.workspace)]) == 0
    assert capsys.readouterr().out == f"deleted {completed.folder}\n"
    assert [r.folder for r in runs_in(run.workspace)] == [run.folder]
    assert {f.name: f.read_bytes() for f in photos.iterdir()} == before
    assert "There is no run" in fails("delete", completed.name)


def test_lr_find_is_a_run_that_is_listed_followed_and_deleted(
    recipe_dict: MakeRecipe, tmp_path: Path, capsys: Capture, fails: Callable[..., str]
) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe_dict(architecture=TINY)))
    workspace = ["--workspace", str(tmp_path)]
    assert main(["lr-find", str(path), *workspace]) == 0
    (run,) = runs_in(tmp_path, "lr_finds")
    assert run.is_lr_find and run.status == "completed" and runs_in(tmp_path) == []
    assert (run.folder / "curve.png").stat().st_size > 0
    assert str(run.folder / "curve.png") in capsys.readouterr().out
    assert sum(isinstance(e, RunStarted) for e in run.events()) == 1

    assert main(["runs", *workspace]) == 0
    assert capsys.readouterr().out.split() == ["completed", str(run.folder)]
    assert main(["follow", run.name, *workspace]) == 0
    assert capsys.readouterr().out.endswith(f"{run.name} is completed\n")
    assert "nothing to resume" in fails("resume", run.name)
    assert main(["delete", run.name, *workspace]) == 0
    assert not run.folder.exists()
