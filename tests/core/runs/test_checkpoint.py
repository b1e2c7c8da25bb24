"""Checkpoints: two are kept, a damaged one is never used, and half-written ones are swept away."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from core.__main__ import main
from core.errors import BadInput
from core.events import CheckpointSaved, Event, Notice, RunEnded, RunResumed, StepEnded
from core.lock import ProcessLock
from core.recipe import Recipe
from core.runs.checkpoint import INTERVAL_FACTOR, MAX_INTERVAL, MAX_TENSORS, Checkpoints
from core.runs.run import Run
from core.runs.train import train

MakeRecipe = Callable[..., dict[str, Any]]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
NAME = re.compile(r"(\d{6})-([0-9a-f]{32})\.safetensors")


class State:
    """As much of a training's state as checkpoints look at: tensors, and a document."""

    def __init__(self, step: int) -> None:
        self.step = step

    def tensors(self) -> dict[str, Tensor]:
        return {"weights": torch.full((5,), float(self.step)), "count": torch.tensor(self.step)}

    def document(self) -> dict[str, Any]:
        return {"step": self.step, "loss": 0.1 + self.step}


def save(checkpoints: Checkpoints, *steps: int) -> None:
    for step in steps:
        checkpoints.save(State(step), events=10 * step)  # type: ignore[arg-type]


def files(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoint").iterdir())


def numbers(folder: Path) -> list[int]:
    matches = [NAME.fullmatch(f.name) for f in files(folder)]
    assert all(matches), files(folder)
    return [int(m[1]) for m in matches if m]


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at % len(content)] ^= 1 << (at % 8)
    file.write_bytes(content)


def stopped(recipe_dict: MakeRecipe, workspace: Path, steps: int = 3) -> Run:
    """A run that was stopped after `steps`; the first of them left a checkpoint, and so did the stop."""
    run = Run.create(Recipe.from_dict(recipe_dict({"epochs": 2}, architecture=TINY)), workspace)
    for event in train(run):
        if isinstance(event, StepEnded) and (steps := steps - 1) == 0:
            run.stop()
    assert run.status == "stopped"
    return run


def notices(events: list[Event]) -> list[str]:
    return [e.message for e in events if isinstance(e, Notice)]


def test_what_was_saved_comes_back_with_the_count_of_events(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.newest() == ({}, {}, [])
    save(checkpoints, 7)
    tensors, document, damaged = Checkpoints(tmp_path).newest()
    assert document == {"step": 7, "loss": 7.1, "events": 70}
    assert tensors.keys() == {"weights", "count"}
    assert torch.equal(tensors["weights"], torch.full((5,), 7.0)) and tensors["count"].dtype == torch.int64
    assert damaged == []


def test_two_are_kept_and_the_number_grows(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    assert numbers(tmp_path) == [1]
    save(checkpoints, 2)
    assert numbers(tmp_path) == [1, 2]
    save(checkpoints, 3, 4)
    assert numbers(tmp_path) == [3, 4]
    save(Checkpoints(tmp_path), 5)  # as the process that goes on with the run
    assert numbers(tmp_path) == [4, 5]
    assert checkpoints.newest()[1]["step"] == 5
    checkpoints.keep_last()
    assert numbers(tmp_path) == [5]
    save(checkpoints, 6)  # a completed run that is made again
    assert numbers(tmp_path) == [5, 6]


def test_numbers_are_compared_as_numbers(tmp_path: Path) -> None:
    """After the millionth the name grows by a digit, and as text it would come first."""
    save(Checkpoints(tmp_path), 1)
    (file,) = files(tmp_path)
    file.rename(file.with_name(file.name.replace("000001", "999999")))
    save(Checkpoints(tmp_path), 2)
    assert {f.name.split("-")[0] for f in files(tmp_path)} == {"999999", "1000000"}
    assert Checkpoints(tmp_path).newest()[1]["step"] == 2


def test_the_name_holds_the_hash_of_the_content(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path), 1)
    (file,) = files(tmp_path)
    match = NAME.fullmatch(file.name)
    assert match and hashlib.sha256(file.read_bytes()).hexdigest().startswith(match[2])


@pytest.mark.parametrize("at", [0, 7, 8, 60, 150, -1, -21])
def test_one_flipped_bit_is_found_wherever_it_is(at: int, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1, 2)
    older, newer = files(tmp_path)
    flip(newer, at)
    tensors, document, damaged = checkpoints.newest()
    assert document["step"] == 1 and tensors["count"] == 1
    assert damaged == [newer]
    flip(older, at)
    assert checkpoints.newest() == ({}, {}, [newer, older])


@pytest.mark.parametrize("left", [0, 1, 100])
def test_one_that_was_cut_off_is_damaged(left: int, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1, 2)
    newer = files(tmp_path)[1]
    newer.write_bytes(newer.read_bytes()[:left])
    assert checkpoints.newest()[1]["step"] == 1
    assert checkpoints.newest()[2] == [newer]


@pytest.mark.parametrize("kind", ["a header of a million names", "no safetensors", "no state"])
def test_one_that_fits_its_hash_and_nothing_else_is_damaged(kind: str, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    (good,) = files(tmp_path)
    many = kind == "a header of a million names"
    header_of: dict[str, Any] = {"__metadata__": {"state": "{}"}} if many else {}
    for i in range(MAX_TENSORS if many else 1):
        header_of[str(i)] = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps(header_of).encode()
    content = b"\0" * 4 if kind == "no safetensors" else len(header).to_bytes(8, "little") + header
    digest = hashlib.sha256(content).hexdigest()[:32]
    strange = tmp_path / "checkpoint" / f"000009-{digest}.safetensors"
    strange.write_bytes(content)
    tensors, _, damaged = checkpoints.newest()
    assert damaged == [strange] and tensors and good.is_file()


def test_other_files_are_not_taken_for_checkpoints(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path), 1)
    for name in (".000009-0.safetensors.77", "notes-1.safetensors", "000009.safetensors", "000009-0.txt"):
        (tmp_path / "checkpoint" / name).write_bytes(b"no checkpoint")
    assert Checkpoints(tmp_path).newest()[1]["step"] == 1
    assert Checkpoints(tmp_path).newest()[2] == []
    save(Checkpoints(tmp_path), 2, 3)
    assert Checkpoints(tmp_path).newest()[1]["step"] == 3
    assert (tmp_path / "checkpoint" / "notes-1.safetensors").exists()  # a user's own file is not deleted


def test_the_next_is_due_by_what_the_last_one_cost_and_after_ten_minutes_at_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (INTERVAL_FACTOR, MAX_INTERVAL) == (100, 600.0)
    now, cost = 1000.0, 0.25

    def clock() -> float:
        return now

    class Slow(State):
        def tensors(self) -> dict[str, Tensor]:
            nonlocal now
            now += cost
            return super().tensors()

    monkeypatch.setattr("core.runs.checkpoint.time", SimpleNamespace(perf_counter=clock))
    checkpoints = Checkpoints(tmp_path)
    now += 0.001
    assert checkpoints.due  # the first at once, which shows what one costs
    assert checkpoints.save(Slow(1), 0) == pytest.approx(0.25)  # type: ignore[arg-type]
    assert not checkpoints.due
    now += 24.9
    assert not checkpoints.due
    now += 0.2
    assert checkpoints.due  # more than 100 times 0.25 seconds have gone by
    cost = 20.0
    checkpoints.save(Slow(2), 0)
    now += 599.0  # 100 times 20 seconds would be more than half an hour
    assert not checkpoints.due
    now += 2.0
    assert checkpoints.due
    assert not Checkpoints(tmp_path).due  # the next life of the run counts from its own beginning


def test_a_disk_that_refuses_is_one_sentence_and_the_old_ones_stay_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1, 2)
    before = {f.name: f.read_bytes() for f in files(tmp_path)}

    def fsync(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(BadInput, match=r"^The disk is full: .+\.$"):
        save(checkpoints, 3)
    assert {f.name: f.read_bytes() for f in files(tmp_path)} == before


def test_a_run_that_was_stopped_has_two_and_a_completed_one_has_one(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    run = stopped(recipe_dict, tmp_path)
    assert len(numbers(run.folder)) == 2
    highest = max(numbers(run.folder))
    events = list(train(run))
    assert run.status == "completed"
    (last,) = numbers(run.folder)
    assert last > highest
    assert any(isinstance(e, CheckpointSaved) for e in events)
    tensors, document, damaged = Checkpoints(run.folder).newest()
    assert tensors and document and not damaged


def test_a_damaged_newest_one_is_said_and_the_one_before_it_used(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    run = stopped(recipe_dict, tmp_path)  # in the second stage; the first one is of the first stage's first step
    older, newer = files(run.folder)
    assert Checkpoints(run.folder).newest()[1]["position"]["stage"] == 1
    flip(newer, 5000)
    events = list(train(run))
    (said,) = (m for m in notices(events) if "damaged" in m)
    assert newer.name in said and older.name not in said and "the one before it is used" in said
    (resumed,) = (e for e in events if isinstance(e, RunResumed))
    assert (resumed.stage, resumed.step) == ("frozen", 1)
    assert isinstance(events[-1], RunEnded) and run.status == "completed"


def test_a_run_whose_checkpoints_are_all_damaged_says_so_and_begins_again(
    recipe_dict: MakeRecipe, tmp_path: Path
) -> None:
    run = stopped(recipe_dict, tmp_path)
    damaged = files(run.folder)
    for file in damaged:
        flip(file, 5000)
    events = list(train(run))
    said = [m for m in notices(events) if "damaged" in m]
    assert [any(f.name in m for m in said) for f in damaged] == [True, True]
    assert all("the run starts again" in m for m in said)
    (resumed,) = (e for e in events if isinstance(e, RunResumed))
    assert (resumed.kept, resumed.step) == (0, 0)
    (ended,) = (e for e in events if isinstance(e, RunEnded))
    assert ended.status == "completed"


def test_half_written_files_go_at_the_next_start(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    run = stopped(recipe_dict, tmp_path)
    name = files(run.folder)[1].name
    leftovers = [
        run.folder / "checkpoint" / f".{name.replace('00000', '00009')}.4242",
        run.folder / ".model.safetensors.4242",
        run.folder / ".splits.json.4242",
    ]
    for file in leftovers:
        file.write_bytes(b"half of it")

    # whoever is refused because the run is under way takes nothing away: it may be being written
    holder = ProcessLock(run.folder / "lock")
    assert holder.take()
    with pytest.raises(BadInput, match="already under way"):
        next(train(run))
    assert all(f.exists() for f in leftovers)
    holder.release()

    list(train(run))
    assert run.status == "completed"
    assert not any(f.exists() for f in leftovers)
    assert [f for f in run.folder.rglob(".*") if f.is_file()] == []


def test_the_model_of_a_completed_run_can_be_made_again_from_its_checkpoint(
    recipe_dict: MakeRecipe, tmp_path: Path
) -> None:
    run = stopped(recipe_dict, tmp_path)
    list(train(run))
    model = run.folder / "model.safetensors"
    content = model.read_bytes()
    end = run.events()[-1]
    flip(model, 5000)
    assert main(["resume", str(run.folder)]) == 0
    assert model.read_bytes() == content
    again = run.events()[-1]
    assert isinstance(end, RunEnded) and isinstance(again, RunEnded)
    assert (again.status, again.metrics) == ("completed", end.metrics)
    assert not any(isinstance(e, StepEnded) for e in run.events()[-3:])
    assert len(numbers(run.folder)) == 1
