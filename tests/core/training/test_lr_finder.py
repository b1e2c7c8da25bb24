"""The learning-rate finder: its curve, what is read off it, and that it leaves nothing behind."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.events import Event, LearningRateTried, StageStarted, Suggestion
from core.model.architecture import Architecture
from core.registry import architectures
from core.training.lr_finder import lr_find, minimum, steep, suggest, valley
from core.training.task import Task
from core.training.vision_learner import vision_learner

ALL = (valley, steep, minimum)


class Scripted(nn.Module):
    """A loss that has the values it was given, whatever the network says."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values: Iterator[float] = iter(values)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return logits.sum() * 0 + next(self.values)


@pytest.fixture
def task(make_loaders: Callable[..., DataLoaders]) -> Task:
    architecture: Architecture = architectures.create("timm", 3, model="test_resnet", pretrained=False)
    return Task(architecture, make_loaders(bs=4), Scripted(*[1.0] * 1000))


def curve(task: Task, losses: list[float], num_it: int = 100) -> tuple[list[LearningRateTried], Suggestion]:
    task.loss = Scripted(*losses)
    events = list(lr_find(task, num_it=num_it))
    assert isinstance(events[-1], Suggestion)
    return [e for e in events if isinstance(e, LearningRateTried)], events[-1]


def test_losses_are_smoothed_as_fastai_does(task: Task) -> None:
    tried, _ = curve(task, [3, 2, 1], num_it=3)
    assert [t.loss for t in tried] == pytest.approx([3, 2.494947, 1.986531], abs=5e-6)  # fastai's in float32


def test_rates_grow_by_the_same_factor(task: Task) -> None:
    tried, _ = curve(task, [1.0] * 30, num_it=30)
    assert len(tried) == 30
    assert [t.lr for t in tried] == pytest.approx([1e-7 * 1e8 ** (i / 30) for i in range(30)])
    assert [t.step for t in tried] == list(range(1, 31))


def test_it_stops_when_the_smoothed_loss_is_over_four_times_its_best(task: Task) -> None:
    tried, suggestion = curve(task, [1.0] * 20 + [100.0] * 80)
    assert [t.loss > 4 * tried[0].loss for t in tried] == [False] * (len(tried) - 1) + [True]
    assert len(tried) < 25
    assert set(suggestion.rates.values()) == {None}
    assert "points of the curve" in suggestion.reason


def test_no_suggestion_from_ten_steps(task: Task) -> None:
    _, suggestion = curve(task, [10 - i for i in range(10)], num_it=10)
    assert suggestion.rates == {"valley": None, "steep": None, "minimum": None}
    assert suggestion.reason.startswith("No suggestion: only 4 points")


def test_no_suggestion_from_a_flat_curve(task: Task) -> None:
    _, suggestion = curve(task, [2.0] * 40, num_it=40)
    assert set(suggestion.rates.values()) == {None}
    assert "never fell" in suggestion.reason


def test_no_suggestion_from_a_rising_curve() -> None:
    found = suggest(rates_of(100), [2.0 + i / 50 for i in range(100)], 100, ALL)
    assert set(found.rates.values()) == {None}
    assert "never fell" in found.reason


@pytest.mark.parametrize("at", [0, 7, 30])
def test_it_stops_at_a_loss_that_is_not_a_number(task: Task, at: int) -> None:
    falling = [3 - i / 50 for i in range(100)]
    tried, suggestion = curve(task, [*falling[:at], math.nan, *falling])
    assert len(tried) == at + 1
    assert math.isnan(tried[-1].loss)
    if at < 20:
        assert set(suggestion.rates.values()) == {None} and suggestion.reason
    else:
        assert all(rate and math.isfinite(rate) for rate in suggestion.rates.values())


def test_no_suggestion_from_a_curve_with_gaps() -> None:
    losses = [3 - i / 50 for i in range(100)]
    losses[50] = math.nan
    found = suggest([10**-i for i in range(100)], losses, 100, ALL)
    assert found.rates == {"valley": None, "steep": None, "minimum": None}
    assert "finite" in found.reason


def rates_of(n: int) -> list[float]:
    return [10 ** (-5 + i / 20) for i in range(n)]


def test_minimum_is_a_tenth_of_the_rate_with_the_lowest_loss() -> None:
    losses = [abs(i - 60) + 1.0 for i in range(90)]
    assert minimum(rates_of(90), losses) == pytest.approx(10 ** (-5 + 60 / 20) / 10)


def test_steep_is_where_the_loss_falls_fastest_per_factor() -> None:
    losses = [3.0] * 90
    for i in range(41, 90):
        losses[i] = 2.0
    assert steep(rates_of(90), losses) == rates_of(90)[40]


@pytest.mark.parametrize(
    ("losses", "index"),
    [
        ([90.0 - i for i in range(90)], 44),  # a fall of 90: it starts at -1, then 30 + 15 on
        ([30.0 + i for i in range(30)] + [59.5 - i for i in range(30)], 44),  # starts at 29
        ([30.0 - i for i in range(30)] + [1.0 + i for i in range(60)], 14),  # 30 points from -1: 10 + 5 on
    ],
)
def test_valley_is_fastais(losses: list[float], index: int) -> None:
    """max_end - longest, then int(longest / 3) and half of that on, as in fastai's `valley`, worked out by hand."""
    assert valley(rates_of(len(losses)), losses) == rates_of(len(losses))[index]


def test_valley_skips_over_noise() -> None:
    """The longest fall is a subsequence: single bumps do not cut it."""
    smooth = [90.0 - i for i in range(90)]
    bumpy = [x + (20 if i % 10 == 5 else 0) for i, x in enumerate(smooth)]
    a, b = (math.log10(valley(rates_of(90), losses)) for losses in (smooth, bumpy))
    assert a == pytest.approx(b, abs=0.5)


def test_suggestions_leave_out_the_first_tenth_and_the_last_five() -> None:
    losses = [0.0] * 10 + [3 - i / 50 for i in range(85)] + [-5.0] * 5
    found = suggest(rates_of(100), losses, 100, ALL)
    assert found.rates["minimum"] == pytest.approx(rates_of(100)[94] / 10)
    assert found.rates["valley"] == rates_of(100)[10:][-1 + 28 + 14]  # a fall of 85
    assert found.reason == ""


def test_only_what_is_asked_for_is_suggested(task: Task) -> None:
    task.loss = Scripted(*(3 - i / 50 for i in range(100)))
    *_, last = lr_find(task, suggest_funcs=(minimum, steep))
    assert isinstance(last, Suggestion)
    assert list(last.rates) == ["minimum", "steep"]


class State:
    """What must be the same before and after."""

    def __init__(self, task: Task) -> None:
        model = task.architecture.model
        self.weights = copy.deepcopy(model.state_dict())
        self.learning = [p.requires_grad for p in model.parameters()]
        self.random = torch.get_rng_state()
        self.epochs_seen = task.epochs_seen

    def assert_same(self, other: State) -> None:
        assert self.weights.keys() == other.weights.keys()
        assert all(torch.equal(self.weights[name], other.weights[name]) for name in self.weights)
        assert self.learning == other.learning
        assert torch.equal(self.random, other.random)
        assert self.epochs_seen == other.epochs_seen


def run_to_the_end(events: Iterator[Event]) -> None:
    assert sum(1 for _ in events) > 3


def close_half_way(events: Iterator[Event]) -> None:
    for event in events:
        if isinstance(event, LearningRateTried) and event.step == 2:
            break
    events.close()  # type: ignore[attr-defined]


def close_at_once(events: Iterator[Event]) -> None:
    assert isinstance(next(events), StageStarted)
    events.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("consume", [run_to_the_end, close_half_way, close_at_once])
@pytest.mark.parametrize("frozen", [True, False])
def test_nothing_is_left_behind(task: Task, consume: Callable[[Iterator[Event]], None], frozen: bool) -> None:
    task.loss = nn.CrossEntropyLoss()
    if frozen:
        task.architecture.freeze(train_bn=True)
    else:
        task.architecture.unfreeze()
    before, seen = State(task), []

    def watched() -> Iterator[Event]:
        events = lr_find(task, num_it=4, start_lr=0.1)
        try:
            for event in events:
                seen.append(copy.deepcopy(task.architecture.model.state_dict()))
                torch.rand(3)  # dropout and its like move the random state
                yield event
        finally:
            events.close()  # type: ignore[attr-defined]

    consume(watched())
    before.assert_same(State(task))
    if consume is not close_at_once:  # it did train in between, norm statistics included
        assert any(not torch.equal(seen[-1][n], w) for n, w in before.weights.items() if "running_mean" in n)
        assert any(not torch.equal(seen[-1][n], w) for n, w in before.weights.items() if n.endswith("fc.weight"))
    assert all(p.grad is None for p in task.architecture.model.parameters())


def test_an_error_in_the_middle_leaves_nothing_behind_either(task: Task) -> None:
    before = State(task)
    task.loss = Scripted(2.0, 1.0)
    with pytest.raises(RuntimeError):
        list(lr_find(task))
    before.assert_same(State(task))


def test_a_learner_remembers_the_curve(make_loaders: Callable[..., DataLoaders], tmp_path: Path) -> None:
    learn = vision_learner(make_loaders(bs=20), "efficientnet_lite0")
    suggestion = learn.lr_find(num_it=40, start_lr=1e-5, end_lr=1)
    assert suggestion._fields == ("valley", "steep", "minimum")  # type: ignore[attr-defined]  # as fastai's
    assert all(rate is not None and 1e-6 <= rate <= 1 for rate in suggestion)
    learn.recorder.plot_lr_find().save(tmp_path / "curve.png")
    again = learn.lr_find(num_it=40, start_lr=1e-5, end_lr=1)
    assert again == suggestion  # so nothing was left behind
    assert len(learn.recorder.tried) <= 40


def test_photos_that_cannot_be_read_end_it(task: Task, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    task.dls.train.items = [broken] * len(task.dls.train.items)
    with pytest.raises(BadInput, match="None of the training photos could be read"):
        list(lr_find(task))


@pytest.mark.parametrize(("low", "high"), [(1e-2, 1e-3), (1e-2, 1e-2), (0, 1), (-1e-3, 1), (1e-3, math.nan)])
def test_rates_must_grow_from_above_zero(task: Task, low: float, high: float) -> None:
    with pytest.raises(BadInput, match="must grow from above zero"):
        list(lr_find(task, low, high))
