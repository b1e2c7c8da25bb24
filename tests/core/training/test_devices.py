"""What an accelerator does otherwise than a CPU: late losses, lower precision, other limits; with stand-ins for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import distributed as dist
from torch import nn

from core.device import DTYPES
from core.errors import BadInput
from core.events import EpochEnded, Event, Notice, StepEnded, drain
from core.recipe import Recipe
from core.registry import transforms
from core.runs.plan import Plan, examined_photos
from core.runs.run import Run
from core.runs.stop_signals import StopSignals
from core.training.learner import Learner
from core.training.loop import Diverged, fit
from core.training.parallel import ALONE, World
from core.training.state import TrainState
from core.training.step import step
from core.training.task import Stage, Task, make_optimizer
from core.training.validate import validate
from tests.core.stand_in import apple_gpu, described

MakeTask = Callable[..., Task]
LATE = {"precisions": ("fp32", "bf16", "fp16"), "fused": True}  # not a host: its losses are read one step late


def begun(make_task: MakeTask, **options: Any) -> TrainState:
    task = make_task(bs=7, head="concat", ema=0.9, batch_tfms=transforms.create("aug_transforms", size=32), **options)
    return TrainState(task, [Stage("test", 2, [5e-3] * 3, frozen=False)], "valid_loss")


def figures(events: list[Event]) -> list[tuple[int, float]]:
    """The number and the loss of each step, and the loss of each epoch."""
    steps = [(e.step, e.loss) for e in events if isinstance(e, StepEnded)]
    return [*steps, *((-e.epoch, e.valid_loss) for e in events if isinstance(e, EpochEnded))]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_late_losses_change_neither_events_nor_checkpoints(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setitem(DTYPES, "fp16", "bfloat16")  # scaled all the same; in fp16 a CPU is a hundred times slower
    at_once = figures(list(fit(begun(make_task, precision=precision))))
    with described(**LATE):
        state = begun(make_task, precision=precision)
        events: list[Event] = []
        kept = []
        for event in fit(state):
            events.append(event)
            if isinstance(event, (StepEnded, EpochEnded)):
                kept.append((len(events), save(state.tensors()), json.dumps(state.document())))
        assert [number for number, _ in figures(events)] == [number for number, _ in at_once]
        first, at_once_first = figures(events)[0], at_once[0]  # later, what rounding changes in a batch has grown
        assert first == pytest.approx(at_once_first, rel=2e-2)
        for position, tensors, document in kept[1::5]:
            again = begun(make_task, precision=precision)
            again.restore(load(tensors), json.loads(document))
            assert figures(list(fit(again))) == figures(events[position:])
            for name, weight in again.task.architecture.model.state_dict().items():
                assert torch.equal(weight, state.task.architecture.model.state_dict()[name]), name
    assert (json.loads(document)["scaler"] is not None) == (precision == "fp16")


def test_a_late_loss_that_is_not_finite_names_its_step_and_changes_no_weight(make_task: MakeTask) -> None:
    with described(**LATE):
        state = begun(make_task, micro_batch=4)
        state.task.loss = _Counted(state.task.loss, [])
        with pytest.raises(Diverged, match=r"^The loss became nan at step 3 of "):
            list(fit(state))
        assert all(p.isfinite().all() for p in state.task.architecture.model.parameters())


class _Counted(nn.Module):
    """A loss that is not a number in the third step of two micro-batches."""

    def __init__(self, loss: nn.Module, calls: list[int]) -> None:
        super().__init__()
        self.loss, self.calls = loss, calls

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> Any:
        self.calls.append(1)
        return self.loss(logits, targets) * (float("nan") if len(self.calls) == 6 else 1.0)


def test_a_padded_batch_has_the_loss_and_gradient_of_its_photos(make_task: MakeTask) -> None:
    def weights(count: int) -> tuple[float, dict[str, torch.Tensor], list[int]]:
        task, seen = make_task(bs=10), []
        task.architecture.model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
        images, targets, _ = next(task.dls.train.batches(0))
        loss = step(task, make_optimizer(task, [1e-3] * 3), images[:count], targets[:count], [1e-3] * 3, 0.9).value
        return loss, {k: v.clone() for k, v in task.architecture.model.state_dict().items()}, seen

    expected, want, plain = weights(4)
    with described(**LATE):
        loss, found, seen = weights(4)
    assert plain == [4] and seen == [make_task(bs=10).full_batch] and loss == pytest.approx(expected, rel=1e-5)
    for name, value in want.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_the_chapter_runs_with_what_an_apple_gpu_has(make_task: MakeTask) -> None:
    """Border padding, float64 and fused optimizers raise here, as there."""
    with apple_gpu():
        task = make_task(batch_tfms=transforms.create("aug_transforms", size=32, pad_mode="border"))
        learn = Learner(task.dls, task.architecture, metrics=task.metrics["accuracy"])
        learn.freeze()
        assert len(learn.fit_one_cycle(1, 1e-3)) == 1
        assert learn.lr_find(num_it=4) is not None and len(learn.recorder.tried) == 4
        label, index, _ = learn.predict(task.dls.valid.items[0])
        assert learn.dls.vocab[index] == label
        with pytest.raises(BadInput, match="Stand-in computes in fp32, fp16"):
            make_task(precision="bf16")


def test_what_is_reported_is_what_the_saved_model_does(make_task: MakeTask) -> None:
    """Training computes in bf16; validation, interpretation and predictor in fp32."""
    task = make_task(precision="bf16")
    (end,) = (e for e in fit(TrainState(task, [Stage("test", 1, [5e-3] * 3)])) if isinstance(e, EpochEnded))
    assert validate(task)[0] == pytest.approx(end.valid_loss, rel=1e-6)
    learn = Learner(task.dls, task.architecture)
    predictor, (shares, _) = learn.predictor(), learn.get_preds()
    each = torch.stack([predictor.predict(item)[2] for item in task.dls.valid.items])
    torch.testing.assert_close(each, shares, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frozen", [True, False])
def test_memory_that_runs_out_while_a_batch_is_made_takes_smaller_micro_batches(
    make_task: MakeTask, frozen: bool
) -> None:
    task, left = make_task(micro_batch=10), [2]
    read = task.dls.train.pipeline.apply_batch_tfms

    def short(images: torch.Tensor, training: bool) -> torch.Tensor:
        left[0] -= training
        if left[0] == 0:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")
        return read(images, training)

    task.dls.train.pipeline.apply_batch_tfms = short  # type: ignore[method-assign]
    events = list(fit(TrainState(task, [Stage("test", 2, [5e-3] * 3, frozen=frozen)])))
    (notice,) = (e.message for e in events if isinstance(e, Notice))
    assert notice.startswith("Out of memory with 10 photos at once: from now on 5, ") and task.micro_batch == 5
    assert [e.step for e in events if isinstance(e, StepEnded)] == [1, 2, 3, 4]


def test_only_an_unfrozen_network_is_compiled(make_task: MakeTask) -> None:
    task = make_task(compile=True)
    assert isinstance(task.network, torch._dynamo.OptimizedModule)  # type: ignore[attr-defined]
    task.architecture.freeze()
    task.connect()
    assert not isinstance(task.network, torch._dynamo.OptimizedModule)  # type: ignore[attr-defined]
    assert not any("_orig_mod" in name for name in task.architecture.model.state_dict())


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("train_bn", [False, True])
def test_only_norms_that_are_trained_are_synchronised(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, train_bn: bool
) -> None:
    """torch's own wrapper refuses synchronised norms on a CPU, so it is left out."""
    monkeypatch.setattr(nn.parallel, "DistributedDataParallel", lambda network: network)
    with described(**LATE):
        task = make_task(head="concat", world=World(0, 2), train_bn=train_bn)
    arch = task.architecture
    assert any(isinstance(m, nn.SyncBatchNorm) for m in arch.head.modules())
    body = [isinstance(m, nn.SyncBatchNorm) for m in arch.body_norms()]
    assert all(body) if train_bn else not any(body)
    fused = arch.fused_copy(torch.zeros(1, 3, 32, 32))
    assert not any("BatchNorm" in type(m).__name__ for m in fused.body_norms()), "they are fused all the same"


def test_a_resumed_rank_does_not_repeat_its_dropout(
    group: None, recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    recipe = Recipe.from_dict(recipe_dict({"features": False, "epochs": 1}))
    run = Run.create(recipe, tmp_path)
    split = drain(examined_photos(run, recipe, StopSignals(run.folder), None)).split
    _, state = Plan(recipe, split).state(ALONE)
    seeds = [_seed(Plan(recipe, split))]
    for event in fit(state):
        if isinstance(event, StepEnded):
            seeds.append(_seed(Plan(recipe, split, True, state.tensors(), json.loads(json.dumps(state.document())))))
            break
    assert len(set(seeds)) == 2


def _seed(plan: Plan) -> int:
    plan.state(World(1, 2))
    return torch.initial_seed()
