"""A step that has no memory takes smaller parts of the same batch; one whose loss is no number leaves no trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.device import CPU_MICRO_BATCH
from core.errors import BadInput
from core.events import EpochEnded, Event, Notice, StepEnded
from core.training.fine_tune import fine_tuning
from core.training.loop import Diverged, fit
from core.training.lr_finder import lr_find
from core.training.out_of_memory import halve_micro_batch
from core.training.state import TrainState
from core.training.task import Stage, Task
from tests.matrix import thinned

MakeTask = Callable[..., Task]


class SmallMemory:
    """A model in training that runs out of memory above a number of photos; `seen` are those it was given."""

    def __init__(self, task: Task, photos: int, error: type[BaseException] = torch.OutOfMemoryError) -> None:
        self.photos, self.error = photos, error
        self.seen: list[int] = []
        first = next(m for m in task.architecture.model.modules() if isinstance(m, nn.Conv2d))
        first.register_forward_pre_hook(self.limited)  # a copy of the network has it too

    def limited(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not torch.is_inference_mode_enabled():
            self.seen.append(len(inputs[0]))
            if len(inputs[0]) > self.photos:
                raise self.error("CUDA out of memory")


def trained(task: Task, frozen: bool = False) -> list[Event]:
    """Two epochs of one stage."""
    return list(fit(TrainState(task, [Stage("test", 2, [5e-3] * 3, frozen=frozen)])))


def losses(events: list[Event]) -> list[float]:
    return [e.loss for e in events if isinstance(e, StepEnded)]


def weights_of(task: Task) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in task.architecture.model.state_dict().items()}


@pytest.mark.parametrize(
    ("fits", "parts"),
    thinned([(9, [5]), (5, [5]), (4, [5, 2]), (2, [5, 2]), (1, [5, 2, 1])], lambda case: case[0] in (9, 1)),
)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_batch_that_does_not_fit_is_halved_until_it_does(
    make_task: MakeTask, fits: int, parts: list[int], frozen: bool
) -> None:
    """The step itself is the same: its norm layers rest, so the parts add up to the batch."""
    task = make_task(micro_batch=10)
    memory = SmallMemory(task, fits)
    events = trained(task, frozen)
    notices = [e.message for e in events if isinstance(e, Notice)]
    before = [10, *parts]
    assert [n.split(":")[0] for n in notices] == [f"Out of memory with {b} photos at once" for b in before[:-1]]
    assert [f"from now on {p}, " in n for n, p in zip(notices, parts, strict=True)] == [True] * len(parts)
    assert not any("norm layers" in n for n in notices)
    assert events.index(Notice(notices[-1])) == len(notices), "after the stage began, and before its first step"
    assert task.micro_batch == parts[-1]
    assert all(photos > fits for photos in memory.seen[: len(notices)])
    assert all(photos <= fits for photos in memory.seen[len(notices) :]), "nor is a larger part tried again"
    other = make_task(micro_batch=parts[-1])
    expected = trained(other, frozen)
    assert len(losses(events)) == 4 and losses(events) == losses(expected)
    for name, value in weights_of(other).items():
        assert torch.equal(weights_of(task)[name], value), name
    whole = trained(make_task(micro_batch=10), frozen)
    assert losses(events) == pytest.approx(losses(whole), rel=1e-4)
    ends = [[e.valid_loss for e in run if isinstance(e, EpochEnded)] for run in (events, whole)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


def test_memory_that_runs_out_in_a_later_part_leaves_no_half_of_a_gradient(make_task: MakeTask) -> None:
    """The first half of the batch fitted, and what it added must not count twice."""
    task = make_task(micro_batch=5)
    memory = SmallMemory(task, 5)
    features = task.architecture.model.forward_features

    def short_in_the_second_part(images: Tensor) -> Tensor:
        memory.photos = 2 if len(memory.seen) == 1 else 5
        return features(images)  # type: ignore[no-any-return]

    task.architecture.model.forward_features = short_in_the_second_part
    events = trained(task)
    assert sum(isinstance(e, Notice) for e in events) == 1 and memory.seen[:7] == [5, 5, 2, 2, 2, 2, 2]
    assert losses(events) == losses(trained(make_task(micro_batch=2)))


def test_memory_that_runs_out_at_a_later_step_leaves_the_steps_before_as_they_were(make_task: MakeTask) -> None:
    task = make_task(micro_batch=10)
    memory = SmallMemory(task, 10)
    events: list[Event] = []
    for event in fit(TrainState(task, [Stage("test", 2, [5e-3] * 3)])):
        events.append(event)
        if isinstance(event, StepEnded) and event.step == 2:
            memory.photos = 5
    (said,) = (i for i, e in enumerate(events) if isinstance(e, Notice))
    before = [e.step for e in events[:said] if isinstance(e, StepEnded)]
    assert before == [1, 2] and [e.step for e in events if isinstance(e, StepEnded)] == [1, 2, 3, 4]
    whole = trained(make_task(micro_batch=10))
    assert losses(events)[:2] == losses(whole)[:2]
    assert losses(events) == pytest.approx(losses(whole), rel=1e-4)


def test_the_part_that_was_chosen_by_itself_is_halved(make_task: MakeTask) -> None:
    """20 photos go in two parts of 10, the most that a CPU takes being 16; then in three, the most being 8."""
    task = make_task(bs=20)
    memory = SmallMemory(task, 9)
    (notice,) = (e.message for e in trained(task) if isinstance(e, Notice))
    assert notice.startswith(
        f"Out of memory with {CPU_MICRO_BATCH} photos at once: from now on {CPU_MICRO_BATCH // 2}, "
    )
    assert memory.seen == [10, *[7, 7, 6] * 2]


def test_a_single_photo_that_does_not_fit_is_the_end_in_one_sentence(make_task: MakeTask) -> None:
    task = make_task(micro_batch=10)
    before = weights_of(task)
    SmallMemory(task, 0)
    with pytest.raises(BadInput, match=r"^Out of memory with one photo; choose smaller photos, or .*\.$"):
        trained(task)
    assert all(torch.equal(before[name], value) for name, value in weights_of(task).items())


@pytest.mark.parametrize(("head", "train_bn"), [("concat", False), ("linear", True)])
def test_norm_layers_in_training_are_said_to_see_less_and_take_two_at_least(
    make_task: MakeTask, head: str, train_bn: bool
) -> None:
    task = make_task(micro_batch=10, head=head, train_bn=train_bn)
    SmallMemory(task, 1)
    notices: list[str] = []
    with pytest.raises(BadInput, match=r"^Out of memory with two photos .* norm layers in train mode can take;"):
        for event in fit(TrainState(task, [Stage("test", 2, [5e-3] * 3, frozen=False)])):
            notices += [event.message] if isinstance(event, Notice) else []
    assert [n.partition("; ")[2] for n in notices] == [
        f"norm layers in train mode see {p} photos at a time." for p in (5, 2)
    ]
    task = make_task(micro_batch=10, head=head, train_bn=train_bn)
    SmallMemory(task, 3)  # a batch of 10 in parts of about 2
    assert len(losses(trained(task))) == 4


def test_a_head_with_norms_over_a_frozen_body_may_see_one_photo_at_a_time(make_task: MakeTask) -> None:
    """The body is taken in parts and the head gets all of it, so its norm layers see the batch."""
    task = make_task(micro_batch=10, head="concat")
    SmallMemory(task, 1)
    events = trained(task, frozen=True)
    assert [e.message.partition("; ")[2] for e in events if isinstance(e, Notice)] == [""] * 3
    assert task.micro_batch == 1
    whole = trained(make_task(micro_batch=10, head="concat"), frozen=True)
    assert losses(events) == pytest.approx(losses(whole), rel=1e-3)


@pytest.mark.parametrize("left", [2, 3])
def test_fewer_photos_than_a_part_are_what_is_halved(make_task: MakeTask, left: int) -> None:
    """A batch of which some vanished may be smaller than a part; half of that part could be more than it has."""
    task = make_task(micro_batch=10)
    task.architecture.train_mode(train_bn=False)
    assert halve_micro_batch(task, left).startswith(f"Out of memory with {left} photos at once: from now on 1, ")
    assert task.micro_batch == 1


def test_another_error_is_not_taken_for_no_memory(make_task: MakeTask) -> None:
    task = make_task()
    memory = SmallMemory(task, 0, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        trained(task)
    assert len(memory.seen) == 1
    assert all(p.grad is None for p in task.architecture.model.parameters())


class NoNumberAt(nn.Module):
    """Cross-entropy, and at one call of those that learn something that is no number."""

    def __init__(self, call: int, value: float) -> None:
        super().__init__()
        self.left, self.value = call, value

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(logits, targets)
        if not torch.is_inference_mode_enabled():
            self.left -= 1
        return loss if self.left else loss * self.value


@pytest.fixture(params=[math.nan, math.inf], ids=["nan", "inf"])
def no_number(request: pytest.FixtureRequest) -> Iterator[float]:
    """What a loss may become."""
    yield request.param


@pytest.mark.parametrize("k", thinned(range(1, 5), {1, 4}.__contains__))
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_loss_that_is_no_number_names_its_step_and_moves_no_weight(
    make_task: MakeTask, no_number: float, k: int, ema: float
) -> None:
    task = make_task(ema=ema)
    task.loss = NoNumberAt(k, no_number)
    state = TrainState(task, [Stage("first", 0, [1e-2] * 3), Stage("second", 2, [1e-2] * 3)], "valid_loss")
    before, steps, kept = weights_of(task), [], 0
    with pytest.raises(Diverged, match=rf"^The loss became {no_number} at step {k} of 4 of the stage 'second'; lower"):
        for event in fit(state):
            if isinstance(event, StepEnded):
                before = weights_of(task)
                steps.append(event.step)
            kept += isinstance(event, EpochEnded) and event.best
    assert steps == list(range(1, k)) and state.step == k - 1
    for name, value in weights_of(task).items():
        assert torch.equal(value, before[name]) and torch.isfinite(value).all(), name
    assert state.average is not None and all(torch.isfinite(mean).all() for mean in state.average.means)
    assert state.average.updates == k - 1
    assert (state.best is not None) == (k > 2) == bool(kept)


ONE = r"training.micro_batch is 1, but norm layers .+ set it to 0"


@pytest.mark.parametrize("options", [{"head": "concat"}, {"train_bn": True}])
def test_norm_layers_in_training_are_not_given_one_photo(make_task: MakeTask, options: dict[str, Any]) -> None:
    task = make_task(micro_batch=1, **options)
    with pytest.raises(BadInput, match=ONE):
        TrainState(task, fine_tuning(task, 1, 5e-3, 1))  # before any step of any stage
    task.architecture.unfreeze()
    with pytest.raises(BadInput, match=ONE):
        TrainState(task, [Stage("all", 1, [1e-3] * 3)])
    with pytest.raises(BadInput, match=ONE):
        next(lr_find(task))


@pytest.mark.parametrize(("head", "epochs"), [("linear", 1), ("concat", 0)])
def test_one_photo_at_a_time_is_enough_where_no_norm_layer_sees_a_part(
    make_task: MakeTask, head: str, epochs: int
) -> None:
    task = make_task(micro_batch=1, head=head)
    events = list(fit(TrainState(task, fine_tuning(task, epochs, 5e-3, 1, features=False))))
    assert sum(isinstance(event, StepEnded) for event in events) == 2 * (1 + epochs)
