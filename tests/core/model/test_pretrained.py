"""Where the weights of a network come from: what the plugins say is what is true."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.model.pretrained import pretrained_of
from core.registry import architectures


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_the_weights_of_torchvision(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    from torchvision.models import get_model_weights

    weights = get_model_weights(name)["IMAGENET1K_V1"]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    told = pretrained_of({"name": name})
    assert told and told.comes == f"{weights.meta['_file_size'] * 1.048576:.0f} MB to download" and not told.here
    assert told.license == timm.get_pretrained_cfg(f"{name}.tv_in1k").license
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / weights.url.rpartition("/")[2]).touch()
    told = pretrained_of({"name": name})
    assert told and told.here and told.comes == "downloaded already"
    assert pretrained_of({"name": name, "pretrained": False}) is None


def test_what_comes_with_pip_and_with_timm() -> None:
    told = {entry.name: pretrained_of({"name": entry.name}) for entry in architectures}
    installed = {name for name, weights in told.items() if weights and weights.comes == "installed"}
    assert installed == {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"}
    named = pretrained_of({"name": "timm", "model": "mobilenetv4_conv_small"})
    assert named and (named.license, named.comes) == ("apache-2.0", "weights to download")
    assert pretrained_of({"name": "timm", "model": "no such model"}) is None
