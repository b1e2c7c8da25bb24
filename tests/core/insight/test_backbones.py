"""`compare`: backbones are ranked by a head on their features, with intervals and the paired test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.__main__ import main
from core.insight import features


@pytest.fixture
def recipe(tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Of 60 photos of pets, at 96 pixels."""
    small = ["--set", "item_tfms.0.size=128", "--set", "batch_tfms.0.size=96"]
    assert main(["new", *small, str(data_folder / "tiny_pets")]) == 0
    file = tmp_path / "recipe.json"
    file.write_text(capsys.readouterr().out)
    return file


def test_a_trained_backbone_comes_before_a_random_one(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = '{"name": "efficientnet_lite0", "pretrained": false}'
    compare = ["compare", str(recipe), "--workspace", str(tmp_path / "w"), "--architectures"]
    assert main([*compare, random, "efficientnet_lite0", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["architecture"], second["architecture"]["pretrained"]) == ({"name": "efficientnet_lite0"}, False)
    assert first["accuracy"] > second["accuracy"] and first["low"] < first["accuracy"] < first["high"]
    assert (first["photos"], first["p"]) == (12, 1.0) and 0 < second["p"] < 1
    assert first["parameters"] == second["parameters"] == 3_373_570 and first["images_per_second"] > 0
    monkeypatch.setattr(features, "_extracted", lambda *_: pytest.fail("the features are cached"))
    assert main([*compare, random, "efficientnet_lite0"]) == 0
    said = capsys.readouterr().out
    assert "12 validation photos" in said and "pretrained=False" in said and "not comparable" in said


def test_an_unknown_architecture_is_refused_before_any_photo_is_read(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(recipe), "--architectures", "efficientnet_lite0", "resnet7"]) == 2
    assert "'resnet7'" in capsys.readouterr().err
    assert main(["compare", str(recipe), "--architectures", '{"name": ']) == 2
    assert "neither a name nor JSON" in capsys.readouterr().err
