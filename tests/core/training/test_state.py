"""A training is put away after any step and taken up to the last bit, finishes early, and keeps its best epoch."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from core.errors import BadInput
from core.events import EpochEnded, Event, PhotoSkipped, StageStarted, StepEnded, Validated
from core.recipe import LAST
from core.registry import transforms
from core.training.fine_tune import fine_tuning
from core.training.loop import Diverged, fit
from core.training.optimizer_state import restore_optimizer
from core.training.schedules import FINISH_SHARE, one_cycle
from core.training.state import Finish, TrainState
from core.training.task import Stage, Task
from core.training.validate import validate
from plugins.metrics.accuracy import accuracy
from tests.matrix import thinned

MakeTask = Callable[..., Task]
MakeState = Callable[[], TrainState]
PutAway = tuple[bytes, str]
Weights = dict[str, Tensor]


def put_away(state: TrainState) -> PutAway:
    """All of a state as it lies on a disk."""
    return save(state.tensors()), json.dumps(state.document())


def taken_up(make: MakeState, kept: PutAway) -> TrainState:
    """The state in another process: nothing there is as it was."""
    state = make()
    with torch.no_grad():
        for tensor in state.task.architecture.model.state_dict().values():
            tensor.add_(1)
    torch.manual_seed(99)
    random.seed(99)
    np.random.seed(99)
    state.restore(load(kept[0]), json.loads(kept[1]))
    return state


def weights_of(state: TrainState) -> Weights:
    """A copy of the weights and statistics."""
    return {k: v.detach().clone() for k, v in state.task.architecture.model.state_dict().items()}


def assert_same(got: Weights, expected: Weights) -> None:
    assert got.keys() == expected.keys()
    assert [name for name, value in expected.items() if not torch.equal(got[name], value)] == []


def said(events: list[Event]) -> list[Any]:
    """The figures of events, without how long anything took."""
    found: list[Any] = []
    for event in events:
        if isinstance(event, EpochEnded):
            found.append((event.epoch, event.train_loss, event.valid_loss, event.metrics, event.best))
        else:
            found.append(event)
    return found


SHAPES = {
    "linear": {"ema": 0.0},
    "linear_mean": {"ema": 0.9},
    "concat_dropout_train_bn": {"ema": 0.0, "head": "concat", "train_bn": True},
    "concat_dropout_train_bn_mean": {"ema": 0.9, "head": "concat", "train_bn": True},
    "parts": {"ema": 0.9, "micro_batch": 3},
    "photos": {"ema": 0.9, "features": False},
    "features_concat_dropout": {"ema": 0.9, "head": "concat"},
    "mixed": {"ema": 0.9, "mixing": ("mixup", "cutmix")},
}


@pytest.fixture
def fine_tuned(make_task: MakeTask) -> Callable[..., MakeState]:
    """How to make the state of a quick fine-tuning with augmentation: 2 steps an epoch, 1 epoch and then 2."""
    augment = transforms.create("aug_transforms", size=32, min_scale=0.6)

    def choose(
        best_by: str = "valid_loss",
        patience: int = 0,
        features: bool = True,
        mixing: tuple[str, ...] = (),
        **options: Any,
    ) -> MakeState:
        def make() -> TrainState:
            task = make_task(batch_tfms=[*augment, *map(transforms.create, mixing)], **options)
            return TrainState(task, fine_tuning(task, 2, 5e-3, 1, features=features), best_by, patience)

        return make

    return choose


ALWAYS = {"concat_dropout_train_bn", "parts", "features_concat_dropout"}


@pytest.mark.parametrize("shape", thinned(SHAPES, ALWAYS.__contains__))
def test_a_state_put_away_after_any_step_goes_on_to_the_last_bit(
    fine_tuned: Callable[..., MakeState], shape: str
) -> None:
    make = fine_tuned(**SHAPES[shape])
    whole = make()
    events: list[Event] = []
    kept: list[tuple[int, PutAway]] = []
    for event in fit(whole):
        events.append(event)
        if isinstance(event, (StepEnded, EpochEnded)):
            kept.append((len(events), put_away(whole)))
    expected = weights_of(whole)
    head_epochs = max(1, whole.stages[0].head_epochs)
    assert len(kept) == 2 * head_epochs + 4 + 3
    for position, content in kept[:: 2 if head_epochs == 1 else 5]:
        state = taken_up(make, content)
        assert said(list(fit(state))) == said(events[position:])
        assert_same(weights_of(state), expected)
        assert whole.best is not None and state.best is not None
        assert (state.best.stage, state.best.epoch, state.best.value) == (
            whole.best.stage,
            whole.best.epoch,
            whole.best.value,
        )
        assert_same(state.best.weights, whole.best.weights)
        assert torch.equal(state.best.outputs.logits, whole.best.outputs.logits)
        assert state.best.outputs.indices == whole.best.outputs.indices


def accelerators() -> list[str]:
    found = torch.accelerator.current_accelerator(check_available=True)
    return [found.type] if found else []


@pytest.mark.parametrize("device", accelerators() or [pytest.param("", marks=pytest.mark.skip("no accelerator here"))])
@pytest.mark.parametrize("features", [True, False])
def test_a_state_is_taken_up_on_an_accelerator(
    fine_tuned: Callable[..., MakeState], device: str, features: bool
) -> None:
    make = fine_tuned(ema=0.9, device=device, features=features)
    whole = make()
    kept = [put_away(whole) for event in fit(whole) if isinstance(event, (StepEnded, EpochEnded))]
    for content in kept[::3]:
        state = taken_up(make, content)
        list(fit(state))
        for name, value in weights_of(whole).items():
            torch.testing.assert_close(weights_of(state)[name], value, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(("fused", "where"), [(True, "meta"), (False, "cpu")])
def test_the_state_of_an_optimizer_is_where_torch_wants_it(fused: bool, where: str) -> None:
    """A fused step takes its count beside the parameter, another one on the CPU."""
    cpu = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    trained = torch.optim.AdamW(cpu.parameters(), fused=True)
    cpu(torch.rand(1, 3, 5, 5)).sum().backward()
    trained.step()
    kept = {f"{i}.{slot}": t for i, slots in trained.state_dict()["state"].items() for slot, t in slots.items()}
    elsewhere = nn.Conv2d(3, 4, 3, device="meta").to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(elsewhere.parameters())
    for group in optimizer.param_groups:
        group["fused"] = fused  # which its maker refuses for "meta"
    restore_optimizer(optimizer, load(save({name: tensor.contiguous() for name, tensor in kept.items()})))
    slots = optimizer.state[elsewhere.weight]
    assert (slots["exp_avg"].device.type, slots["exp_avg_sq"].device.type) == ("meta", "meta")
    assert slots["step"].device.type == where
    assert slots["exp_avg"].stride() == elsewhere.weight.stride() != elsewhere.weight.contiguous().stride()


def test_a_state_put_away_is_not_changed_by_what_it_became(fine_tuned: Callable[..., MakeState]) -> None:
    make = fine_tuned(ema=0.9)
    first = make()
    walk = fit(first)
    next(event for event in walk if isinstance(event, StepEnded))
    tensors, document = first.tensors(), json.loads(json.dumps(first.document()))
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    state = make()
    state.restore(tensors, document)
    list(fit(state))
    assert_same(tensors, kept)


@pytest.mark.parametrize("name", ["0.exp_avg", "99.exp_avg"])
def test_the_state_of_another_networks_optimizer_is_refused(name: str) -> None:
    optimizer = torch.optim.AdamW(nn.Linear(2, 3).parameters(), fused=True)
    with pytest.raises((ValueError, IndexError)):
        restore_optimizer(optimizer, {name: torch.zeros(4, 4)})


@pytest.mark.parametrize("kind", [StageStarted, Validated])
@pytest.mark.parametrize("number", thinned([1, 2], {2}.__contains__))
def test_a_state_left_in_the_middle_of_something_goes_on_to_the_last_bit(
    fine_tuned: Callable[..., MakeState], kind: type[Event], number: int
) -> None:
    """Closing the loop puts the weights back that were exchanged for the mean while it validates."""
    make = fine_tuned(ema=0.9)
    whole = make()
    everything = list(fit(whole))
    left = make()
    walk = fit(left)
    seen = 0
    for event in walk:
        if isinstance(event, StepEnded):
            before = weights_of(left)
        seen += isinstance(event, kind)
        if seen == number:
            break
    walk.close()
    if kind is Validated:
        assert_same(weights_of(left), before)
    state = taken_up(make, put_away(left))
    rest = said(list(fit(state)))
    assert rest and rest == said(everything)[-len(rest) :]
    assert_same(weights_of(state), weights_of(whole))


def test_putting_away_changes_nothing(fine_tuned: Callable[..., MakeState]) -> None:
    make = fine_tuned(ema=0.9, head="concat")
    watched, plain = make(), make()
    torch.manual_seed(5)
    for _ in fit(watched):
        put_away(watched)
    torch.manual_seed(5)
    list(fit(plain))
    assert_same(weights_of(watched), weights_of(plain))


def test_what_is_drawn_next_is_what_would_have_been(fine_tuned: Callable[..., MakeState]) -> None:
    make = fine_tuned()
    state = make()
    kept = put_away(state)
    expected = (torch.rand(3).tolist(), random.random(), np.random.rand(3).tolist())
    taken_up(make, kept)
    assert (torch.rand(3).tolist(), random.random(), np.random.rand(3).tolist()) == expected


def test_a_state_that_is_done_stays_done(fine_tuned: Callable[..., MakeState]) -> None:
    make = fine_tuned()
    whole = make()
    list(fit(whole))
    state = taken_up(make, put_away(whole))
    assert state.done and list(fit(state)) == []
    assert_same(weights_of(state), weights_of(whole))
    assert state.restore_best().value == whole.restore_best().value


STEPS, FALL = 30, 3  # of a stage below; of those that an early finish takes
RATES = [1e-3, 2e-3, 4e-3]


@pytest.fixture
def two_stages(make_task: MakeTask) -> MakeState:
    """A training of two stages with 10 steps in each of 3 epochs."""

    def make() -> TrainState:
        stages = [Stage("one", 3, RATES, frozen=True), Stage("two", 3, RATES, frozen=False)]
        return TrainState(make_task(bs=2), stages, "valid_loss")

    return make


def finishing(state: TrainState, stage: int, step: int) -> tuple[Finish, list[Event]]:
    """What is promised after a step of a stage, and what happens from there on."""
    walk = fit(state)
    for event in walk:
        if isinstance(event, StepEnded) and (state.stage, event.step) == (stage, step):
            break
    return state.finish_early(), list(walk)


@pytest.mark.parametrize(
    ("stage", "step"),
    thinned(
        product((0, 1), (1, 9, 15, 28, STEPS - 1, STEPS)),
        {(0, 1), (0, 9), (0, STEPS), (1, 28)}.__contains__,
        "{0[0]}-{0[1]}".format,
    ),
)
def test_an_early_finish_brings_the_rate_down_in_the_steps_it_promised(
    two_stages: MakeState, stage: int, step: int
) -> None:
    """Asked in the warm-up, in the middle of an epoch or before its end, and when nothing is left."""
    assert round(FINISH_SHARE * STEPS) == FALL
    state = two_stages()
    promised, events = finishing(state, stage, step)
    assert promised == Finish(stage, step, min(FALL, STEPS - step))
    steps = [e for e in events if isinstance(e, StepEnded)]
    assert [e.step for e in steps] == list(range(step + 1, step + promised.steps + 1))
    if steps:
        rates = [one_cycle(step / STEPS, RATES[-1]), *(e.lr for e in steps)]
        assert all(later < earlier for earlier, later in pairwise(rates))
        assert rates[-1] == pytest.approx(RATES[-1] / 1e5)
        after = events[events.index(steps[-1]) + 1 :]
    else:
        after = events
    assert [type(e) for e in after] == [Validated, Validated, EpochEnded]  # of 4 photos, two at once
    assert not [e for e in events if isinstance(e, StageStarted)] and state.done
    assert state.best is not None and state.best.stage == ("one", "two")[stage]


def test_every_group_falls_to_its_own_end(two_stages: MakeState) -> None:
    state = two_stages()
    walk = fit(state)
    for event in walk:
        if isinstance(event, StepEnded) and (state.stage, event.step) == (1, 12):
            break
    state.finish_early()
    for event in walk:
        if isinstance(event, StepEnded):
            assert state.optimizer is not None
            used = {group["layers"]: group["lr"] for group in state.optimizer.param_groups}
            momentum = {group["betas"][0] for group in state.optimizer.param_groups}
    assert used == pytest.approx({layers: rate / 1e5 for layers, rate in enumerate(RATES)})
    assert list(momentum) == pytest.approx([0.95])
    assert state.done


@pytest.mark.parametrize("asked", [Validated, EpochEnded])
@pytest.mark.parametrize("epoch", [0, 2])
def test_an_early_finish_asked_while_nothing_is_learnt(two_stages: MakeState, asked: type[Event], epoch: int) -> None:
    """After its last epoch there is no step left, and nothing to validate again."""
    state = two_stages()
    walk = fit(state)
    for event in walk:
        if isinstance(event, asked) and (state.epoch - (asked is EpochEnded)) == epoch:
            break
    promised = state.finish_early()
    rest = list(walk)
    steps = [e.step for e in rest if isinstance(e, StepEnded)]
    assert promised == Finish(0, 10 * (epoch + 1), FALL if epoch == 0 else 0)
    assert steps == list(range(10 * (epoch + 1) + 1, 10 * (epoch + 1) + promised.steps + 1))
    assert sum(isinstance(e, EpochEnded) for e in rest) == (asked is Validated) + (epoch == 0)
    assert not [e for e in rest if isinstance(e, StageStarted)] and state.done


@pytest.mark.parametrize("done", thinned(range(FALL + 1), {2}.__contains__))
def test_an_early_finish_put_away_in_the_middle_ends_the_same(two_stages: MakeState, done: int) -> None:
    whole = two_stages()
    _, expected = finishing(whole, 1, 9)  # the fall goes over the end of an epoch
    state = two_stages()
    walk = fit(state)
    asked = 0
    for event in walk:
        if isinstance(event, StepEnded) and state.stage == 1 and event.step == 9:
            state.finish_early()
        if isinstance(event, StepEnded) and state.stage == 1 and event.step == 9 + done:
            asked = event.step
            break
    assert asked == 9 + done
    walk.close()
    other = taken_up(two_stages, put_away(state))
    rest = said(list(fit(other)))
    assert rest and rest == said(expected)[-len(rest) :]
    assert other.done
    assert_same(weights_of(other), weights_of(whole))


def test_an_early_finish_put_away_before_its_validation_has_a_model_to_keep(two_stages: MakeState) -> None:
    state = two_stages()
    walk = fit(state)
    for event in walk:
        if isinstance(event, StepEnded) and event.step == 4:
            state.finish_early()
        if isinstance(event, StepEnded) and event.step == 4 + FALL:
            break
    walk.close()
    other = taken_up(two_stages, put_away(state))
    events = list(fit(other))
    assert isinstance(events[-1], EpochEnded)
    assert other.restore_best().epoch == 0


@pytest.mark.parametrize("asked", [StepEnded, Validated])
def test_no_stage_follows_an_early_finish_that_patience_overtakes(make_task: MakeTask, asked: type[Event]) -> None:
    """The fall over 2 steps, an epoch each, has not ended when the stage does."""
    task = make_task(bs=20)
    task.loss = ScoredLoss([0.1] + [0.2] * 100)
    stages = [Stage("one", 20, [1e-2] * 3), Stage("two", 20, [1e-2] * 3)]
    state = TrainState(task, stages, "valid_loss", patience=1)
    begun = []
    for event in fit(state):
        if isinstance(event, StageStarted):
            begun.append(event.name)
        if isinstance(event, asked) and state.stage == 0 and state.epoch == 1 and state.finish is None:
            assert state.finish_early().steps == 2
    assert begun == ["one"]


class Scored:
    """A metric that has the values it was given, whatever the network says."""

    def __init__(self, values: list[float]) -> None:
        self.values = iter(values)

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        return next(self.values)


class ScoredLoss(nn.Module):
    """Cross-entropy to learn from, and values it was given to be judged by."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = iter(values)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        if torch.is_inference_mode_enabled():
            return torch.tensor(next(self.values))
        return nn.functional.cross_entropy(logits, targets)


def judged(make_task: MakeTask, by: str, values: list[float], epochs: int = 2, patience: int = 0) -> TrainState:
    """Two stages whose epochs have these scores one after the other, by the measure that they are judged by."""
    metrics = {by: Scored(values)} if by in ("f1_macro", "macro_error") else {}
    task = make_task(metrics=metrics, ema=0.0)
    task.loss = ScoredLoss(values if not metrics else [1.0] * len(values))
    stages = [Stage("one", epochs, [1e-2] * 3), Stage("two", epochs, [1e-2] * 3)]
    return TrainState(task, stages, by, patience)


@pytest.mark.parametrize(
    ("by", "flags", "best"),
    [
        ("valid_loss", [True, False, True, False], ("two", 0, 0.1)),
        ("macro_error", [True, False, True, False], ("two", 0, 0.1)),
        ("f1_macro", [True, True, False, False], ("one", 1, 0.3)),
        (LAST, [True, True, True, True], ("two", 1, None)),
    ],
)
def test_the_best_epoch_of_all_stages_is_kept(
    make_task: MakeTask, by: str, flags: list[bool], best: tuple[str, int, float | None]
) -> None:
    """Of two that are equally good the first is kept."""
    state = judged(make_task, by, [0.2, 0.3, 0.1, 0.1 if by != "f1_macro" else 0.3])
    epochs: list[tuple[str, EpochEnded, Weights]] = []
    for event in fit(state):
        if isinstance(event, EpochEnded):
            epochs.append((state.now.name, event, weights_of(state)))
    assert [event.best for _, event, _ in epochs] == flags
    kept = state.restore_best()
    assert (kept.stage, kept.epoch) == best[:2]
    assert best[2] is None or kept.value == pytest.approx(best[2])
    (weights,) = (w for stage, event, w in epochs if (stage, event.epoch) == best[:2])
    assert_same(weights_of(state), weights)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_model_of_the_best_epoch_scores_what_that_epoch_scored(make_task: MakeTask, ema: float) -> None:
    """The second epoch is the best by a scripted figure, so that it is not the last by the real one."""
    task = make_task(metrics={"f1_macro": Scored([0.1, 0.9, 0.5, 0.7])}, ema=ema)
    state = TrainState(task, [Stage("test", 4, [2e-2] * 3)], "f1_macro")
    losses = [event.valid_loss for event in fit(state) if isinstance(event, EpochEnded)]
    assert len(set(losses)) == 4
    best = state.restore_best()
    assert best.epoch == 1
    assert task.loss(best.outputs.logits, best.outputs.targets).item() == losses[1]
    task.metrics = {}
    assert validate(task) == (pytest.approx(losses[1], rel=1e-6), {})


def test_without_a_measure_no_epoch_is_kept(make_task: MakeTask) -> None:
    state = judged(make_task, "", [0.3, 0.2, 0.1, 0.1])
    assert not [e for e in fit(state) if isinstance(e, EpochEnded) and e.best]
    with pytest.raises(BadInput, match="no model to keep"):
        state.restore_best()


@pytest.mark.parametrize(("by", "sign"), [("valid_loss", 1), ("macro_error", 1), ("f1_macro", -1)])
def test_patience_ends_the_stage_and_not_the_run(make_task: MakeTask, by: str, sign: int) -> None:
    """Each stage is measured by its own best: 0.5 is worse than all of the first, and yet the second begins with it."""
    values = [0.1, 0.3, 0.2, *(0.5, 0.4, 0.45, 0.35, 0.38, 0.36)]  # better than the one before is not enough
    state = judged(make_task, by, [sign * v for v in values], epochs=8, patience=2)
    stages: dict[str, list[int]] = {}
    for event in fit(state):
        if isinstance(event, StageStarted):
            stages[event.name] = []
        if isinstance(event, EpochEnded):
            stages[state.now.name].append(event.epoch)
    assert stages == {"one": [0, 1, 2], "two": [0, 1, 2, 3, 4, 5]}
    assert state.best is not None and (state.best.stage, state.best.epoch) == ("one", 0)


def test_patience_is_put_away_with_the_rest(make_task: MakeTask) -> None:
    values = [0.1, 0.2, 0.3, 0.5, 0.6, 0.7]
    state = judged(make_task, "valid_loss", values, epochs=8, patience=2)
    walk = fit(state)
    epochs = (e for e in walk if isinstance(e, EpochEnded))
    next(epochs), next(epochs)  # one epoch was worse
    kept = put_away(state)
    walk.close()
    other = taken_up(lambda: judged(make_task, "valid_loss", values[2:], epochs=8, patience=2), kept)
    ended = [(e.epoch, e.valid_loss) for e in fit(other) if isinstance(e, EpochEnded)]
    assert ended == [(2, pytest.approx(0.3)), *((i, pytest.approx(v)) for i, v in enumerate(values[3:]))]


def test_the_last_is_kept_and_patience_goes_by_the_loss(make_task: MakeTask) -> None:
    state = judged(make_task, LAST, [0.3, 0.2, 0.25, 0.5, 0.4, 0.45], epochs=6, patience=1)
    assert [e.best for e in fit(state) if isinstance(e, EpochEnded)] == [True] * 6
    assert state.restore_best().value == pytest.approx(0.45)


@pytest.mark.parametrize(("losses", "best"), [([0.3, 0.2, 0.25], 1), ([0.2, 0.3, 0.25], 0), ([0.3, 0.3, 0.3], 0)])
def test_of_epochs_that_score_the_same_the_one_of_the_smallest_loss_is_kept(
    make_task: MakeTask, losses: list[float], best: int
) -> None:
    task = make_task(metrics={"f1_macro": Scored([0.75, 0.75, 0.75])}, ema=0.0)
    task.loss = ScoredLoss(losses)
    state = TrainState(task, [Stage("test", 3, [1e-2] * 3)], "f1_macro")
    list(fit(state))
    assert state.restore_best().epoch == best


def test_a_measure_need_not_be_shown(make_task: MakeTask) -> None:
    task = make_task(metrics={}, ema=0.0)
    state = TrainState(task, [Stage("test", 2, [1e-2] * 3)], "accuracy")
    assert [e.metrics for e in fit(state) if isinstance(e, EpochEnded)] == [{}, {}]
    best = state.restore_best()
    assert best.value == accuracy(best.outputs.logits, best.outputs.targets)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_validation_loss_that_is_no_number_ends_the_run_and_the_best_stays(make_task: MakeTask, value: float) -> None:
    task = make_task(ema=0.9)
    task.loss = ScoredLoss([0.5, value])
    state = TrainState(task, [Stage("test", 3, [1e-2] * 3)], "valid_loss")
    epochs = 0
    with pytest.raises(Diverged, match=rf"^The validation loss became {value} in epoch 1 of the stage 'test'; lower"):
        for event in fit(state):
            epochs += isinstance(event, EpochEnded)
            if isinstance(event, StepEnded):
                last = weights_of(state)
    assert epochs == 1 and state.epoch == 1
    assert_same(weights_of(state), last)  # not the mean, which was there for the validation
    best = state.restore_best()
    assert (best.epoch, best.value) == (0, 0.5)
    assert all(torch.isfinite(w).all() for w in best.weights.values())


@pytest.fixture
def vanished(make_task: MakeTask, tmp_path: Path) -> Iterator[tuple[MakeState, int, set[str]]]:
    """Two epochs of 4 batches, the second and the last of whose first epoch cannot be read at all.

    Their photos are spread over the second epoch, which may leave one in a batch: the head takes that.
    """
    gone: set[str] = set()

    def make() -> TrainState:
        task = make_task(bs=5, ema=0.9)
        loader = task.dls.train
        lost = {i for batch in (1, 3) for i in loader.order(0)[batch]}
        loader.items = [tmp_path / f"gone_{i}.jpg" if i in lost else item for i, item in enumerate(loader.items)]
        gone.update(str(tmp_path / f"gone_{i}.jpg") for i in lost)
        return TrainState(task, [Stage("test", 2, [1e-2] * 3)], "valid_loss")

    yield make, 8, gone


def test_a_batch_of_vanished_photos_has_its_number_and_no_step(vanished: tuple[MakeState, int, set[str]]) -> None:
    make, total, gone = vanished
    state = make()
    readable = [any(str(state.task.dls.train.items[i]) not in gone for i in b) for b in state.task.dls.train.order(1)]
    expected = [1, 3, *(5 + i for i, some in enumerate(readable) if some)]
    events = list(fit(state))
    steps = [e for e in events if isinstance(e, StepEnded)]
    assert [e.step for e in steps] == expected and {e.total for e in steps} == {total}
    assert [e.lr for e in steps] == pytest.approx([one_cycle((n - 1) / total, 1e-2) for n in expected])
    ends = [i for i, e in enumerate(events) if isinstance(e, EpochEnded)]
    assert {e.path for e in events[: ends[0]] if isinstance(e, PhotoSkipped)} == gone and len(gone) == 10
    first = steps[:2]
    end = events[ends[0]]
    assert isinstance(end, EpochEnded) and end.train_loss == pytest.approx(sum(s.loss for s in first) / 2)


def test_a_state_goes_on_beside_a_batch_of_vanished_photos(vanished: tuple[MakeState, int, set[str]]) -> None:
    make, _, _ = vanished
    whole = make()
    kept, events = [], []
    for event in fit(whole):
        events.append(event)
        if isinstance(event, (StepEnded, EpochEnded)):
            kept.append((len(events), put_away(whole)))
    for position, content in kept[::2]:
        state = taken_up(make, content)
        assert said(list(fit(state))) == said(events[position:])  # photos that were skipped are said once, or again
        assert_same(weights_of(state), weights_of(whole))


def test_the_gradient_of_a_step_without_memory_for_its_optimizer_is_forgotten(make_task: MakeTask) -> None:
    """AdamW asks for its memory in the first step of a stage: twice what the weights take."""

    def first_gradient(fails: bool) -> Tensor:
        task = make_task()
        walk = fit(TrainState(task, [Stage("test", 1, [1e-2] * 3)]))
        left, found = int(fails), torch.empty(0)

        def at_step(*_: Any) -> None:
            nonlocal left, found
            found = task.architecture.head.weight.grad.clone()  # type: ignore[union-attr,operator]
            left -= 1
            if left == 0:
                raise torch.OutOfMemoryError

        handle = register_optimizer_step_pre_hook(at_step)
        try:
            while not isinstance(next(walk), StepEnded):
                pass
        finally:
            handle.remove()
        return found

    torch.testing.assert_close(first_gradient(True), first_gradient(False), rtol=1e-3, atol=1e-5)


def test_a_batch_of_which_one_photo_is_left_does_not_end_the_run(make_task: MakeTask, tmp_path: Path) -> None:
    """The norm layers of the head cannot take one photo alone."""
    task = make_task(bs=5, head="concat")
    loader = task.dls.train
    lost = loader.order(0)[1][1:]
    loader.items = [tmp_path / "gone.jpg" if i in lost else item for i, item in enumerate(loader.items)]
    events = list(fit(TrainState(task, [Stage("test", 1, [1e-2] * 3, frozen=True)])))
    assert isinstance(events[-1], EpochEnded)


def test_photos_that_all_vanish_are_a_sentence(make_task: MakeTask, tmp_path: Path) -> None:
    task = make_task()
    task.dls.train.items = [tmp_path / f"gone_{i}.jpg" for i in range(len(task.dls.train.items))]
    with pytest.raises(BadInput, match="None of the training photos could be read"):
        list(fit(TrainState(task, [Stage("test", 1, [1e-2] * 3)])))
