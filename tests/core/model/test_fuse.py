"""Folded networks against the ones they are copies of, with statistics as random as a training leaves them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from core.model.fuse import fused
from core.registry import architectures

OURS = [(name, head) for name in ("efficientnet_lite0", "resnet18", "resnet34") for head in ("linear", "concat")]
TIMMS = {  # how many batch norms are left, as what is before them is no layer, or is used elsewhere too
    "resnet18": 0,
    "mobilenetv3_small_050": 0,
    "tf_efficientnet_lite0": 0,
    "repvgg_a0": 17,
    "densenet121": 62,
    "skresnet18": 0,
    "convnext_atto": 0,
    "test_vit": 0,
}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def trained(model: nn.Module) -> nn.Module:
    """The network in evaluation, with norm layers that do something."""
    generator = torch.Generator().manual_seed(1)
    for module in norms(model):
        for tensor, low in ((module.running_mean, -0.5), (module.running_var, 0.5), (module.bias, -0.5)):
            tensor.data.uniform_(low, low + 1, generator=generator)  # type: ignore[union-attr]
        module.weight.data.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


def norms(model: nn.Module) -> list[_BatchNorm]:
    return [m for m in model.modules() if isinstance(m, _BatchNorm)]


def must_be_equal(model: nn.Module, other: nn.Module, images: Tensor) -> None:
    """In double precision, where only the rounding of the fused weights is left."""
    with torch.inference_mode():
        expected, found = (copy.deepcopy(m).double()(images.double()) for m in (model, other))
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(("name", "head"), OURS)
def test_our_architectures_answer_as_before_without_batch_norms_in_the_body(name: str, head: str) -> None:
    torch.manual_seed(0)
    architecture = architectures.create(name, 5, pretrained=False, head=head)
    for parameter in architecture.head.parameters():  # a linear head begins with zeros
        nn.init.normal_(parameter)
    model = trained(architecture.model)
    copied = fused(model, torch.zeros(2, 3, 64, 64))
    must_be_equal(model, copied, noise(2, 3, 72, 72))
    assert len(norms(copied)) == (2 if head == "concat" else 0)  # in that head they follow a pool and an activation


@pytest.mark.parametrize(("name", "left"), TIMMS.items())
def test_timms_networks_answer_as_before(name: str, left: int) -> None:
    torch.manual_seed(0)
    model = trained(timm.create_model(name, num_classes=5))
    size = 160 if name == "test_vit" else 64
    copied = fused(model, torch.zeros(2, 3, size, size))
    must_be_equal(model, copied, noise(2, 3, size, size))
    assert len(norms(copied)) == left


class Net(nn.Module):
    """A convolution, a norm, and what else a test makes of them."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), norm or nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))  # type: ignore[no-any-return]


class TwoWays(Net):
    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        return self.norm(maps) + maps  # type: ignore[no-any-return]


class ChangedBefore(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).mul_(2).abs_())  # type: ignore[no-any-return]


class NormTwice(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.norm(self.conv(x)))  # type: ignore[no-any-return]


class ConvTwice(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) + self.conv(x.flip(3))  # type: ignore[no-any-return]


class WeightElsewhere(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) + self.conv.weight.sum()  # type: ignore[no-any-return]


class LooksAtItsNorm(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) * self.norm.eps  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", [TwoWays, ChangedBefore, NormTwice, ConvTwice])
def test_a_norm_that_cannot_be_folded_is_left_and_the_next_one_folded(kind: type[Net]) -> None:
    model = trained(nn.Sequential(kind(), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)))
    copied = fused(model, torch.zeros(2, 3, 8, 8))
    must_be_equal(model, copied, noise(2, 3, 8, 8))
    assert len(norms(copied)) == 1


@pytest.mark.parametrize("kind", [WeightElsewhere, LooksAtItsNorm])
def test_a_network_that_would_not_answer_the_same_is_only_copied(kind: type[Net]) -> None:
    model = trained(kind())
    copied = fused(model, torch.zeros(2, 3, 8, 8))
    must_be_equal(model, copied, noise(2, 3, 8, 8))
    assert len(norms(copied)) == 1 and copied is not model


def test_a_norm_without_statistics_is_left() -> None:
    model = Net(nn.BatchNorm2d(4, track_running_stats=False)).eval()
    copied = fused(model, torch.zeros(2, 3, 8, 8))
    must_be_equal(model, copied, noise(2, 3, 8, 8))
    assert len(norms(copied)) == 1


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4, affine=False), timm.layers.BatchNormAct2d(4)])
def test_a_norm_without_weights_and_one_with_an_activation_are_folded(norm: Any) -> None:
    norm.running_mean.copy_(noise(4))
    norm.running_var.copy_(noise(4).abs())
    model = Net(norm).eval()
    copied = fused(model, torch.zeros(2, 3, 8, 8))
    must_be_equal(model, copied, noise(2, 3, 8, 8))
    assert not norms(copied)


def test_a_linear_layer_takes_its_norm_in() -> None:
    model = trained(nn.Sequential(nn.Flatten(), nn.Linear(12, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU()))
    copied = fused(model, torch.zeros(2, 3, 2, 2))
    must_be_equal(model, copied, noise(4, 3, 2, 2))
    assert not norms(copied)


def test_a_network_that_is_in_training_is_not_touched_and_shares_nothing() -> None:
    model = trained(timm.create_model("mobilenetv3_small_050", num_classes=5)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    hooks = sum(len(m._forward_hooks) for m in model.modules())
    random_state = torch.get_rng_state()
    copied = fused(model, torch.zeros(2, 3, 64, 64))
    assert model.training and not copied.training
    assert torch.equal(random_state, torch.get_rng_state())
    assert hooks == sum(len(m._forward_hooks) for m in model.modules())
    for tensor in (*copied.parameters(), *copied.buffers()):
        tensor.data.zero_()
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("name", "head"), OURS)
def test_training_a_copy_with_frozen_stages_trains_the_network(name: str, head: str) -> None:
    torch.manual_seed(0)
    architecture = architectures.create(name, 5, pretrained=False, head=head)
    trained(architecture.model)
    plain = copy.deepcopy(architecture.model)
    images, targets = noise(4, 3, 64, 64), torch.tensor([0, 1, 2, 3])
    moved = []
    for arch in (replace(architecture, model=plain, head=plain.get_submodule(architecture.head_name)), architecture):
        arch.model.requires_grad_(True)
        for parameter in list(arch.model.parameters())[:12]:
            parameter.requires_grad_(False)
        used = arch if arch.model is plain else arch.fused_copy(images, frozen_only=True)
        used.train_mode(False)
        before = copy.deepcopy(arch.model.state_dict())
        torch.manual_seed(1)  # of the head's dropout
        nn.functional.cross_entropy(used.forward(images), targets).backward()
        torch.optim.SGD([p for p in arch.model.parameters() if p.requires_grad], lr=0.1).step()
        moved.append({key: value - before[key] for key, value in arch.model.state_dict().items()})
    assert len(norms(used.model)) < len(norms(plain)), "frozen norms are fused"
    for key, expected in moved[0].items():  # a largest value of the concat head may lie elsewhere after rounding
        error = (moved[1][key] - expected).double().norm() / (expected.double().norm() + 1e-6)
        assert error < (0.05 if head == "concat" else 1e-3), key


def test_a_network_of_which_no_frozen_norm_can_be_fused_is_trained_itself() -> None:
    model = timm.create_model("test_vit", num_classes=5)
    model.patch_embed.requires_grad_(False)
    assert fused(model, torch.zeros(2, 3, 160, 160), frozen_only=True) is model
