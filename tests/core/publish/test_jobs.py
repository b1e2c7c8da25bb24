"""Training on a rented machine: sent, followed, stopped, resumed and brought back, with the real client."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.__main__ import main
from core.events import EpochEnded, Event, Notice, RunEnded, RunResumed, replayed
from core.model.hashes import check_hashes
from core.publish.hub import Hub as Client
from core.publish.jobs import job as jobs
from core.publish.jobs.offer import Rent
from core.publish.jobs.rented import train_rented
from core.recipe import Recipe
from core.runs.predictions import predictions_of
from core.runs.run import Run, runs_in
from core.runs.stop_signals import StopSignals
from tests.hub.server import Hub

QUICK = {"epochs": 1, "freeze_epochs": 0}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "w"


@pytest.fixture
def train(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """Trains the quick recipe with these arguments."""
    monkeypatch.setattr(jobs, "RECONNECT", 0.1)

    def run(*arguments: str, **training: Any) -> int:
        (tmp_path / "recipe.json").write_text(json.dumps(recipe_dict({**QUICK, **training})))
        start = ["train", str(tmp_path / "recipe.json"), "--workspace", str(workspace), "--on", "hf-jobs"]
        return main([*start, *arguments])

    return run


def datasets(hub: Hub) -> list[str]:
    return [id for kind, id in hub.repos if kind == "dataset"]


def test_the_price_and_what_is_sent_are_said_and_without_consent_nothing_happens(
    signed_in: Hub, train: Callable[..., int], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--timeout", "90m") == 2
    said = capsys.readouterr()
    for part in (
        "t4-small (T4 with 16 GB",
        "$0.40 an hour, so at most $0.60, at most 1.5 h, paid by anna",
        "24 photos",
    ):
        assert part in said.out
    assert "private data set" in said.out and "--yes" in said.err
    assert not runs_in(workspace) and not signed_in.repos and not signed_in.jobs


@pytest.mark.parametrize(
    ("flavor", "remedy"), [("t5", "--flavor is one of a10g-largex4, cpu-basic, t4-small"), ("a10g-largex4", "4 GPUs")]
)
def test_a_machine_that_is_not_offered_or_would_be_wasted_is_refused(
    signed_in: Hub, train: Callable[..., int], flavor: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--flavor", flavor, "--yes") == 2
    assert remedy in capsys.readouterr().err and not signed_in.repos


def test_a_job_that_is_refused_leaves_nothing(
    signed_in: Hub, train: Callable[..., int], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.fail("hardware-of-jobs", 404)
    signed_in.fail("run-job", 402)
    assert train("--yes") == 2
    said = capsys.readouterr()
    assert "its price is not known" in said.out and "credit" in said.err
    assert not datasets(signed_in) and not signed_in.jobs
    (run,) = runs_in(workspace)
    assert not (run.folder / "job.json").exists() and not list(run.folder.glob(".*"))


def test_what_could_not_be_deleted_is_named(
    signed_in: Hub, train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.fail("run-job", 402)
    signed_in.fail("delete", 503, times=100)
    assert train("--yes") == 2
    (left,) = datasets(signed_in)
    assert f"The private data set {left} is left on the Hub" in capsys.readouterr().err


def test_a_job_that_fails_says_why_and_leaves_nothing(
    signed_in: Hub, train: Callable[..., int], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.jobs.uv = "#!/bin/sh\necho 'error: no space for torch'; exit 3\n"
    assert train("--yes") == 2
    assert "The job ended as ERROR: no space for torch" in capsys.readouterr().err
    (run,) = runs_in(workspace)
    assert run.status == "failed" and "no space" in run.read("log.txt") and not datasets(signed_in)


def test_a_run_is_trained_there_and_comes_back(
    signed_in: Hub, train: Callable[..., int], workspace: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.fail("logs", "drop", times=8)  # longer than the client itself tries
    assert train("--yes", "--flavor", "cpu-basic", "--timeout", "30m") == 0
    assert "accuracy" in capsys.readouterr().out
    (run,) = runs_in(workspace)
    assert run.status == "completed"
    check_hashes(run.folder)
    assert all(item.parent == photos and item.exists() for item in predictions_of(run).items)
    assert run.recipe.source["path"] == str(photos)
    events = run.events()
    assert sum(isinstance(event, EpochEnded) for event in events) == 1
    assert sum(isinstance(event, RunEnded) for event in events) == 1 and isinstance(events[-1], RunEnded)
    assert "jobs/anna/job1" in next(e.message for e in events if isinstance(e, Notice) and "waiting" in e.message)
    assert not datasets(signed_in) and not (run.folder / "job.json").exists()

    job = signed_in.jobs["job1"]
    assert job.spec["secrets"] == {"HF_TOKEN": signed_in.token}
    assert (job.spec["flavor"], job.spec["timeoutSeconds"]) == ("cpu-basic", 1800)
    (asked,) = signed_in.named("run-job")
    written = [job.log, json.dumps({**job.spec, "secrets": None})]
    written += [file.read_text(errors="replace") for file in run.folder.rglob("*") if file.is_file()]
    assert not [text for text in written if signed_in.token in text]
    assert signed_in.sent().count(signed_in.token.encode()) == asked.body.count(signed_in.token.encode()) == 1
    private = [json.loads(call.body)["visibility"] for call in signed_in.named("create")]
    assert private == ["private"]


def test_a_run_is_stopped_there_and_resumed_on_a_new_machine(
    signed_in: Hub, recipe_dict: Callable[..., dict[str, Any]], workspace: Path
) -> None:
    run = Run.create(Recipe.from_dict(recipe_dict({"epochs": 500, "freeze_epochs": 0})), workspace)

    def train(ask: Callable[[], None], keep: bool) -> list[Event]:
        """Train it on a rented machine, and ask for something when its first epoch has ended."""
        asked, hub = False, Client()
        events = []
        for event in train_rented(run, StopSignals(run.folder), hub.api, hub.user(), Rent("t4-small", 1800, keep)):
            events.append(event)
            assert run.status == "running" or isinstance(event, RunEnded)
            if isinstance(event, EpochEnded) and not asked:
                ask()
                asked = True
        return events

    stopped = train(run.stop, keep=True)
    assert isinstance(stopped[-1], RunEnded) and run.status == "stopped"
    assert run.has_model and len(list(run.folder.glob("checkpoint/*.safetensors"))) == 1
    (kept,) = datasets(signed_in)

    ended = train(run.finish, keep=False)
    assert isinstance(ended[-1], RunEnded) and run.status == "completed"
    (resumed,) = [event for event in ended if isinstance(event, RunResumed)]
    assert resumed.step > 0
    epochs = [event.epoch for event in replayed(run.events()) if isinstance(event, EpochEnded)]
    assert epochs == list(range(len(epochs))) and len(epochs) > 1
    assert datasets(signed_in) == [kept] and len(signed_in.jobs) == 2
