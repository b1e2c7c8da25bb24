"""Weights of a stranger: refused before they cost memory, and where no photo would have an answer."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file, save_file

import core.model.folder
from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.model.predictor import Predictor
from core.publish.fetch import load_learner
from core.training.learner import Learner
from core.training.vision_learner import vision_learner
from tests.core.model.test_folder import refused, rehash

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def small(make_loaders: Callable[..., DataLoaders]) -> Learner:
    return vision_learner(make_loaders(), "timm", pretrained=False, model="test_resnet")


@pytest.fixture(scope="module")
def saved(small: Learner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.save(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def with_header(file: Path, change: Callable[[dict[str, object], int], None]) -> None:
    """Give a file of safetensors another header; `change` is told where its numbers end."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, numbers = json.loads(content[8 : 8 + length]), content[8 + length :]
    change(header, len(numbers))
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + numbers)


def many_names(header: dict[str, object], end: int) -> None:
    header |= {f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [end, end]} for i in range(8000)}


def a_long_text(header: dict[str, object], end: int) -> None:
    header["__metadata__"] = {"format": "x" * 500_000}


@pytest.mark.parametrize("change", [many_names, a_long_text])
def test_a_header_larger_than_the_network_needs_is_not_parsed(
    model: Path, change: Callable[[dict[str, object], int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_header(model / WEIGHTS, change)
    rehash(model)
    assert len(load_file(model / WEIGHTS)) > 10  # it is a file that the library would take
    monkeypatch.setattr(core.model.folder, "load_file", lambda _: pytest.fail("it was parsed"))
    assert "header" in refused(model)


def test_a_file_far_larger_than_its_network_is_not_parsed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(load_file(model / WEIGHTS) | {"more": torch.zeros(2_000_000)}, model / WEIGHTS)
    rehash(model)
    monkeypatch.setattr(core.model.folder, "load_file", lambda _: pytest.fail("it was parsed"))
    assert "has 10" in refused(model)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fc.weight", float("nan")),
        ("fc.bias", float("inf")),
        ("layer1.0.conv1.weight", float("-inf")),
        ("bn1.running_mean", float("nan")),
        ("bn1.running_var", -1.0),
    ],
)
def test_numbers_that_give_no_photo_an_answer_are_refused(model: Path, name: str, value: float) -> None:
    weights = load_file(model / WEIGHTS)
    weights[name].view(-1)[0] = value
    save_file(weights, model / WEIGHTS)
    rehash(model)
    assert name in refused(model)


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.complex64])
def test_weights_of_another_kind_of_number_are_refused(model: Path, kind: torch.dtype) -> None:
    weights = load_file(model / WEIGHTS)
    save_file(weights | {"fc.weight": weights["fc.weight"].to(kind)}, model / WEIGHTS)
    rehash(model)
    assert "fc.weight" in refused(model) and str(kind) in refused(model)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_in_another_precision_are_taken(model: Path, kind: torch.dtype) -> None:
    weights = {n: w.to(kind) if w.is_floating_point() else w for n, w in load_file(model / WEIGHTS).items()}
    safetensors.torch.save_file(weights, model / WEIGHTS)
    rehash(model)
    assert isinstance(load_learner(model), Predictor)


def test_finite_weights_that_overflow_have_no_answer(model: Path, photos: Path) -> None:
    weights = load_file(model / WEIGHTS)
    weights["fc.weight"].fill_(1e30)
    weights["bn1.weight"].fill_(1e25)
    save_file(weights, model / WEIGHTS)
    rehash(model)
    with pytest.raises(BadInput, match="not finite numbers"):
        load_learner(model).predict(photos / "red_1.jpg")


def test_a_model_that_diverged_is_not_saved(small: Learner, tmp_path: Path) -> None:
    folder = small.save(tmp_path / "model")
    before = (folder / WEIGHTS).read_bytes()
    bias = small.model.get_parameter("fc.bias")
    with torch.no_grad():
        bias[0] = float("nan")
    try:
        with pytest.raises(BadInput, match=r"'fc.bias' .* lower learning rate"):
            small.save(folder)
    finally:
        with torch.no_grad():
            bias[0] = 0
    assert (folder / WEIGHTS).read_bytes() == before
