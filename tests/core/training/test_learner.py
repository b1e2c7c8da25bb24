"""Learner takes fastai's arguments and assignments, and nothing that it would not use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from core.data.loaders import DataLoaders
from core.data.photo import decode
from core.errors import BadInput
from core.events import StepEnded
from core.model.folder import load_model
from core.registry import transforms
from core.training.learner import Learner
from core.training.loop import fit
from core.training.state import TrainState
from core.training.task import make_optimizer
from core.training.vision_learner import vision_learner
from plugins.losses.cross_entropy import CrossEntropy
from plugins.metrics.accuracy import accuracy
from plugins.metrics.top_k_accuracy import top_k_accuracy

Loaders = Callable[..., DataLoaders]


@pytest.fixture
def learn(make_loaders: Loaders) -> Learner:
    torch.manual_seed(0)
    return small(make_loaders())


def small(dls: DataLoaders, **options: Any) -> Learner:
    return vision_learner(dls, "timm", pretrained=False, model="test_resnet", **options)


def thirds(outputs: Tensor, targets: Tensor, share: float = 3.0) -> Tensor:
    """A metric that is a tensor, as many of fastai's are."""
    return torch.tensor(1 / share)


def test_metrics_may_be_partial_tensors_and_twice_the_same(make_loaders: Loaders) -> None:
    top = partial(top_k_accuracy, k=3)
    learn = small(make_loaders(), metrics=[top, partial(top_k_accuracy, k=1), thirds, partial(thirds, share=2)])
    (epoch,) = learn.fit_one_cycle(1)
    assert list(epoch.metrics) == ["top_k_accuracy", "top_k_accuracy 2", "thirds", "thirds 2"]
    assert epoch.metrics["top_k_accuracy"] == 1 and epoch.metrics["thirds 2"] == 0.5
    assert all(type(value) is float for value in epoch.metrics.values())
    assert list(small(make_loaders(), metrics=top).validate()) == ["valid_loss", "top_k_accuracy"]
    assert list(small(make_loaders(), metrics=None).validate()) == ["valid_loss"]


@pytest.mark.parametrize("metrics", ["accuracy", ["accuracy"], [accuracy, "error_rate"]])
def test_a_metric_is_a_function(metrics: Any, learn: Learner) -> None:
    with pytest.raises(BadInput, match=r"A metric is a function, such as accuracy, .* is not one"):
        learn.metrics = metrics


@pytest.mark.parametrize(
    "loss", [F.cross_entropy, lambda x, y: F.cross_entropy(x, y), partial(F.cross_entropy, label_smoothing=0.0)]
)
def test_a_function_is_a_loss(loss: Any, make_loaders: Loaders) -> None:
    weights = []
    for given in (loss, nn.CrossEntropyLoss()):
        torch.manual_seed(0)
        learn = small(make_loaders(), loss_func=given)
        assert learn.loss_func is given
        learn.fit_one_cycle(1)
        weights.append(torch.cat([p.detach().flatten() for p in learn.model.parameters()]))
    torch.testing.assert_close(weights[0], weights[1])


def test_what_is_set_is_used(learn: Learner) -> None:
    learn.metrics = [accuracy]
    learn.loss_func = lambda logits, targets: (logits * 0).sum() + 7
    assert learn.validate() == {"valid_loss": 7, "accuracy": pytest.approx(learn.metrics[0](*learn.get_preds()))}
    learn.metrics = accuracy
    assert learn.metrics == [accuracy] and list(learn.fit_one_cycle(1)[0].metrics) == ["accuracy"]
    learn.loss_func = None
    assert isinstance(learn.loss_func, CrossEntropy) and learn.validate()["valid_loss"] != 7


def test_other_data_are_trained_on(learn: Learner, make_loaders: Loaders) -> None:
    learn.fit_one_cycle(1)
    before = learn.model
    larger = make_loaders(item_tfms=transforms.create("resize", size=64), bs=6)
    learn.dls = larger
    assert learn.dls is larger and learn.model is before
    learn.fit_one_cycle(1)
    assert len(learn.recorder.losses) == 2 + 4, "20 photos by 10, then by 6"
    assert learn.get_preds()[0].shape == (len(larger.valid.items), 3)


def test_data_of_other_classes_are_refused(learn: Learner, make_loaders: Loaders) -> None:
    other, before = make_loaders(), learn.dls
    other.vocab = ["cat", "dog", "owl"]
    with pytest.raises(BadInput, match="classes cat, dog, owl, but the model has blue, green, red"):
        learn.dls = other
    assert learn.dls is before


@pytest.mark.parametrize("name", ["lr", "metric", "cbs", "path", "vocab"])
def test_what_it_does_not_have_cannot_be_set(name: str, learn: Learner) -> None:
    with pytest.raises(AttributeError, match=f"'{name}'"):
        setattr(learn, name, 1)
    with pytest.raises(AttributeError, match=f"no '{name}'"):
        getattr(learn, name)


@pytest.mark.parametrize(("name", "instead"), [("export", r"learn\.save"), ("load", "load_learner"), ("add_cb", "for")])
def test_what_is_left_out_says_what_to_write(name: str, instead: str, learn: Learner) -> None:
    with pytest.raises(AttributeError, match=f"'{name}'.*{instead}"):
        getattr(learn, name)


def test_the_model_cannot_be_exchanged(learn: Learner) -> None:
    with pytest.raises(AttributeError, match="'model'"):
        learn.model = nn.Identity()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("opt_func", "kind"),
    [
        (torch.optim.SGD, torch.optim.SGD),
        (partial(torch.optim.SGD, momentum=0.9), torch.optim.SGD),
        (partial(torch.optim.AdamW, betas=(0.9, 0.999)), torch.optim.AdamW),
        (torch.optim.RMSprop, torch.optim.RMSprop),
    ],
)
def test_any_optimizer_of_torch(opt_func: Any, kind: type, make_loaders: Loaders) -> None:
    learn = small(make_loaders(), opt_func=opt_func, ema=0)
    assert learn.opt_func is opt_func
    stage_events = fit(state := state_of(learn))
    next(stage_events)
    assert type(state.optimizer) is kind
    before = [p.detach().clone() for p in learn.model.parameters()]
    next(stage_events)
    assert any(not torch.equal(p, q) for p, q in zip(learn.model.parameters(), before, strict=True))
    group = state.optimizer.param_groups[0]
    if "betas" in group:
        assert group["betas"][0] == pytest.approx(0.95) and group["betas"][1] == 0.999
    elif kind is torch.optim.SGD:
        assert group["momentum"] == (pytest.approx(0.95) if isinstance(opt_func, partial) else 0)
    learn.opt_func = torch.optim.Adagrad
    assert learn.task.opt_func is torch.optim.Adagrad


def state_of(learn: Learner) -> TrainState:
    from core.training.task import Stage

    return TrainState(learn.task, [Stage("unfrozen", 1, [1e-2] * len(learn.task.architecture.groups))])


def test_sgd_takes_the_step_of_the_book(make_loaders: Loaders) -> None:
    """One step of plain SGD: each weight less the rate times its gradient."""
    learn = small(make_loaders(bs=64), opt_func=torch.optim.SGD, ema=0, wd=0)
    with torch.no_grad():
        learn.task.architecture.head.weight.normal_(std=0.1)  # type: ignore[operator]
    images, targets, _ = next(learn.dls.train.batches(0))
    head = learn.task.architecture.head.weight
    before = head.detach().clone()
    learn.task.train_mode()
    gradient = torch.autograd.grad(F.cross_entropy(learn.task.architecture.forward(images), targets), head)[0]
    learn.fit(1, 0.1)
    torch.testing.assert_close(head.detach(), before - 0.1 * gradient, rtol=1e-3, atol=1e-5)


def test_fit_keeps_the_rate(learn: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Any] = []
    record = learn.recorder.record
    monkeypatch.setattr(type(learn.recorder), "record", lambda self, event: (events.append(event), record(event)))
    assert len(learn.fit(2, 3e-3)) == 2
    steps = [e for e in events if isinstance(e, StepEnded)]
    assert len(steps) > 2 and {round(s.lr, 12) for s in steps} == {3e-3}
    with pytest.raises(BadInput, match="must be a positive number"):
        learn.fit(1, 0.0)


def test_fit_keeps_the_momentum(learn: Learner) -> None:
    from core.training.schedules import one_cycle, one_cycle_momentum

    for progress in (0.0, 0.3, 1.0):
        assert one_cycle(progress, 1e-3, float("inf"), 1.0) == 1e-3
        assert one_cycle_momentum(progress, float("inf")) == 0.95


@pytest.mark.parametrize(
    ("n", "learns"), [(-1, [0, 0, 1]), (-2, [0, 1, 1]), (1, [0, 1, 1]), (0, [1, 1, 1]), (2, [0, 0, 1])]
)
def test_freeze_to(n: int, learns: list[int], learn: Learner) -> None:
    learn.task.train_bn = False
    learn.freeze_to(n)
    groups = learn.task.architecture.groups
    assert [[p.requires_grad for p in group] for group in groups] == [
        [bool(on)] * len(group) for on, group in zip(learns, groups, strict=True)
    ]
    before = [group[0].detach().clone() for group in groups]
    learn.fit_one_cycle(1, 1e-2)
    changed = [not torch.equal(group[0], old) for group, old in zip(groups, before, strict=True)]
    assert changed == list(map(bool, learns))


@pytest.mark.parametrize("frozen", [0, 2, 99, None])
def test_the_first_stages_stay_as_they_were(frozen: int | None, learn: Learner) -> None:
    """Weights, norm layers and their statistics; the head always learns, and with None the last half of the stages."""
    architecture = learn.task.architecture
    architecture.pretrained = True
    stages = [*architecture.stages, list(architecture.head.parameters())]
    assert {id(p) for stage in stages for p in stage} == {id(p) for p in architecture.model.parameters()}
    before = [[p.detach().clone() for p in stage] for stage in stages]
    learn.fine_tune(1, 1e-2, freeze_epochs=0, frozen_stages=frozen)
    changed = [
        any(not torch.equal(p, old) for p, old in zip(now, then, strict=True))
        for now, then in zip(stages, before, strict=True)
    ]
    fixed = (len(stages) - 1) // 2 if frozen is None else min(frozen, len(stages) - 1)
    assert changed == [i >= fixed for i in range(len(stages))]


@pytest.mark.parametrize("n", [3, -4])
def test_a_group_that_is_not_there(n: int, learn: Learner) -> None:
    with pytest.raises(BadInput, match=f"no parameter group {n} "):
        learn.freeze_to(n)


def test_summary_counts_what_learns(learn: Learner, capsys: pytest.CaptureFixture[str]) -> None:
    learn.freeze_to(-1)
    text = learn.summary()
    assert capsys.readouterr().out.strip() == text
    parameters = sum(p.numel() for p in learn.model.parameters())
    norms = [p for m in learn.task.architecture.body_norms() for p in m.parameters()]
    learning = sum(p.numel() for p in [*learn.task.architecture.groups[-1], *norms])
    assert f"Parameters: {parameters:,}, of which {learning:,} are trainable" in text
    for part in ("photos 40 x 40", "Conv2d", "Linear", "Optimizer: adamw, loss: CrossEntropy"):
        assert part in text
    assert text == learn.summary(), "and it leaves no hooks behind"
    assert not any(m._forward_hooks for m in learn.model.modules())


def test_half_precision_needs_no_asking(learn: Learner) -> None:
    assert learn.to_fp16() is learn


def net(classes: int = 3) -> nn.Sequential:
    """The kind of network that a tutorial builds."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(128, classes),
    )  # fmt: skip


class Viewed(nn.Module):
    """As many write it: `view` of what comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 40 * 40, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.view(x.shape[0], -1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("make", [net, Viewed])
def test_a_network_of_ones_own(make: Callable[[], nn.Module], make_loaders: Loaders) -> None:
    torch.manual_seed(0)
    model, dls = make(), make_loaders(bs=6)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    learn = Learner(dls, model, loss_func=F.cross_entropy, metrics=accuracy, ema=0)
    assert learn.model is model
    images, _ = dls.one_batch()
    torch.testing.assert_close(learn.task.architecture.forward(images), model(images), msg="values in 0..1 as they are")
    before = learn.validate()["valid_loss"]
    epochs = learn.fit_one_cycle(6, 1e-2)
    assert epochs[-1].valid_loss < before
    assert all(not torch.equal(p, start[name]) for name, p in model.named_parameters()), "everything learns"
    assert len(learn.fine_tune(1, freeze_epochs=1)) == 2 and learn.lr_find(num_it=6)
    learn.freeze()
    assert not learn.task.architecture.frozen and all(p.requires_grad for p in model.parameters()), "no body to freeze"
    assert learn.predict(dls.valid.items[0])[2].shape == (3,)
    assert type(model).__name__ in learn.summary() or "Linear" in learn.summary()


def test_a_network_of_ones_own_cannot_be_saved_for_others(make_loaders: Loaders, tmp_path: Path) -> None:
    learn = Learner(make_loaders(), net())
    with pytest.raises(BadInput, match=r"'Sequential' is not a registered architecture.*plugin"):
        learn.save(tmp_path / "model")


@pytest.mark.parametrize("model", [net(classes=4), nn.Flatten(), nn.Conv2d(3, 3, 1)])
def test_a_network_whose_outputs_are_not_the_classes(model: nn.Module, make_loaders: Loaders) -> None:
    with pytest.raises(BadInput, match="outputs per photo, but the data have 3 classes"):
        Learner(make_loaders(), model)


def test_a_loss_is_given_by_its_name(make_loaders: Loaders) -> None:
    with pytest.raises(BadInput, match="loss_func must be a keyword argument"):
        Learner(make_loaders(), net(), nn.CrossEntropyLoss())  # type: ignore[arg-type]


def test_batches_that_are_there_already_are_predicted(learn: Learner) -> None:
    batches = [(images, targets) for images, targets in learn.dls.valid]
    shares, targets = learn.get_preds(dl=batches)
    assert torch.equal(shares, learn.get_preds()[0]) and torch.equal(targets, learn.get_preds()[1])
    assert learn.get_preds(dl=batches[:1])[0].shape == (len(batches[0][0]), 3)
    shares, targets = learn.get_preds(dl=[])
    assert shares.shape == (0, 3) and targets.shape == (0,)
    assert learn.get_preds(dl=learn.dls.test_dl([]))[0].shape == (0, 3)


@pytest.mark.parametrize("of", [Path.read_bytes, str, decode, lambda f: np.array(decode(f)), Image.open])
def test_predict_takes_what_holds_a_photo(of: Any, learn: Learner, tmp_path: Path) -> None:
    file = learn.dls.valid.items[0]
    assert torch.equal(learn.predict(of(file))[2], learn.predict(file)[2])
    learn.save(tmp_path)
    assert torch.equal(load_model(tmp_path).predict(of(file))[2], learn.predict(file)[2])


def test_timms_names_are_architectures(make_loaders: Loaders) -> None:
    for name in ("test_resnet", "test_resnet.r160_in1k"):
        learn = vision_learner(make_loaders(), name, pretrained=False)
        assert learn.choice == {"name": "timm", "model": name, "pretrained": False}
    with pytest.raises(BadInput, match=r"'test_resnet\.nonsense' is neither.*efficientnet_lite0"):
        vision_learner(make_loaders(), "test_resnet.nonsense", pretrained=False)


@pytest.mark.parametrize("function", [Learner, vision_learner])
def test_callbacks_are_refused_with_what_to_write_instead(
    make_loaders: Callable[..., DataLoaders], function: Callable[..., Learner]
) -> None:
    model: Any = "resnet18" if function is vision_learner else nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(BadInput, match=r"^cbs are not offered: .*training\.patience.*MixUp\(\)"):
        function(make_loaders(), model, cbs=[object()], **({"pretrained": False} if function is vision_learner else {}))


def test_an_optimizer_and_its_decay_may_be_given(make_loaders: Callable[..., DataLoaders]) -> None:
    """As in fastai: `opt_func` brings its own decay, and `wd` takes its place."""
    arguments: dict[str, Any] = {"pretrained": False, "model": "test_resnet"}
    for given, decay in (({}, 0.01), ({"opt_func": partial(torch.optim.SGD, momentum=0.9)}, 0.0), ({"wd": 0.2}, 0.2)):
        learn = vision_learner(make_loaders(), "timm", **given, **arguments)
        groups = make_optimizer(learn.task, [1e-3] * len(learn.task.architecture.groups)).param_groups
        assert {group["weight_decay"] for group in groups} == {0.0, decay}
