"""The loop: what learns in which stage, that parts of a batch are the batch, and that it can be repeated to the bit."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.data.loaders import DataLoaders
from core.device import CPU_MICRO_BATCH
from core.events import EpochEnded, Event, PhotoSkipped, StageStarted, StepEnded
from core.model.architecture import Architecture
from core.model.head import NORMS
from core.recipe import Recipe
from core.registry import architectures, transforms
from core.runs.run import Run
from core.runs.train import train
from core.training.average import Average
from core.training.fine_tune import LR_DIVISOR, fine_tuning
from core.training.loop import Diverged, fit
from core.training.lr_finder import lr_find
from core.training.schedules import one_cycle, one_cycle_momentum
from core.training.state import TrainState
from core.training.step import step
from core.training.task import Stage, Task, make_optimizer
from core.training.validate import validate
from plugins.losses.cross_entropy import CrossEntropy
from tests.matrix import thinned

MakeTask = Callable[..., Task]


def body_and_head(task: Task) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Copies of the state outside the head and in it."""
    own = {id(t) for t in (*task.architecture.head.parameters(), *task.architecture.head.buffers())}
    state = task.architecture.model.state_dict(keep_vars=True)
    head = {k: v.detach().clone() for k, v in state.items() if id(v) in own}
    return {k: v.detach().clone() for k, v in state.items() if id(v) not in own}, head


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def run_stage(task: Task, rate: float = 1e-2, epochs: int = 1) -> list[Event]:
    return list(fit(TrainState(task, [Stage("test", epochs, [rate] * len(task.architecture.groups))])))


@pytest.mark.parametrize("head", ["linear", "concat"])
def test_the_frozen_stage_touches_the_head_alone(make_task: MakeTask, head: str) -> None:
    task = make_task(head=head)
    task.architecture.freeze()
    body, own = body_and_head(task)
    run_stage(task)
    after = body_and_head(task)
    assert changed(body, after[0]) == set()  # weights and the statistics of norm layers alike
    assert changed(own, after[1]) == set(own)


def test_train_bn_trains_the_norm_layers_of_a_frozen_body_alone(make_task: MakeTask) -> None:
    task = make_task(train_bn=True)
    task.architecture.freeze(task.train_bn)
    norms = {n for n, m in task.architecture.model.named_modules() if isinstance(m, NORMS)}
    body, _ = body_and_head(task)
    run_stage(task)
    moved = changed(body, body_and_head(task)[0])
    assert {name.rpartition(".")[0] for name in moved} == norms
    assert any(n.endswith(".weight") for n in moved) and any(n.endswith(".running_mean") for n in moved)


@pytest.mark.parametrize("train_bn", [False, True])
def test_unfrozen_everything_learns_and_statistics_rest_unless_asked(make_task: MakeTask, train_bn: bool) -> None:
    task = make_task(train_bn=train_bn)
    task.architecture.unfreeze()
    body, own = body_and_head(task)
    run_stage(task)
    after = body_and_head(task)
    statistics = {n for n in body if "running" in n or "num_batches" in n}
    assert statistics
    assert changed(body, after[0]) == set(body) - (set() if train_bn else statistics)
    assert changed(own, after[1]) == set(own)


def test_random_weights_train_their_statistics_in_any_case(make_loaders: Callable[..., DataLoaders]) -> None:
    architecture: Architecture = architectures.create("timm", 3, model="test_resnet", pretrained=False)
    task = Task(architecture, make_loaders(), CrossEntropy())
    body, _ = body_and_head(task)
    run_stage(task)
    assert any("running_mean" in name for name in changed(body, body_and_head(task)[0]))


def test_fine_tune_freezes_then_unfreezes(make_task: MakeTask) -> None:
    task = make_task()
    body, _ = body_and_head(task)
    seen = []
    for event in fit(TrainState(task, fine_tuning(task, epochs=2, base_lr=2e-3, freeze_epochs=1, lr_mult=100))):
        if isinstance(event, StageStarted):
            seen.append((event.name, event.epochs, event.rates, bool(changed(body, body_and_head(task)[0]))))
    assert [s[0] for s in seen] == ["features", "frozen", "unfrozen"]
    assert [s[1] for s in seen] == [1, 1, 2]
    assert seen[1][2] == pytest.approx(
        [2e-4 / LR_DIVISOR, 2e-4 / LR_DIVISOR, 2e-3 / LR_DIVISOR]
    )  # fastai's, but for that
    assert seen[2][2] == pytest.approx([1e-5, 1e-4, 1e-3])
    assert [s[3] for s in seen] == [False, False, False]
    assert changed(body, body_and_head(task)[0])


def test_the_rate_follows_one_cycle(make_task: MakeTask) -> None:
    steps = [e for e in run_stage(make_task(), rate=1e-3, epochs=3) if isinstance(e, StepEnded)]
    assert [e.step for e in steps] == list(range(1, 7))  # 20 photos in batches of 10
    assert {e.total for e in steps} == {6}
    assert [e.lr for e in steps] == pytest.approx([one_cycle(i / 6, 1e-3) for i in range(6)])


def test_no_photo_is_dropped_and_figures_are_of_all(make_task: MakeTask) -> None:
    task = make_task(bs=8)
    events = run_stage(task)
    steps, (end,) = ([e for e in events if isinstance(e, t)] for t in (StepEnded, EpochEnded))
    assert len(steps) == 3  # 20 photos: 7, 6, 7
    sizes = [len(batch) for batch in task.dls.train.order(0)]
    assert sum(sizes) == 20 and max(sizes) - min(sizes) <= 1
    assert end.train_loss == pytest.approx(sum(s.loss * n for s, n in zip(steps, sizes, strict=True)) / 20)
    loss, metrics = validate(task)
    assert (end.valid_loss, end.metrics) == (pytest.approx(loss), metrics)


def generators(task: Task) -> Iterator[Iterator[Event]]:
    yield fit(TrainState(task, fine_tuning(task, 1, 1e-3)))
    yield lr_find(task, num_it=3)
    task.architecture.freeze()
    yield fit(TrainState(task, [Stage("frozen", 1, [1e-3] * 3)]))


def test_it_never_yields_with_gradients_off(make_task: MakeTask) -> None:
    seen = 0
    for events in generators(make_task()):
        for _ in events:
            seen += 1
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
            assert not torch.is_autocast_enabled("cpu")
    assert seen > 10


def gradient(task: Task) -> dict[str, Tensor]:
    """The gradient of the first batch, summed over the backward passes of one step."""
    images, targets, _ = next(task.dls.train.batches(0))
    total: dict[str, Tensor] = {}

    def add(name: str, grad: Tensor) -> None:
        total[name] = total.get(name, torch.zeros_like(grad)) + grad

    hooks = [
        p.register_hook(lambda g, n=n: add(n, g))
        for n, p in task.architecture.model.named_parameters()
        if p.requires_grad
    ]
    step(task, make_optimizer(task, [1e-3] * 3), images, targets, [1e-3] * 3, 0.9)
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("part", thinned([1, 3, 7, 64], {3, 64}.__contains__))
def test_a_batch_in_parts_has_the_gradient_of_the_batch(make_task: MakeTask, part: int, frozen: bool) -> None:
    whole, parts = make_task(), make_task(micro_batch=part)
    if frozen:
        whole.architecture.freeze()
        parts.architecture.freeze()
    expected, got = gradient(whole), gradient(parts)
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-3, atol=1e-5, msg=name)
    for (name, a), b in zip(
        whole.architecture.model.state_dict().items(), parts.architecture.model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=name)


def test_the_gradient_is_that_of_plain_torch(make_task: MakeTask) -> None:
    task = make_task()
    images, targets, _ = next(task.dls.train.batches(0))
    model = copy.deepcopy(task.architecture.model).eval()
    mean, std = (torch.tensor(s).view(1, 3, 1, 1) for s in (task.architecture.mean, task.architecture.std))
    nn.functional.cross_entropy(model((images - mean) / std), targets).backward()
    got = gradient(task)
    for name, p in model.named_parameters():
        torch.testing.assert_close(got[name], p.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_a_step_is_adamw_written_by_hand(make_task: MakeTask) -> None:
    """Loshchilov & Hutter 2019, algorithm 2, with the momentum of the cycle; three steps of one epoch and another."""
    task = make_task(weight_decay=0.1)
    rates = [1e-3, 2e-3, 4e-3]
    model = copy.deepcopy(task.architecture.model).double().eval()
    of = {id(p): i for i, group in enumerate(task.architecture.groups) for p in group}
    place = {n: of[id(p)] for n, p in task.architecture.model.named_parameters()}
    mean, std = (torch.tensor(s).view(1, 3, 1, 1) for s in (task.architecture.mean, task.architecture.std))
    first = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    second = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    batches = itertools.chain(task.dls.train.batches(0), task.dls.train.batches(1))
    for i, (images, targets, _) in enumerate(batches):
        model.zero_grad()
        nn.functional.cross_entropy(model(((images - mean) / std).double()), targets).backward()
        b1, b2 = one_cycle_momentum(i / 4), 0.99
        for n, p in model.named_parameters():
            assert p.grad is not None
            lr = one_cycle(i / 4, rates[place[n]])
            first[n] = b1 * first[n] + (1 - b1) * p.grad
            second[n] = b2 * second[n] + (1 - b2) * p.grad**2
            m, v = first[n] / (1 - b1 ** (i + 1)), second[n] / (1 - b2 ** (i + 1))
            decay = 0.1 if p.ndim > 1 else 0.0
            p.data = p.data - lr * (m / (v.sqrt() + 1e-5) + decay * p.data)
    list(fit(TrainState(task, [Stage("test", 2, rates)])))
    for n, p in task.architecture.model.named_parameters():
        torch.testing.assert_close(p.double(), model.get_parameter(n), rtol=1e-3, atol=2e-4, msg=n)


@pytest.mark.parametrize(
    ("name", "options"),
    [("efficientnet_lite0", {"head": "concat"}), ("timm", {"model": "test_vit", "pretrained": False})],
)
def test_norm_layers_and_biases_do_not_decay(
    make_loaders: Callable[..., DataLoaders], name: str, options: dict[str, Any]
) -> None:
    architecture: Architecture = architectures.create(name, 3, **options)
    task = Task(architecture, make_loaders(), CrossEntropy(), weight_decay=0.05)
    exempt = {
        id(p)
        for module in architecture.model.modules()
        for n, p in module.named_parameters(recurse=False)
        if isinstance(module, NORMS) or n == "bias"
    }
    decay = {
        id(p): group["weight_decay"] for group in make_optimizer(task, [1e-3] * 3).param_groups for p in group["params"]
    }
    assert decay.keys() == {id(p) for p in architecture.model.parameters()}  # each once: torch refuses doubles
    assert exempt
    assert {decay[i] for i in exempt} == {0.0}
    weights = {id(m.weight) for m in architecture.model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))}
    assert {decay[i] for i in weights} == {0.05}


def test_a_frozen_body_is_not_in_the_optimizer(make_task: MakeTask) -> None:
    task = make_task()
    task.architecture.freeze()
    learning = {id(p) for group in make_optimizer(task, [1e-3] * 3).param_groups for p in group["params"]}
    assert learning == {id(p) for p in task.architecture.head.parameters()}


def test_a_photo_that_cannot_be_read_is_skipped_and_said(
    make_task: MakeTask, make_loaders: Callable[..., DataLoaders], tmp_path: Any
) -> None:
    task = make_task()
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 not much of a photo")
    items = list(task.dls.train.items)
    items[3] = broken
    task.dls.train.items = items
    events = run_stage(task)
    assert [e.path for e in events if isinstance(e, PhotoSkipped)] == [str(broken)]
    (end,) = (e for e in events if isinstance(e, EpochEnded))
    assert math.isfinite(end.train_loss)


def test_the_model_ends_as_the_running_mean_of_its_weights(make_task: MakeTask) -> None:
    """Each mean keeps min(ema, (1 + t) / (10 + t)) of the one before, from where the stage began."""
    task = make_task(ema=0.3)
    weight = task.architecture.head.weight
    expected = weight.detach().clone()
    for event in fit(TrainState(task, [Stage("test", 3, [1e-2] * 3)])):
        if isinstance(event, StepEnded):
            keep = min(0.3, (1 + event.step) / (10 + event.step))
            expected = keep * expected + (1 - keep) * weight.detach()  # type: ignore[operator]
            last = weight.detach().clone()
        if isinstance(event, EpochEnded):
            valid_loss = event.valid_loss
            assert torch.equal(weight, last)  # the loop goes on from the last step, not from the mean
    torch.testing.assert_close(weight.detach(), expected)
    assert not torch.allclose(weight, last, atol=1e-4)
    assert validate(task)[0] == pytest.approx(valid_loss)  # what was scored is what is left


def test_without_the_mean_the_model_is_that_of_the_last_step(make_task: MakeTask) -> None:
    task = make_task(ema=0.0)
    for event in fit(TrainState(task, [Stage("test", 2, [1e-2] * 3)])):
        if isinstance(event, StepEnded):
            last = body_and_head(task)
    after = body_and_head(task)
    assert changed(last[0], after[0]) == changed(last[1], after[1]) == set()


def weights_after(recipe: dict[str, Any], workspace: Any) -> bytes:
    run = Run.create(Recipe.from_dict(recipe), workspace)
    for _ in train(run):
        pass
    return bytes((run.folder / "model.safetensors").read_bytes())


def test_same_recipe_and_seed_give_the_same_weights_to_the_last_bit(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Any
) -> None:
    architecture = {"name": "timm", "model": "test_resnet", "pretrained": False, "head": "concat"}
    recipe = recipe_dict(architecture=architecture)
    first = weights_after(recipe, tmp_path / "a")
    torch.manual_seed(99)  # nor what was drawn before
    assert weights_after(recipe, tmp_path / "b") == first
    assert weights_after(recipe_dict({"seed": 1}, architecture=architecture), tmp_path / "a") != first


def test_the_number_of_workers_does_not_change_the_batches(make_loaders: Callable[..., DataLoaders]) -> None:
    augment = transforms.create("aug_transforms", size=32, min_scale=0.5)
    one, many = (make_loaders(batch_tfms=augment, workers=n).train for n in (1, 6))
    for (a, x, i), (b, y, j) in zip(one.batches(3), many.batches(3), strict=True):
        assert torch.equal(a, b) and torch.equal(x, y) and i == j
    assert not torch.equal(next(one.batches(4))[0], a)


WEIGHTS = torch.tensor([0.2, 1.0, 5.0])


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropy(),
        CrossEntropy(torch.tensor([9, 4, 1]), class_weights="balanced", label_smoothing=0.1),
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(weight=WEIGHTS),
        nn.CrossEntropyLoss(reduction="sum"),
        nn.MultiMarginLoss(reduction="sum"),
    ],
    ids=["ours", "ours_weighted", "plain", "weighted", "sum", "another"],
)
def test_a_large_batch_on_the_cpu_has_the_loss_and_gradient_of_the_whole(make_task: MakeTask, loss: nn.Module) -> None:
    """Parts are taken where they add up to it, and only there."""
    task = make_task(bs=20)
    task.loss = loss
    images, targets, _ = next(task.dls.train.batches(0))
    assert len(targets) > CPU_MICRO_BATCH
    model = copy.deepcopy(task.architecture.model).eval()
    expected = loss(model(task.architecture.normalise(images)), targets)
    expected.backward()
    got = gradient(task)
    for name, p in model.named_parameters():
        assert p.grad is not None
        torch.testing.assert_close(got[name], p.grad, rtol=2e-3, atol=2e-5 * max(1, p.grad.abs().max()), msg=name)
    task = make_task(bs=20)
    task.loss = loss
    returned = step(task, make_optimizer(task, [1e-3] * 3), images, targets, [1e-3] * 3, 0.9)
    assert returned.value == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("count", "part"), thinned([(9, 4), (9, 8), (9, 2), (3, 2), (5, 3), (2, 4)], {(9, 8), (9, 2), (5, 3)}.__contains__)
)
@pytest.mark.parametrize("frozen", [False, True])
def test_no_part_is_too_small_for_the_norms_of_a_head(make_task: MakeTask, count: int, part: int, frozen: bool) -> None:
    task = make_task(head="concat", micro_batch=part)
    if frozen:
        task.architecture.freeze()
    images, targets, _ = next(task.dls.train.batches(0))
    optimizer = make_optimizer(task, [1e-3] * 3)
    assert math.isfinite(step(task, optimizer, images[:count], targets[:count], [1e-3] * 3, 0.9).value)


class NotANumberAt(nn.Module):
    """Cross-entropy until the given call, and then nan."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.left = call

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        self.left -= 1
        return nn.functional.cross_entropy(logits, targets) * (1.0 if self.left else math.nan)


def test_a_loss_that_is_not_a_number_ends_the_run_at_its_step(make_task: MakeTask) -> None:
    task = make_task()
    task.loss = NotANumberAt(2)
    steps = 0
    with pytest.raises(Diverged, match=r"nan at step 2 of 4 of the stage 'test'; lower the learning rate\.$"):
        for event in fit(TrainState(task, [Stage("test", 2, [1e-3] * 3)])):
            steps += isinstance(event, StepEnded)
    assert steps == 1


def test_the_mean_follows_its_sequence_and_takes_in_statistics() -> None:
    """It keeps 2/11, then 3/12, then 0.3 of what it was, by hand."""
    layer = nn.BatchNorm1d(1)
    average = Average(layer, 0.3)
    weight, statistic = 1.0, 0.0
    for value, keep in ((5.0, 2 / 11), (-3.0, 3 / 12), (2.0, 0.3)):
        with torch.no_grad():
            layer.weight.fill_(value)
            layer.running_mean.fill_(10 * value)  # type: ignore[union-attr]
            layer.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        average.update()
        weight, statistic = keep * weight + (1 - keep) * value, keep * statistic + (1 - keep) * 10 * value
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ZeroDivisionError), average.applied():
        assert layer.weight.item() == pytest.approx(weight)
        assert layer.running_mean.item() == pytest.approx(statistic)  # type: ignore[union-attr]
        assert layer.num_batches_tracked.item() == 3  # type: ignore[union-attr]
        raise ZeroDivisionError
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name]), name
    with average.applied():
        assert layer.weight.item() == pytest.approx(weight)  # nor did the mean change


@pytest.mark.parametrize("head", ["linear", "concat"])
def test_what_a_body_exempts_does_not_decay_under_any_head(head: str, make_loaders: Callable[..., DataLoaders]) -> None:
    options = {"model": "tiny_vit_5m_224", "head": head, "pretrained": False}
    architecture: Architecture = architectures.create("timm", 3, **options)
    task = Task(architecture, make_loaders(), CrossEntropy(), weight_decay=0.05)
    groups = make_optimizer(task, [1e-3] * 3).param_groups
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    biases = [p for name, p in architecture.model.named_parameters() if "attention_biases" in name]
    assert biases and not any(id(p) in decayed for p in biases)


def test_what_the_model_exempts_does_not_decay(make_task: MakeTask) -> None:
    """timm's convention: `no_weight_decay()` names parameters."""
    task = make_task(weight_decay=0.1)
    model: Any = task.architecture.model
    name, exempt = next((n, p) for n, p in model.named_parameters() if p.ndim > 1)
    model.no_weight_decay = lambda: {name}
    groups = make_optimizer(task, [1e-3] * 3).param_groups
    (decay,) = {group["weight_decay"] for group in groups for p in group["params"] if p is exempt}
    assert decay == 0
    assert {group["weight_decay"] for group in groups} == {0.0, 0.1}
