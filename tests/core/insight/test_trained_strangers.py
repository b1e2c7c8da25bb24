"""A trained model knows strangers and says so wherever it answers; a folder without that is as before."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.__main__ import main
from core.errors import BadInput
from core.insight.strangers import fit_strangers, photos_kept
from core.model.answer import STRANGER, Answer
from core.model.doubt import doubt_files, read_threshold, save_threshold
from core.model.file_names import HASHES, STRANGERS, THRESHOLD
from core.model.folder import load_model
from core.model.strangers import MAX_BYTES, Strangers
from core.publish.onnx import ONNX, export_onnx
from core.publish.space import space_files
from core.recipe import Recipe
from core.runs.run import Run
from core.runs.train import train

DrawPhotos = Callable[..., Path]


@pytest.fixture(scope="module")
def once(
    recipe_dict: Callable[..., dict[str, Any]], draw_photos: DrawPhotos, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """A run of the network with ImageNet weights on 75 photos, 25 of them for validation."""
    photos = draw_photos(tmp_path_factory.mktemp("many"), count=25)
    document = recipe_dict(
        {"epochs": 0}, source={"name": "folder", "path": str(photos)}, splitter={"name": "random", "valid_pct": 0.34}
    )
    run = Run.create(Recipe.from_dict(document), tmp_path_factory.mktemp("w"))
    list(train(run))
    return run


@pytest.fixture
def run(once: Run, tmp_path: Path) -> Run:
    """A copy that a test may change."""
    return Run(Path(shutil.copytree(once.folder, tmp_path / "w" / "runs" / once.name)))


@pytest.fixture
def checks(tmp_path: Path) -> Path:
    """A photo unlike all others: a fine checkerboard."""
    board = np.kron(np.indices((12, 12)).sum(0) % 2, np.ones((6, 6)))[..., None] * [255, 255, 0]
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "board.png")
    return tmp_path / "board.png"


def test_a_stranger_is_said_to_be_one_and_a_known_photo_is_not(
    run: Run, checks: Path, capsys: pytest.CaptureFixture[str], draw_photos: DrawPhotos, tmp_path: Path
) -> None:
    model = load_model(run.folder)
    found = model.predict(checks)
    assert found.answer.stranger and found.answer.note == STRANGER
    label, index, probabilities = found  # as fastai's
    assert label == model.vocab[index] and torch.equal(probabilities, found.answer.probabilities)
    others = sorted(draw_photos(tmp_path / "others", seed=7).iterdir())
    answers = [answer for _, answer in model.answers(others)]
    assert sum(isinstance(a, Answer) and a.stranger is True for a in answers) <= 0.2 * len(others)
    assert main(["predict", str(run.folder), str(checks)]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["stranger"], line["note"], line["sure"]) == (True, STRANGER, True)
    assert "looks like nothing it was trained on" in run.read("README.md")


def test_features_leave_the_logits_as_they_are(run: Run, checks: Path) -> None:
    model = load_model(run.folder)
    prepared = model.prepare(checks)[None]
    torch.testing.assert_close(model.predict(checks).answer.logits, model.logits(prepared)[0])
    assert model.features(prepared).shape == (1, model.strangers.known.shape[1]) if model.strangers else False


def test_what_is_kept_is_small_and_checked(run: Run) -> None:
    file = run.folder / STRANGERS
    assert file.stat().st_size < 1.1 * MAX_BYTES and doubt_files(run.folder) == [STRANGERS]
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(BadInput, match="damaged"):
        load_model(run.folder)
    file.unlink()  # as in a folder that was saved before there were any
    model = load_model(run.folder)
    assert model.strangers is None and model.predict(Image.new("RGB", (50, 50))).answer.stranger is None


@pytest.mark.parametrize(
    "values",
    [{"neighbours": torch.tensor(0)}, {"neighbours": torch.tensor(99)}, {"threshold": torch.tensor(math.nan)},
     {"known": torch.full((3, 4), math.inf)}, {"known": torch.ones(3)}, {"more": torch.ones(1)}],
    ids=str,
)  # fmt: skip
def test_values_that_make_no_sense_are_refused(tmp_path: Path, values: dict[str, torch.Tensor]) -> None:
    from safetensors.torch import save_file

    good = {"known": torch.ones(3, 4), "neighbours": torch.tensor(1), "threshold": torch.tensor(0.5)}
    save_file(good | values, tmp_path / "s")
    with pytest.raises(ValueError):
        Strangers.from_file(tmp_path / "s")


def test_five_per_cent_of_photos_like_those_are_false_alarms() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2400, 16, generator=generator) + 2
    strangers = fit_strangers(features[:400], features[400:800])
    assert strangers and (strangers.distances(features[800:]) > 1).double().mean() == pytest.approx(0.05, abs=0.025)
    assert (strangers.distances(-features[800:]) > 1).all()
    assert fit_strangers(features[:400], features[400:418]) is None, "5 % of 18 photos is none"
    assert fit_strangers(features[:19], features[400:800]) is None
    assert photos_kept(1280) * 1280 * 2 <= MAX_BYTES < 1.1 * photos_kept(1280) * 1280 * 2


def test_a_threshold_belongs_to_its_model(run: Run, checks: Path) -> None:
    assert read_threshold(run.folder) == 0
    save_threshold(run.folder, 1.0)
    assert doubt_files(run.folder) == [STRANGERS, THRESHOLD]
    answer = load_model(run.folder).predict(Image.new("RGB", (50, 50), (210, 50, 40))).answer
    assert not answer.sure and (answer.stranger or "Not sure" in answer.note)
    with pytest.raises(BadInput, match="0 to 1"):
        save_threshold(run.folder, 1.5)
    hashes = json.loads((run.folder / HASHES).read_text())
    (run.folder / HASHES).write_text(json.dumps(hashes | {"model.safetensors": "of another"}))
    assert read_threshold(run.folder) == 0


@pytest.mark.parametrize(
    ("logits", "note"),
    [([5.0, 0, 0, 0], ""), ([1.0, 0.5, 0.5, 0.5], "Unsure: the other labels together are more likely."),
     ([5.0, 4.9, 0, 0], "Unsure: a and b are about as likely."),
     ([5.0, 4.9, 0, 4.9], "Unsure: a, b and d are about as likely."),
     ([1.0, 1, 1, 1], "Unsure: a, b and 2 others are about as likely.")],
)  # fmt: skip
def test_labels_that_are_nearly_equal_are_named(logits: list[float], note: str) -> None:
    assert Answer("abcd", torch.tensor(logits)).note == note


def test_a_space_says_the_same(run: Run, checks: Path, tmp_path: Path) -> None:
    """Its page has no torch, so it has the words and the distance once more."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    export_onnx(run)
    save_threshold(run.folder, 0.5)
    for name, content in space_files(run, "anna/colours", "cpu-basic", None, 0).items():
        (tmp_path / "space" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "space" / name).write_bytes(content)
    session = onnxruntime.InferenceSession(tmp_path / "space" / ONNX, providers=["CPUExecutionProvider"])
    page = functions_of(tmp_path / "space", session)
    model = load_model(run.folder)
    photos = [checks, *Path(run.recipe.source["path"]).glob("*_1.jpg")]
    for item in photos:
        answer = model.predict(item).answer
        logits, features = session.run(None, {"images": model.prepare(item)[None].numpy()})
        np.testing.assert_allclose(logits[0], answer.logits, atol=1e-3)
        assert page["doubt"](answer.probabilities.numpy(), features[0]) == answer.note
    page["STRANGERS"].clear()
    for shares in ([0.9, 0.1, 0], [0.4, 0.35, 0.25], [0.5, 0.5, 0], [0.34, 0.33, 0.33]):
        answer = Answer(model.vocab, torch.tensor(shares).log(), None, 0.5)
        assert page["doubt"](np.array(shares), None) == answer.note


def functions_of(space: Path, session: Any) -> dict[str, Any]:
    """What a Space's page defines between its model and its components."""
    source = (space / "app.py").read_text()
    part = source[source.index("def read(") : source.index("def predict(")].replace("if spaces:", "if False:")
    names = json.loads((space / "config.json").read_text())["label_names"]
    found = {"HERE": space, "MODEL": session, "NAMES": names, "NEARLY": 0.75, "json": json, "np": np}
    exec(part, found)
    return found
