"""A run keeps what its model says of the validation photos: the same as the model says, or one sentence."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from core.__main__ import main
from core.errors import BadInput
from core.events import EpochEnded, RunEnded, StepEnded
from core.model.folder import load_model
from core.recipe import Recipe
from core.runs.predictions import PREDICTIONS, keep_predictions, predictions_of
from core.runs.run import Run
from core.runs.train import train
from core.training.interpretation import ClassificationInterpretation
from core.training.loop import Diverged
from core.training.step import step

MakeRecipe = Callable[..., dict[str, Any]]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}


@pytest.fixture
def create(recipe_dict: MakeRecipe, tmp_path: Path) -> Callable[..., Run]:
    """A new run of a tiny network; keywords are those of the recipe."""

    def make(training: dict[str, Any] | None = None, **keys: Any) -> Run:
        recipe = recipe_dict(training, **{"architecture": TINY, **keys})
        return Run.create(Recipe.from_dict(recipe), tmp_path / "w")

    return make


@pytest.fixture
def completed(create: Callable[..., Run]) -> Run:
    """A run of its own, that a test may change."""
    run = create()
    list(train(run))
    return run


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Run:
    """A copy of the finished run in another workspace."""
    return Run(Path(shutil.copytree(trained.folder, tmp_path / "copy" / "runs" / trained.name)))


def says_the_same(run: Run) -> ClassificationInterpretation:
    """The predictions of a run, once they are those of its model for the same files."""
    results, model = predictions_of(run), load_model(run.folder)
    assert results.vocab == model.vocab and results.loader is None
    assert results.logits.dtype == torch.float32 and results.targets.dtype == torch.int64
    for file, logits in zip(results.items, results.logits, strict=True):
        label, _, probabilities = model.predict(file)
        # one photo alone and many at once are not the same sum to the last bit
        assert torch.allclose(probabilities.cpu(), logits.softmax(0), atol=1e-3), file
        near_tie = logits.topk(2).values.diff().abs() < 1e-3
        assert near_tie or label == results.vocab[int(logits.argmax())]
    return results


def refused(run: Run) -> str:
    """The sentence with which the predictions are refused."""
    with pytest.raises(BadInput) as caught:
        predictions_of(run)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".") and "; " in sentence
    return sentence


def test_the_predictions_of_a_finished_run_are_those_of_its_end(trained: Run, photos: Path) -> None:
    results, end = says_the_same(trained), trained.events()[-1]
    assert isinstance(end, RunEnded)
    assert (results.accuracy, *results.interval) == (end.metrics["accuracy"], end.metrics["low"], end.metrics["high"])
    assert all(file.is_absolute() and file.parent == photos for file in results.items)
    assert [file.name.split("_")[0] for file in results.items] == [results.vocab[t] for t in results.targets.tolist()]
    assert results.confusion_matrix().sum() == len(results.items) == 4
    assert len(results.top_losses(2)[0]) == 2


def test_a_page_needs_no_model_and_not_even_the_photos(copy: Run) -> None:
    before = predictions_of(copy)
    for name in ("model.safetensors", "recipe.json", "photos.json", "splits.json"):
        (copy.folder / name).unlink()
    after = predictions_of(copy)
    assert torch.equal(after.logits, before.logits) and after.items == before.items


def test_photos_in_the_workspace_move_with_it(create: Callable[..., Run], tmp_path: Path) -> None:
    run = create(source={"name": "sample", "count": 4}, item_tfms=[{"name": "resize", "size": 64}])
    list(train(run))
    before = predictions_of(run).items
    (tmp_path / "w").rename(tmp_path / "elsewhere")
    after = says_the_same(Run(tmp_path / "elsewhere" / "runs" / run.name)).items
    assert [f.relative_to(tmp_path / "elsewhere") for f in after] == [f.relative_to(tmp_path / "w") for f in before]


def test_a_zip_may_be_gone_once_it_is_unpacked(create: Callable[..., Run], photos: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", photos))
    run = create(source={"name": "zip", "path": str(archive)})
    for event in train(run):
        if isinstance(event, EpochEnded):
            archive.unlink(missing_ok=True)
    assert run.status == "completed"
    assert len(says_the_same(run).items) == 4


def test_a_run_without_an_epoch_has_none_and_one_stopped_later_has_those_of_its_best(
    create: Callable[..., Run],
) -> None:
    run = create({"epochs": 2})
    assert "has no model yet" in refused(run)
    for event in train(run):
        if isinstance(event, StepEnded):
            run.stop()
            assert "has no model yet" in refused(run)
    assert run.status == "stopped" and "stopped after its first epoch" in refused(run)
    ended: list[EpochEnded] = []
    for event in train(run):
        if isinstance(event, EpochEnded):
            ended.append(event)
            run.stop()
    assert run.status == "stopped" and len(ended) == 1
    assert 1 - says_the_same(run).accuracy == pytest.approx(ended[0].metrics["error_rate"])
    list(train(run))
    end = run.events()[-1]
    assert isinstance(end, RunEnded) and end.status == "completed"
    assert says_the_same(run).accuracy == end.metrics["accuracy"]


def test_a_run_that_diverges_keeps_those_of_its_best_epoch(
    create: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(task: Any, optimizer: Any, images: Any, *rest: Any) -> Any:
        return step(task, optimizer, images * float("nan"), *rest)

    run = create({"epochs": 2})
    with pytest.raises(Diverged):
        for event in train(run):
            if isinstance(event, EpochEnded):
                monkeypatch.setattr("core.training.loop.step", blind)
    monkeypatch.undo()
    assert run.status == "failed"
    says_the_same(run)


def test_photos_that_moved_are_named_where_they_are_now(
    create: Callable[..., Run], photos: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    run = create(source={"name": "folder", "path": str(folder)})
    for event in train(run):
        if isinstance(event, EpochEnded):
            run.stop()
    before = predictions_of(run).items
    (folder / "all").mkdir()
    for file in before:
        file.rename(folder / "all" / file.name)
    assert main(["resume", str(run.folder), "--accept-changes"]) == 0
    assert says_the_same(run).items == [folder / "all" / file.name for file in before]


NAMES = [
    "a photo with spaces",
    "été 写真 🐕",
    "100%25 #1 'quoted'",
    pytest.param(
        os.fsdecode(b"caf\xe9 \xff"),
        marks=pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names"),
    ),
    pytest.param(
        'back\\slash\nand "line"', marks=pytest.mark.skipif(os.name == "nt", reason="Windows refuses such names")
    ),
]


@pytest.mark.parametrize("odd", NAMES)
def test_names_of_files_and_classes_come_back_as_they_are(
    odd: str, create: Callable[..., Run], photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for colour in ("red", "blue"):
        (folder / f"{odd} {colour}").mkdir(parents=True)
        for file in photos.glob(f"{colour}_*.jpg"):
            shutil.copy(file, folder / f"{odd} {colour}" / f"{odd} {file.name}")
    run = create(source={"name": "folder", "path": str(folder)}, labeller={"name": "folder"})
    list(train(run))
    results = says_the_same(run)
    assert results.vocab == [f"{odd} blue", f"{odd} red"]
    assert all(odd in file.name and file.is_file() for file in results.items)


def test_a_model_from_before_there_were_any_says_so(completed: Run) -> None:
    (completed.folder / PREDICTIONS).unlink()
    assert refused(completed).endswith("has a model without its predictions; train its recipe.json in a new run.")
    with (completed.folder / "events.jsonl").open("ab") as file:
        file.write(b'{"event": "StepEnded"')  # as a process that was killed left it
        file.write(b"\n")
    assert f"`python -m core resume {completed.folder}` writes them" in refused(completed)
    assert main(["resume", str(completed.folder)]) == 0
    says_the_same(completed)


@pytest.mark.parametrize("at", [0, 7, 9, 60, 300, -1, -40, -100])
def test_one_flipped_bit_is_found_wherever_it_is(at: int, copy: Run) -> None:
    file = copy.folder / PREDICTIONS
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    assert f"{str(file)!r} cannot be used (" in refused(copy)


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 8, b"\x80\x04N.", b"\x02" + bytes(7) + b"{}"])
def test_what_is_no_such_file_is_refused(content: bytes, copy: Run) -> None:
    (copy.folder / PREDICTIONS).write_bytes(content)
    assert "cannot be used (" in refused(copy)


@pytest.mark.parametrize("left", [0.1, 0.5, 0.99])
def test_one_that_was_cut_off_is_refused(left: float, copy: Run) -> None:
    file = copy.folder / PREDICTIONS
    file.write_bytes(file.read_bytes()[: int(left * file.stat().st_size)])
    assert "cannot be used (" in refused(copy)


def test_one_with_more_names_than_it_needs_is_not_parsed(copy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    file = copy.folder / PREDICTIONS
    tensors = safetensors.torch.load_file(file)
    safetensors.torch.save_file(tensors | {str(i): torch.zeros(0) for i in range(1000)}, file)
    monkeypatch.setattr("core.runs.predictions.load", lambda _: pytest.fail("it was parsed"))
    assert "tensors instead of 2" in refused(copy)


def test_logits_that_are_no_numbers_are_refused(copy: Run, photos: Path) -> None:
    whole = predictions_of(copy)
    keep_predictions(copy, replace(whole, logits=whole.logits * float("nan")), photos)
    assert "not all finite" in refused(copy)


def test_a_folder_in_its_place_and_damaged_hashes_are_refused(copy: Run) -> None:
    (copy.folder / "hashes.json").write_text('{"model.safetensors"')
    assert "hashes.json' cannot be used (" in refused(copy)
    (copy.folder / "hashes.json").unlink()
    assert "has no model yet" in refused(copy)
    shutil.copy(copy.folder / "config.json", copy.folder / "hashes.json")
    assert "hashes.json' cannot be used (" in refused(copy)


def test_those_of_another_run_are_refused(completed: Run, copy: Run) -> None:
    shutil.copy(completed.folder / PREDICTIONS, copy.folder)
    assert "belongs to another model than the one in this folder" in refused(copy)


def test_what_does_not_fit_together_is_refused(copy: Run, photos: Path) -> None:
    whole = predictions_of(copy)
    for part in (
        {"items": whole.items[:-1]},
        {"vocab": [*whole.vocab, "violet"]},
        {"targets": whole.targets[:-1]},
        {"targets": whole.targets + 3},
        {"targets": whole.targets - 3},
        {"logits": whole.logits.flatten()},
        {"logits": whole.logits[:0], "targets": whole.targets[:0], "items": []},
    ):
        keep_predictions(copy, replace(whole, **part), photos)
        assert "cannot be used (" in refused(copy), part
    keep_predictions(copy, whole, photos)
    assert predictions_of(copy).items == whole.items


def test_a_kill_between_the_model_and_its_predictions_is_seen_and_mended(
    create: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create({"epochs": 2, "best_by": "last"})
    for event in train(run):
        if isinstance(event, EpochEnded):
            run.stop()
    says_the_same(run)

    def killed(*_: Any) -> None:
        raise SystemExit  # which is not recorded as an end

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("core.runs.train.keep_predictions", killed)
        list(train(run))
    assert run.status == "interrupted"
    load_model(run.folder)
    said = refused(run)
    assert "another model" in said and f"`python -m core resume {run.folder}`" in said
    assert main(["resume", str(run.folder)]) == 0
    says_the_same(run)


def test_a_damaged_model_that_is_made_again_has_its_predictions_made_again(completed: Run) -> None:
    before = predictions_of(completed)
    (completed.folder / "model.safetensors").write_bytes(b"no model")
    (completed.folder / PREDICTIONS).write_bytes(b"no predictions")
    refused(completed)
    assert main(["resume", str(completed.folder)]) == 0
    assert torch.equal(says_the_same(completed).logits, before.logits)


def test_a_disk_that_fills_leaves_those_of_before(
    trained: Run, copy: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (copy.folder / PREDICTIONS).read_bytes()

    def fsync(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(BadInput, match=r"^The disk is full: 'predictions\.safetensors' .+\.$"):
        keep_predictions(copy, predictions_of(trained), photos)
    assert (copy.folder / PREDICTIONS).read_bytes() == content
    assert list(copy.folder.glob(".*")) == []
