"""Training on a rented machine: sent, followed, stopped, resumed and brought back, with the real client."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from core.__main__ import main
from core.data.check import examine
from core.errors import BadInput
from core.events import Checked, EpochEnded, Event, Notice, RunEnded, RunResumed, RunStarted, drain, replayed
from core.model.hashes import check_hashes
from core.publish.hub import Hub as Client
from core.publish.jobs import job as jobs
from core.publish.jobs.__main__ import POLL, Mirror
from core.publish.jobs.bundle import Bundle
from core.publish.jobs.job import Job, is_under_way, request, send
from core.publish.jobs.offer import Rent
from core.publish.jobs.rented import train_rented
from core.recipe import Recipe
from core.runs.listing import runs_in
from core.runs.longer import create_longer
from core.runs.predictions import predictions_of
from core.runs.record import held
from core.runs.run import Run
from core.runs.start import start
from core.runs.stop_signals import FINISH, STOP, StopSignals
from tests.hub.fixtures import environment
from tests.hub.server import Hub


@pytest.fixture
def own_workspace(tmp_path: Path) -> Path:
    return tmp_path / "w"


@pytest.fixture
def train(recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path, own_workspace: Path) -> Callable[..., int]:
    """Trains the quick recipe on a rented machine with these arguments."""

    def run(*arguments: str) -> int:
        (tmp_path / "recipe.json").write_text(json.dumps(recipe_dict({"epochs": 1, "freeze_epochs": 0})))
        start = ["train", str(tmp_path / "recipe.json"), "--workspace", str(own_workspace), "--on", "hf-jobs"]
        return main([*start, *arguments])

    return run


def datasets(hub: Hub) -> list[str]:
    return [id for kind, id in hub.repos if kind == "dataset"]


def test_the_price_and_what_is_sent_are_said_and_without_consent_nothing_happens(
    signed_in: Hub, train: Callable[..., int], own_workspace: Path, capsys: pytest.CaptureFixture[str]
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
    assert not runs_in(own_workspace) and not signed_in.repos and not signed_in.jobs


@pytest.mark.parametrize(
    ("flavor", "remedy"), [("t5", "--flavor is one of a10g-largex4, cpu-basic, t4-small"), ("a10g-largex4", "4 GPUs")]
)
def test_a_machine_that_is_not_offered_or_would_be_wasted_is_refused(
    signed_in: Hub, train: Callable[..., int], flavor: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--flavor", flavor, "--yes") == 2
    assert remedy in capsys.readouterr().err and not signed_in.repos


def test_all_that_a_recipe_names_is_sent_and_a_run_finds_it_there(
    recipe_dict: Callable[..., dict[str, Any]], trained: Run, photos: Path, tmp_path: Path
) -> None:
    """Photos by a folder, their labels in a table beside them or elsewhere; and the model that is trained further."""
    for folder in (tmp_path / "mine", tmp_path / "tables"):
        folder.mkdir()
        names = sorted(path.name for path in photos.glob("*.jpg"))
        (folder / "labels.csv").write_text("".join(f"{name},{name[:3]}\n" for name in ("name", *names)))
    for name in names:
        shutil.copy(photos / name, tmp_path / "mine")
    run = Run(Path(shutil.copytree(trained.folder, tmp_path / "w" / "runs" / "parent")))
    run = create_longer(run, 1)
    run.write("events.jsonl", "")
    for table in (tmp_path / "mine", tmp_path / "tables"):
        recipe = Recipe.from_dict(
            recipe_dict(
                source={"name": "folder", "path": str(tmp_path / "mine")},
                labeller={"name": "csv", "path": str(table / "labels.csv")},
            )
        )
        bundle = Bundle(recipe, run.workspace)
        bundle.write(tmp_path / "sent.zip", run)
        there = tmp_path / f"there-{table.name}"
        with ZipFile(tmp_path / "sent.zip") as zip:
            zip.extractall(there)
        assert (there / "core" / "publish" / "jobs" / "__main__.py").is_file() and (
            there / "requirements.txt"
        ).is_file()
        moved = Run(there / "runs" / run.name).recipe
        assert Path(moved.source["path"]).is_relative_to(there) and Path(moved.labeller["path"]).is_file()
        found = drain(examine(moved, there))
        assert found.split.items and set(found.split.labels) == {"blu", "gre", "red"}
        assert (there / "runs" / "parent" / "model.safetensors").is_file()
    assert str(bundle).startswith("24 photos and 2 other files (")


def test_a_job_that_is_refused_leaves_nothing(
    signed_in: Hub, train: Callable[..., int], own_workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.fail("hardware-of-jobs", 404)
    signed_in.fail("run-job", 402)
    assert train("--yes") == 2
    said = capsys.readouterr()
    assert "its price is not known" in said.out and "credit" in said.err
    assert not datasets(signed_in) and not signed_in.jobs
    (run,) = runs_in(own_workspace)
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
    signed_in: Hub, train: Callable[..., int], own_workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.jobs.uv = "#!/bin/sh\necho 'error: no space for torch'; exit 3\n"
    assert train("--yes") == 2
    assert "The job ended as ERROR: no space for torch" in capsys.readouterr().err
    (run,) = runs_in(own_workspace)
    assert run.status == "failed" and "no space" in run.read("log.txt") and not datasets(signed_in)


def test_a_model_is_trained_further_on_a_rented_machine(
    signed_in: Hub, trained: Run, own_workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = Run(Path(shutil.copytree(trained.folder, own_workspace / "runs" / "parent")))
    longer = ["train-longer", "parent", "--workspace", str(own_workspace), "--epochs", "1", "--on", "hf-jobs"]
    assert main(longer) == 2 and "--yes" in capsys.readouterr().err
    assert [run.name for run in runs_in(own_workspace)] == ["parent"], "as nobody agreed"
    assert main([*longer, "--yes"]) == 0
    (run,) = (run for run in runs_in(own_workspace) if run.name != "parent")
    assert json.loads(run.read("parent.json")) == {"run": "parent"} and run.status == "completed"
    assert run.read("splits.json") == parent.read("splits.json") and run.recipe.training.epochs == 1
    assert not datasets(signed_in) and len(signed_in.jobs) == 1
    check_hashes(run.folder)


@pytest.fixture
def left_alone(signed_in: Hub, recipe_dict: Callable[..., dict[str, Any]], own_workspace: Path) -> Run:
    """A run whose job goes on, without a process here."""
    signed_in.jobs.uv = "#!/bin/sh\nsleep 1000\n"
    run, client = Run.create(Recipe.from_dict(recipe_dict()), own_workspace), Client()
    with held(run, StopSignals(run.folder)) as log:
        log.write(Notice("sending"))
        send(run, Bundle(run.recipe, own_workspace), Rent("t4-small", 1800), client.api, client.user())
    return run


def test_a_run_with_an_open_job_is_not_deleted_but_by_its_command(
    signed_in: Hub, left_alone: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for refused in (left_alone.delete, left_alone.stop, lambda: left_alone.move(left_alone.folder.with_name("gone"))):
        with pytest.raises(BadInput, match=r"has a job on a rented machine, .* `python -m core delete "):
            refused()
    signed_in.fail("cancel-job", 503, times=100)
    assert main(["delete", str(left_alone.folder)]) == 2
    assert left_alone.folder.exists() and datasets(signed_in) and signed_in.jobs["job1"].stage == "RUNNING"
    signed_in.forgive()
    signed_in.fail("delete", 503, times=100)
    assert main(["delete", str(left_alone.folder)]) == 2
    assert left_alone.folder.exists() and datasets(signed_in)
    signed_in.forgive()
    capsys.readouterr()
    assert main(["delete", str(left_alone.folder)]) == 0
    assert "The job is cancelled, and its private data set" in capsys.readouterr().out
    assert signed_in.jobs["job1"].stage == "CANCELED" and not datasets(signed_in) and not left_alone.folder.exists()


def test_an_app_that_was_closed_follows_the_job_again_and_stops_it(
    signed_in: Hub, left_alone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process of its own, with the login that `hf auth login` wrote: it inherits no token."""
    (tmp_path / "home").mkdir()
    for name, value in environment(signed_in, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match="Nobody is signed in"):
        start(left_alone)
    assert (left_alone.folder / "job.json").exists()
    (tmp_path / "home" / "token").write_text(signed_in.token)
    start(left_alone)
    assert left_alone.status == "running"
    left_alone.stop()
    drain(left_alone.follow())
    assert left_alone.status == "stopped" and signed_in.jobs["job1"].stage == "CANCELED"
    assert not datasets(signed_in) and not (left_alone.folder / "job.json").exists()
    assert signed_in.token not in left_alone.read("log.txt")


def test_requests_reach_the_training_there(signed_in: Hub, tmp_path: Path) -> None:
    client, run = Client(), Run(tmp_path / "w" / "runs" / "run")
    run.folder.mkdir(parents=True)
    client.api.create_repo("anna/presize-run", repo_type="dataset", private=True)
    mirror = Mirror(run, "anna/presize-run")
    mirror._asked -= POLL
    mirror.ask()
    assert not (run.folder / FINISH).exists()
    request(Job("anna", "anna/presize-run", False, 0), client.api, FINISH)
    mirror._asked -= POLL
    mirror.ask()
    assert (run.folder / FINISH).exists() and not (run.folder / STOP).exists()


def test_a_run_is_followed_again_after_a_crash_here_stopped_there_and_resumed_on_a_new_machine(
    signed_in: Hub,
    recipe_dict: Callable[..., dict[str, Any]],
    own_workspace: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "RECONNECT", 0.1)
    run = Run.create(Recipe.from_dict(recipe_dict({"epochs": 100, "freeze_epochs": 0})), own_workspace)
    signals, client = StopSignals(run.folder), Client()
    with held(run, signals) as log:  # a process that dies as soon as the job is there
        log.write(Notice("sending"))
        rent = Rent("t4-small", 1800, keep=True)
        send(run, Bundle(run.recipe, own_workspace), rent, client.api, client.user())
        log.write(Notice("waiting"))
    assert run.status == "interrupted" and is_under_way(run)

    def rented(rent: Rent | None, kind: type[Event], ask: Callable[[], None]) -> list[Event]:
        """Train it on a rented machine, asking for something at the first event of a kind."""
        events: list[Event] = []
        for event in train_rented(run, signals, client.api, client.user(), rent):
            assert run.status == "running" or isinstance(event, RunEnded)
            if isinstance(event, kind) and not any(isinstance(e, kind) for e in events):
                ask()
            events.append(event)
        return events

    signed_in.fail("logs", 503, times=2)
    followed = rented(None, EpochEnded, run.stop)
    assert isinstance(followed[0], Checked) and isinstance(followed[-1], RunEnded) and run.status == "stopped"
    assert run.has_model and list(run.folder.glob("checkpoint/*.safetensors"))
    assert run.events()[2:] == followed and len(signed_in.jobs) == 1 and not is_under_way(run)
    (kept,) = datasets(signed_in)

    ended = rented(Rent("cpu-basic", 1800), RunStarted, run.finish)
    assert isinstance(ended[-1], RunEnded) and run.status == "completed"
    (resumed,) = [event for event in ended if isinstance(event, RunResumed)]
    epochs = [event.epoch for event in replayed(run.events()) if isinstance(event, EpochEnded)]
    assert resumed.step > 0 and epochs == list(range(len(epochs))) and len(epochs) > 1
    assert datasets(signed_in) == [kept] and not (run.folder / "job.json").exists()
    check_hashes(run.folder)
    assert run.recipe.source["path"] == str(photos)
    assert all(item.parent == photos and item.exists() for item in predictions_of(run).items)

    job = signed_in.jobs["job2"]
    assert (job.spec["flavor"], job.spec["timeoutSeconds"]) == ("cpu-basic", 1800)
    assert job.spec["secrets"] == {"HF_TOKEN": signed_in.token}
    assert signed_in.sent().count(signed_in.token.encode()) == 2  # in the jobs' secrets, which the Hub does not tell
    read = [job.log, *(file.read_text(errors="replace") for file in run.folder.rglob("*") if file.is_file())]
    assert not [text for text in read if signed_in.token in text]
    assert {json.loads(call.body)["visibility"] for call in signed_in.named("create")} == {"private"}
