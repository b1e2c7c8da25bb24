"""The ONNX file answers like torch without torch, says of which model it is, and holds nothing of this machine."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from core.errors import BadInput
from core.model.architecture import Architecture
from core.model.file_names import HASHES, WEIGHTS
from core.model.folder import load_model
from core.model.head import Classifier
from core.publish.export import TOLERANCE
from core.publish.onnx import ONNX, export_onnx, onnx_is_current
from core.recipe import Recipe
from core.registry import architectures
from core.runs.predictions import keep_predictions, predictions_of
from core.runs.run import Run
from core.runs.train import train
from tests.matrix import thinned

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
ROOT = Path(__file__).resolve().parents[3]
NETWORKS = {
    "linear": {"name": "efficientnet_lite0"},
    "concat": {"name": "efficientnet_lite0", "head": "concat"},
    "resnet18": {"name": "resnet18", "pretrained": False},
    "vit": {"name": "timm", "model": "test_vit", "pretrained": False},
}
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
Create = Callable[[dict[str, Any]], Run]


@pytest.fixture
def create(recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path) -> Create:
    """A finished run of one epoch of an architecture."""

    def make(architecture: dict[str, Any]) -> Run:
        sizes: dict[str, Any] = {}
        if architecture.get("model") == "test_vit":  # which takes this size alone
            sizes = {"item_tfms": [{"name": "resize", "size": 160}], "batch_tfms": []}
        recipe = recipe_dict({"epochs": 0, "freeze_epochs": 1}, architecture=architecture, **sizes)
        run = Run.create(Recipe.from_dict(recipe), tmp_path / "w")
        for _ in train(run):
            pass
        return run

    return make


@pytest.mark.parametrize("network", thinned(NETWORKS, {"vit"}.__contains__))
def test_it_answers_like_torch_one_photo_or_many(
    network: str, create: Create, capfd: pytest.CaptureFixture[str]
) -> None:
    run = create(NETWORKS[network])
    capfd.readouterr()
    exported = export_onnx(run)
    assert capfd.readouterr() == ("", "")
    predictor, items = load_model(run.folder), predictions_of(run).items
    assert (exported.file, exported.photos) == (run.folder / ONNX, len(items))
    assert exported.largest_difference <= TOLERANCE and exported.seconds > 0
    session = onnxruntime.InferenceSession(exported.file)
    assert [(i.name, i.type, i.shape[1:]) for i in session.get_inputs()] == [
        ("images", "tensor(float)", [3, *predictor.views[-1].size])
    ]
    noise = torch.randn(5, 3, *predictor.views[-1].size, generator=torch.Generator().manual_seed(0))
    for batch in (noise, noise[:1]):
        (logits,) = session.run(["logits"], {"images": batch.numpy()})
        torch.testing.assert_close(torch.from_numpy(logits), predictor.logits(batch), rtol=1e-3, atol=1e-3)
    assert onnx_is_current(run)


def test_one_file_that_is_whole_and_holds_no_path_of_this_machine(exported: Run) -> None:
    content = (exported.folder / ONNX).read_bytes()
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    for path in ("site-packages", "stack_trace", "forward", str(ROOT), sys.prefix, str(exported.workspace)):
        assert path.encode() not in content
    weights = sum(v.numel() * v.element_size() for v in load_model(exported.folder).architecture.model.parameters())
    assert len(content) > 0.95 * weights
    assert not [f for f in exported.folder.iterdir() if f.name.startswith((f".{ONNX}", f"{ONNX}."))]


def test_it_is_that_of_another_model_once_the_weights_are_others(mine: Run, trained: Run) -> None:
    assert onnx_is_current(mine) and not onnx_is_current(trained)
    content = bytearray((mine.folder / ONNX).read_bytes())
    content[len(content) // 2] ^= 1
    (mine.folder / ONNX).write_bytes(content)
    assert not onnx_is_current(mine), "one bit is another"
    export_onnx(mine)
    assert onnx_is_current(mine)
    hashes = json.loads((trained.folder / HASHES).read_text(encoding="utf-8"))
    other = hashes | {WEIGHTS: hashes[WEIGHTS][::-1]}  # as when another model is saved
    (mine.folder / HASHES).write_text(json.dumps(other), encoding="utf-8")
    assert not onnx_is_current(mine)
    with pytest.raises(BadInput, match="another model"):
        export_onnx(mine)
    assert not (mine.folder / ONNX).exists()
    (mine.folder / HASHES).unlink()
    assert not onnx_is_current(mine)


def test_a_network_that_answers_otherwise_is_refused_and_leaves_no_file(odd: Create) -> None:
    run = odd({"name": "odd", "trouble": "differs"})
    (run.folder / ONNX).write_bytes(b"of an earlier model")
    with pytest.raises(BadInput, match=r"is not kept: a probability differs by 0\.\d+ from torch's"):
        export_onnx(run)
    assert not (run.folder / ONNX).exists()


@pytest.mark.parametrize(
    ("trouble", "said"), [("branches", "data-dependent"), ("counts", r"Got: 1 Expected: 2|dimensions")]
)
def test_a_network_that_cannot_be_exported_is_told_in_one_sentence(
    trouble: str, said: str, odd: Create, capfd: pytest.CaptureFixture[str]
) -> None:
    run = odd({"name": "odd", "trouble": trouble})
    capfd.readouterr()
    with pytest.raises(BadInput, match=rf"cannot be exported to ONNX \(.*({said}).*\); use its model.safetensors\.$"):
        export_onnx(run)
    assert capfd.readouterr() == ("", "")
    assert not (run.folder / ONNX).exists()


@pytest.mark.slow
def test_it_is_tried_on_the_photos_that_are_still_there_and_on_no_others(create: Create, tmp_path: Path) -> None:
    run = create(TINY)
    results = predictions_of(run)
    kept = tmp_path / "kept"
    kept.mkdir()
    items = [Path(shutil.copy(item, kept)) for item in results.items]
    keep_predictions(run, replace(results, items=items), kept)
    items[0].unlink()
    items[1].write_bytes(b"no longer a photo")
    assert export_onnx(run).photos == len(items) - 2
    for item in items[2:]:
        item.unlink()
    with pytest.raises(BadInput, match=r"None of the validation photos of .* is left"):
        export_onnx(run)
    assert not (run.folder / ONNX).exists()


def test_without_its_packages_it_says_how_to_get_them(mine: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(BadInput, match=r"'onnxscript'; `pip install -r core/publish/requirements-onnx.txt`"):
        export_onnx(mine)
    assert (ROOT / "core/publish/requirements-onnx.txt").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_what_cannot_be_written_leaves_nothing(create: Create) -> None:
    import resource

    run = create(TINY)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(BadInput, match=r"model\.onnx' could not be written"):
            export_onnx(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [f.name for f in run.folder.iterdir() if ONNX in f.name]


class Odd(nn.Module):
    """Mean colours, and something that an exporter cannot follow."""

    def __init__(self, trouble: str) -> None:
        super().__init__()
        self.trouble = trouble
        self.convolution = nn.Conv2d(3, 8, 3)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] to [N, 8]."""
        features = self.convolution(images).mean((2, 3))
        if self.trouble == "branches" and float(features.detach().sum()) > 0:
            return features + 1
        if self.trouble == "differs" and torch.compiler.is_exporting():
            return features + 10 * torch.arange(8)
        if self.trouble == "counts" and torch.compiler.is_exporting():
            return features.view(2, 8)
        return features


@pytest.fixture
def odd(create: Create) -> Iterator[Create]:
    """Runs of a network of this file."""

    @architectures.register("odd")
    def build(num_classes: int, /, trouble: Literal["branches", "differs", "counts"]) -> Architecture:
        """A network that gives trouble."""
        body, head = Odd(trouble), nn.Linear(8, num_classes)
        return Architecture(Classifier(body, head), head, [list(body.parameters())])

    yield create
    architectures.discard(__name__)
