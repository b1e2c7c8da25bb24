"""What holds for every exporter: its file answers like the model, and holds nothing of this machine."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import pytest
import torch
from torch import Tensor

from core.__main__ import main
from core.discovery import discover
from core.errors import BadInput
from core.model.folder import load_model
from core.model.predictor import Predictor
from core.publish.export import Exporter, export
from core.recipe import Recipe
from core.registry import Range, exporters
from core.runs.predictions import predictions_of
from core.runs.run import Run
from core.runs.train import train

discover()
ROOT = Path(__file__).resolve().parents[2]
OPTIONAL = {"openvino": "openvino", "litert": "litert_torch"}  # exporter -> its package


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Run:
    """A run of a tiny network."""
    recipe = {
        "version": 1,
        "source": {"name": "folder", "path": str(photos)},
        "labeller": {"name": "regex"},
        "splitter": {"name": "random", "seed": 42},
        "item_tfms": [{"name": "resize", "size": 40}],
        "batch_tfms": [],
        "architecture": {"name": "timm", "model": "test_resnet", "pretrained": False},
        "training": {"epochs": 0, "freeze_epochs": 1, "batch_size": 10},
    }
    created = Run.create(Recipe.from_dict(recipe), tmp_path_factory.mktemp("exports"))
    for _ in train(created):
        pass
    return created


@pytest.mark.parametrize("name", [entry.name for entry in exporters if entry.name != "page"])  # has tests of its own
def test_the_command_writes_a_file_that_answers_like_the_model(
    name: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in OPTIONAL:
        pytest.importorskip(OPTIONAL[name])
    assert main(["export", str(run.folder), "--to", name, str(tmp_path / "out")]) == 0
    exporter: Exporter = exporters.create(name)
    said, items = capsys.readouterr().out, predictions_of(run).items
    file = tmp_path / "out" / exporter.file
    assert said.startswith(f"{file}: ") and f"on {len(items)} validation photos" in said and "differs" in said
    content = file.read_bytes()
    for path in ("site-packages", str(ROOT), sys.prefix, str(run.workspace)):
        assert path.encode() not in content
    assert [f.name for f in file.parent.iterdir()] == [exporter.file]
    answer, predictor = exporter.load(content), load_model(run.folder)
    predictor.architecture.model.to("cpu")
    images = torch.stack([predictor.prepare(item) for item in items])
    for batch in (images, images[:1]):
        tolerance = 0.1 if hasattr(exporter, "max_loss") else 1e-4  # of a format that rounds
        torch.testing.assert_close(answer(batch), predictor.logits(batch), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", OPTIONAL)
def test_without_its_package_it_says_what_to_install(
    name: str, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, OPTIONAL[name], None)
    assert main(["export", str(run.folder), "--to", name]) == 2
    (file,) = re.findall(r"`pip install -r (\S+)`", capsys.readouterr().err)
    assert OPTIONAL[name].replace("_", "-") in (ROOT / file).read_text()


def test_a_pt2_file_is_run_by_torch_alone(run: Run, tmp_path: Path) -> None:
    """By torch's own functions, which need nothing of ours."""
    exported = export(run, exporters.create("torch_export"), tmp_path)
    assert exported.largest_difference < 1e-4 and exported.photos == len(predictions_of(run).items)
    about = {"model": ""}
    program = torch.export.load(exported.file, extra_files=about)
    assert about["model"] == json.loads((run.folder / "hashes.json").read_text())["model.safetensors"]
    predictor, item = load_model(run.folder), predictions_of(run).items[0]
    with torch.no_grad():
        found = program.module()(predictor.prepare(item)[None])
    torch.testing.assert_close(found.softmax(1)[0], predictor.predict(item)[2], rtol=1e-4, atol=1e-4)


@pytest.fixture
def wrong() -> Iterator[str]:
    """An exporter whose file answers something else."""

    @exporters.register("wrong")
    class Wrong:
        """Says the same of every photo."""

        format, file = "nonsense", "model.txt"

        def __init__(self, scale: Annotated[float, "Of the outputs", Range(0, 99)] = 9.0) -> None:
            self.scale = scale

        def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
            return str(len(predictor.vocab)).encode()

        def load(self, content: bytes) -> Callable[[Tensor], Tensor]:
            return lambda images: self.scale * torch.eye(int(content))[[0] * len(images)]

    yield "wrong"
    exporters.discard(__name__)


def test_a_file_that_answers_otherwise_is_not_kept(
    wrong: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run.folder / "hashes.json").read_bytes()
    with pytest.raises(BadInput, match="is not kept: a probability differs by"):
        export(run, exporters.create(wrong))
    assert main(["export", str(run.folder), "--to", wrong, str(tmp_path)]) == 2
    assert "differs" in capsys.readouterr().err and not list(tmp_path.iterdir())
    assert not (run.folder / "model.txt").exists() and (run.folder / "hashes.json").read_bytes() == before


def test_a_file_that_costs_more_accuracy_than_is_allowed_is_not_kept(
    wrong: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says the same of every photo, so it gets right those with the first label."""
    known = predictions_of(run)
    right = (known.logits.argmax(1) == known.targets).float().mean().item()
    loss = right - (known.targets == 0).float().mean().item()
    exporter = exporters.create(wrong)
    monkeypatch.setattr(exporter, "max_loss", loss - 0.01, raising=False)
    with pytest.raises(BadInput, match=r"it costs -?\d+\.\d% of accuracy .* max_loss"):
        export(run, exporter, tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(exporter, "max_loss", loss)
    assert export(run, exporter, tmp_path).loss == pytest.approx(loss)


def test_an_exporter_that_is_not_there_is_said_with_those_that_are(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run.folder), "--to", "tflight"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ("tflight", *(entry.name for entry in exporters)))


def test_options_of_an_exporter_are_set_as_those_of_a_recipe(
    wrong: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {}
    for setting in ("scale=0", "scale=9", "scale=100", "scales=1", "scale"):
        assert main(["export", str(run.folder), "--to", wrong, str(tmp_path), "--set", setting]) == 2
        said[setting] = capsys.readouterr().err
    assert "differs" in said["scale=0"] and "differs" in said["scale=9"] and said["scale=0"] != said["scale=9"]
    assert "scale is 100, but must lie between 0 and 99" in said["scale=100"]
    assert "has no option 'scales'; it has: scale" in said["scales=1"] and "not 'scale'" in said["scale"]
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert "wrong: scale: a number, 0 to 99, default 9.0. Of the outputs" in capsys.readouterr().out
