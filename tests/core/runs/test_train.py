"""A recipe becomes a run folder: everything in it, an ending for every beginning, and one sentence where it fails."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.errors import BadInput
from core.events import (
    Checked,
    EpochEnded,
    Event,
    FinishingEarly,
    LearningRateTried,
    Notice,
    RunEnded,
    RunStarted,
    StageStarted,
    StepEnded,
)
from core.model.folder import load_model
from core.recipe import Recipe
from core.runs.record import record
from core.runs.run import Run
from core.runs.stop_signals import StopSignals
from core.runs.train import find_rate, train
from core.training.metrics import wilson_interval

ROOT = Path(__file__).resolve().parents[3]
MakeRecipe = Callable[..., dict[str, Any]]
FILES = {
    "model.safetensors",
    "predictions.safetensors",
    "config.json",
    "recipe.json",
    "classes.json",
    "splits.json",
    "photos.json",
    "corrected.json",
    "events.jsonl",
    "environment.json",
    "process.json",
    "hashes.json",
    "README.md",
    "confusion.png",
    "curves.png",
    "lock",
    "checkpoint",
}
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}


def without_seconds(event: Event) -> Event:
    """An end without how long it took."""
    assert isinstance(event, RunEnded) and event.seconds >= event.saving >= 0 and event.memory >= 0
    return replace(event, seconds=0.0, saving=0.0, memory=0.0)


def run_all(document: dict[str, Any], workspace: Path) -> tuple[Run, list[Event]]:
    run = Run.create(Recipe.from_dict(document), workspace)
    return run, list(train(run))


def test_it_finishes_early_when_its_time_is_over(
    recipe_dict: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(Recipe.from_dict(recipe_dict({"epochs": 50}, architecture=TINY)), tmp_path)
    events: list[Event] = []  # each step takes a second
    clock = SimpleNamespace(monotonic=lambda: float(sum(isinstance(e, StepEnded) for e in events)))
    monkeypatch.setattr("core.runs.stop_signals.time", clock)
    for event in train(run, StopSignals(run.folder, seconds=4)):
        events.append(event)
    assert sum(isinstance(e, FinishingEarly) for e in events) == 1
    assert isinstance(events[-1], RunEnded) and events[-1].status == "completed" and run.has_model
    assert len([e for e in events if isinstance(e, StepEnded)]) < 100


def test_it_completes_with_the_best_model_when_that_is_to_be_kept(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    run = Run.create(Recipe.from_dict(recipe_dict({"epochs": 50}, architecture=TINY)), tmp_path)
    events = []
    for event in train(run):
        events.append(event)
        if isinstance(event, StepEnded) and len(events) < 10:  # there is no model yet
            run.keep()
    assert isinstance(end := events[-1], RunEnded) and end.status == run.status == "completed" and run.has_model
    assert sum(isinstance(e, EpochEnded) for e in events) == 1 and "low" in end.metrics
    (run.folder / "model.safetensors").unlink()
    restored = list(train(run))
    assert not any(isinstance(e, StepEnded) for e in restored), "its checkpoint has nothing left to train"
    assert run.status == "completed" and (run.folder / "model.safetensors").exists()


def test_a_finished_run_has_its_files(trained: Run) -> None:
    assert {f.name for f in trained.folder.iterdir()} == FILES
    (checkpoint,) = (trained.folder / "checkpoint").iterdir()
    assert hashlib.sha256(checkpoint.read_bytes()).hexdigest().startswith(checkpoint.stem.split("-")[1])
    assert (trained.folder / "lock").read_bytes() == b"", "nobody holds it"
    assert json.loads((trained.folder / "classes.json").read_text()) == ["blue", "green", "red"]
    hashes = json.loads((trained.folder / "hashes.json").read_text())
    for name, expected in hashes.items():
        assert hashlib.sha256((trained.folder / name).read_bytes()).hexdigest() == expected
    assert "model.safetensors" in hashes


def test_the_events_parse_and_end_with_the_end(trained: Run) -> None:
    lines = (trained.folder / "events.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["event"] for line in lines]
    assert kinds[0] == "Checked" and kinds[-1] == "RunEnded"
    assert kinds.count("RunEnded") == 1
    events = trained.events()
    end = events[-1]
    assert isinstance(end, RunEnded) and end.status == "completed" and not end.error
    stages = [e for e in events if isinstance(e, StageStarted)]
    assert [(s.name, s.epochs) for s in stages] == [("features", 1), ("frozen", 1), ("unfrozen", 1)]
    assert sum(isinstance(e, EpochEnded) for e in events) == 2
    (start,) = (e for e in events if isinstance(e, RunStarted))
    assert (start.architecture, start.classes, start.train, start.valid) == ("efficientnet_lite0", 3, 20, 4)


def test_the_split_is_every_photo_once_and_relative(trained: Run, photos: Path) -> None:
    splits = json.loads((trained.folder / "splits.json").read_text())
    assert sorted(splits["train"] + splits["valid"]) == sorted(f.name for f in photos.iterdir())
    assert len(splits["valid"]) == 4


def test_the_recipe_in_the_folder_is_the_recipe(trained: Run, recipe_dict: MakeRecipe) -> None:
    assert trained.recipe == Recipe.from_dict(recipe_dict())


def test_the_end_repeats_what_the_model_scores(trained: Run, photos: Path) -> None:
    end = trained.events()[-1]
    assert isinstance(end, RunEnded)
    model = load_model(trained.folder)
    names = json.loads((trained.folder / "splits.json").read_text())["valid"]
    right = sum(model.predict(photos / name)[0] == name.split("_")[0] for name in names)
    assert end.metrics["accuracy"] == pytest.approx(right / 4)
    assert (end.metrics["low"], end.metrics["high"]) == pytest.approx(wilson_interval(right / 4, 4))
    assert end.metrics["error_rate"] == pytest.approx(1 - right / 4)


def test_the_environment_lists_versions_never_variables(
    recipe_dict: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary_8d1f")
    run, _ = run_all(recipe_dict(architecture=TINY), tmp_path)
    environment = json.loads((run.folder / "environment.json").read_text())
    assert torch.__version__.startswith(environment["torch"])
    files = [file for file in run.folder.rglob("*") if file.is_file()]
    assert any(file.parent.name == "checkpoint" for file in files)
    for file in files:
        assert b"hf_canary_8d1f" not in file.read_bytes(), file.name


def test_a_bad_file_is_left_out_and_said(recipe_dict: MakeRecipe, photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / "red_99.jpg").write_bytes(b"no photo")
    before = {f.name: f.read_bytes() for f in folder.iterdir()}
    recipe = recipe_dict(architecture=TINY, source={"name": "folder", "path": str(folder)})
    run, events = run_all(recipe, tmp_path / "w")
    assert any(isinstance(e, Notice) and e.message.startswith("1 file is left out") for e in events)
    assert "red_99" not in (run.folder / "splits.json").read_text()
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == before


def test_the_second_check_decodes_nothing(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    _, first = run_all(recipe_dict(architecture=TINY), tmp_path)
    _, second = run_all(recipe_dict(architecture=TINY), tmp_path)
    assert next(e for e in first if isinstance(e, Checked)) == Checked(0, 24)
    assert [e for e in second if isinstance(e, Checked)] == [Checked(24, 24)]


def failed(document: dict[str, Any], workspace: Path) -> tuple[Run, str]:
    """The run that failed and the sentence it ended with, which the user saw too."""
    run = Run.create(Recipe.from_dict(document), workspace)
    with pytest.raises(BadInput) as caught:
        list(train(run))
    end = run.events()[-1]
    assert isinstance(end, RunEnded) and end.status == "failed"
    assert end.error == str(caught.value)
    assert "\n" not in end.error and end.error.endswith(".") and not end.error.endswith("..")
    assert not (run.folder / "model.safetensors").exists()
    return run, end.error


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labeller": {"name": "regex", "pattern": r"([a-z])[a-z]+\.png$"}}, "None of the 24 photos"),
        ({"labeller": {"name": "regex", "pattern": r"\d"}}, "no group"),
        ({"labeller": {"name": "regex", "pattern": r".+(\.)jpg$"}}, "only one class"),
        ({"source": {"name": "folder", "path": "/no/such/folder"}}, "no folder"),
        ({"item_tfms": [], "batch_tfms": []}, "one size"),
        ({"architecture": {"name": "timm", "model": "resnet_34"}}, "timm has no model 'resnet_34'"),
    ],
)
def test_a_run_that_fails_says_so_in_one_sentence(
    change: dict[str, Any], sentence: str, recipe_dict: MakeRecipe, tmp_path: Path
) -> None:
    _, error = failed(recipe_dict(**change), tmp_path)
    assert sentence in error


def test_an_error_of_ours_is_recorded_too(
    recipe_dict: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("core.runs.plan.learner_of", broken)
    run = Run.create(Recipe.from_dict(recipe_dict()), tmp_path)
    with pytest.raises(ZeroDivisionError):
        list(train(run))
    assert without_seconds(run.events()[-1]) == RunEnded("failed", "ZeroDivisionError: a bug")


def test_a_run_whose_reader_goes_is_stopped(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    run = Run.create(Recipe.from_dict(recipe_dict(architecture=TINY)), tmp_path)
    events = train(run)
    for event in events:
        if isinstance(event, StageStarted):
            break
    events.close()  # type: ignore[attr-defined]
    assert without_seconds(run.events()[-1]) == RunEnded("stopped")


def test_two_runs_in_one_second_get_two_folders(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    recipe = Recipe.from_dict(recipe_dict())
    folders = [Run.create(recipe, tmp_path).folder for _ in range(5)]
    assert len(set(folders)) == 5
    assert all(f.parent == tmp_path / "runs" and "efficientnet_lite0" in f.name for f in folders)
    assert all((f / "recipe.json").is_file() for f in folders)


def test_a_run_is_found_by_name_and_by_path(trained: Run, workspace: Path, tmp_path: Path) -> None:
    assert Run.find(trained.folder.name, workspace).folder == trained.folder
    assert Run.find(str(trained.folder), tmp_path).folder == trained.folder
    with pytest.raises(BadInput, match=trained.folder.name):
        Run.find("yesterday", workspace)
    with pytest.raises(BadInput, match="has no runs"):
        Run.find("yesterday", tmp_path)


def test_the_sample_source_trains_where_there_is_nothing(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    recipe = recipe_dict(
        source={"name": "sample", "count": 4}, item_tfms=[{"name": "resize", "size": 64}], architecture=TINY
    )
    run, events = run_all(recipe, tmp_path)
    assert isinstance(events[-1], RunEnded) and events[-1].status == "completed"
    assert load_model(run.folder).vocab == ["balloon", "boat", "fish", "house", "mushroom"]


def test_a_learning_rate_test_is_a_run_of_its_own(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    run = Run.create(Recipe.from_dict(recipe_dict(architecture=TINY)), tmp_path, "lr_finds")
    events = list(find_rate(run))
    assert run.folder.parent == tmp_path / "lr_finds"
    assert sum(isinstance(e, LearningRateTried) for e in events) > 10
    assert without_seconds(run.events()[-1]) == RunEnded("completed")
    assert not (run.folder / "model.safetensors").exists()


def no_leftovers(folder: Path) -> None:
    """No temporary file, and no checkpoint without all of its bytes."""
    assert [f.name for f in folder.rglob(".*")] == []
    for file in (folder / "checkpoint").iterdir():
        assert hashlib.sha256(file.read_bytes()).hexdigest().startswith(file.stem.split("-")[1])


def test_a_full_disk_is_one_sentence_and_no_half_written_file(
    recipe_dict: MakeRecipe, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("4m")  # efficientnet_lite0 takes 13
    run, error = failed(recipe_dict(), disk)
    assert "disk is full" in error and re.search(r"'\d+-\w+\.safetensors' could not be written", error)
    assert str(run.folder / "checkpoint") in error
    no_leftovers(run.folder)


def test_a_full_disk_before_the_run_begins(recipe_dict: MakeRecipe, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("128k")
    with open(disk / "filler", "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
    with pytest.raises(BadInput, match=r"disk is full|cannot be written"):
        list(train(Run.create(Recipe.from_dict(recipe_dict()), disk)))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(
    ("temporary", "named"), [(".model.safetensors.*", "'model.safetensors'"), ("checkpoint/.*", ".safetensors'")]
)
def test_a_disk_that_fills_while_weights_are_saved(
    number: int, temporary: str, named: str, recipe_dict: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same on every system, by an fsync that fails once the weights are there."""
    real = os.fsync

    def fsync(handle: int) -> None:
        status = os.fstat(handle)
        if any(os.path.samestat(status, file.stat()) for file in tmp_path.glob(f"runs/*/{temporary}")):
            assert status.st_size > 1_000_000
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    run, error = failed(recipe_dict(architecture=TINY), tmp_path)
    assert "disk is full" in error and named in error
    no_leftovers(run.folder)
    # what was learnt can be had once there is room, unless it is the checkpoint itself that found none
    assert any((run.folder / "checkpoint").iterdir()) == ("model" in temporary)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that nobody may write to; as root, by being somebody else for a while."""
    if os.name != "posix":
        pytest.skip("permissions are those of POSIX")
    folder = Path(tempfile.mkdtemp(prefix="presize-read-only-"))
    folder.chmod(0o555)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if was_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_workspace_that_cannot_be_written(recipe_dict: MakeRecipe, read_only: Path) -> None:
    recipe = Recipe.from_dict(recipe_dict())
    with pytest.raises(BadInput, match="could not be written: Permission denied") as caught:
        Run.create(recipe, read_only)
    assert str(read_only) in str(caught.value)


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_nothing_is_written_after_the_end(recipe_dict: MakeRecipe, tmp_path: Path, status: Any) -> None:
    run = Run.create(Recipe.from_dict(recipe_dict()), tmp_path)

    def carry_out(*events: Event) -> Generator[Event, None, None]:
        return record(run, StopSignals(run.folder), lambda log: (e for e in events))

    recorded = carry_out(Notice("hello"), RunEnded(status), Notice("too late"))
    for event in recorded:
        if isinstance(event, RunEnded):
            break
    recorded.close()
    assert [run.events()[0], *map(without_seconds, run.events()[1:])] == [Notice("hello"), RunEnded(status)]
    with pytest.raises(KeyboardInterrupt):
        for event in carry_out(RunEnded(status), Notice("too late")):
            if isinstance(event, Notice):
                raise KeyboardInterrupt
    assert list(map(without_seconds, run.events()[2:])) == [RunEnded(status)]
