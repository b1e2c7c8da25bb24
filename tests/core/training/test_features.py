"""Features of a frozen body: those of the honest pass, computed once, and a head that learns from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.data.loaders import DataLoaders
from core.events import EpochEnded, FeaturesMade, PhotoSkipped, StageStarted, StepEnded, drain
from core.model.architecture import Architecture
from core.registry import architectures, transforms
from core.training.features import FeatureLoader, extract, unsupported_reason
from core.training.fine_tune import HEAD_EPOCHS, fine_tuning
from core.training.learner import Learner
from core.training.loop import fit
from core.training.lr_finder import lr_find
from core.training.state import TrainState
from core.training.task import Task
from core.training.validate import predict
from plugins.losses.cross_entropy import CrossEntropy

MakeTask = Callable[..., Task]
OTHERS = ("convnext_atto", "mobilenetv3_small_050", "vit_tiny_patch16_224", "densenet121", "repvgg_a0", "resnetv2_50")


@pytest.fixture
def augment() -> list[Any]:
    return transforms.create("aug_transforms", size=32, min_scale=0.6)  # type: ignore[no-any-return]


def shaken(architecture: Architecture) -> Architecture:
    """With statistics and a head that are not those of a fresh network, for which too much is zero."""
    generator = torch.Generator().manual_seed(1)
    for module in architecture.model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    for parameter in architecture.head.parameters():
        nn.init.normal_(parameter, std=0.05, generator=generator)
    return architecture


@pytest.mark.parametrize("name", [e.name for e in architectures if e.name != "timm"])
def test_what_the_head_makes_of_features_is_what_the_network_makes(name: str) -> None:
    if name.startswith("resnet") and name not in ("resnet18", "resnet50"):
        pytest.skip("one of each of the two kinds of resnets is enough")
    for head in ("linear", "concat"):
        whole_way(shaken(architectures.create(name, 3, pretrained=False, head=head)), 64)


@pytest.mark.parametrize("model", OTHERS)
def test_so_it_is_for_networks_of_timm(model: str) -> None:
    size = 224 if model.startswith("vit") else 64
    whole_way(shaken(architectures.create("timm", 3, model=model, pretrained=False)), size)


def whole_way(architecture: Architecture, size: int) -> None:
    architecture.model.eval()
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = architecture.features(images)
        assert features.ndim == 2 and architecture.has_features(images), "as near to the head as can be"
        expected = architecture.forward(images)
        assert torch.allclose(architecture.logits(features), expected, atol=1e-5) and expected.std() > 0


class TimesThree(nn.Module):
    """A network that does something after its head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward_features(self, images: Tensor) -> Tensor:
        return self.body(images)  # type: ignore[no-any-return]

    def forward_head(self, feature_map: Tensor, pre_logits: bool = False) -> Tensor:
        pooled = feature_map.mean((2, 3))
        return pooled if pre_logits else self.head(pooled) * 3  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


class NoPreLogits(TimesThree):
    """A network that gives away no features."""

    def forward_head(self, feature_map: Tensor) -> Tensor:  # type: ignore[override]
        return self.head(feature_map.mean((2, 3)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("network", [TimesThree, NoPreLogits])
def test_a_network_that_cannot_be_parted_before_its_head_sees_photos(
    network: type[TimesThree], fresh: bool, make_loaders: Callable[..., DataLoaders]
) -> None:
    """Also one whose head is still zero, as that of a network for fine-tuning."""
    model = network()
    if fresh:
        for parameter in model.head.parameters():
            nn.init.zeros_(parameter)
    architecture = Architecture(model, model.head, [list(model.body.parameters())], pretrained=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    task = Task(architecture, make_loaders(), CrossEntropy())
    assert "head" in unsupported_reason(task, 1)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items()), "it is as it was"
    stages = fine_tuning(task, 0, 1e-2, 1)
    assert not stages[0].head_epochs
    assert [e for e in fit(TrainState(task, stages)) if isinstance(e, EpochEnded)]


@pytest.mark.parametrize("head", ["linear", "concat"])
def test_features_equal_the_honest_pass(make_task: MakeTask, augment: list[Any], head: str) -> None:
    """View 0 and 1 of each photo are what the network sees in epochs 0 and 1 of training on photos."""
    task = make_task(batch_tfms=augment, head=head)
    task.architecture.freeze()
    train, valid = drain(extract(task, task.dls.train, 2, 1, 9)), drain(extract(task, task.dls.valid, 1, 1, 9))
    arch = task.architecture
    for view in (0, 1):
        for images, _, indices in task.dls.train.batches(view):
            arch.model.eval()
            with torch.no_grad():
                honest = arch.forward(images)
                assert torch.allclose(arch.logits(train.values[view, indices]), honest, atol=1e-5)
    assert not torch.allclose(train.values[0], train.values[1]), "augmented anew"
    found, honest_found = predict(task, valid), predict(task, task.dls.valid)
    assert torch.allclose(found.logits, honest_found.logits, atol=1e-5) and found.indices == honest_found.indices
    assert torch.equal(found.targets, honest_found.targets)


def test_each_pass_takes_each_photo_once_and_the_views_in_turn(make_loaders: Callable[..., DataLoaders]) -> None:
    loader = make_loaders(bs=7).train
    n = len(loader.items)
    values = torch.stack([torch.arange(n) + 100.0 * view for view in range(3)])[..., None]
    kept = FeatureLoader(loader, values, torch.ones(3, n, dtype=torch.bool), head_epochs=3)
    assert len(kept) == 3 * len(loader)
    batches = list(kept.batches(1))
    seen = [int(v) for features, _, _ in batches for v in features[:, 0]]
    for turn in range(3):
        assert sorted(v % 100 for v in seen[turn * n : (turn + 1) * n]) == list(range(n))
    assert sorted(seen) == sorted(i + 100 * view for i in range(n) for view in range(3)), "every view of every photo"
    assert seen[:n] != seen[n : 2 * n]
    for features, targets, chosen in batches:
        assert targets.tolist() == [loader.targets[i] for i in chosen]
        assert [int(v) % 100 for v in features[:, 0]] == chosen
    for start in (1, 4, 8):
        rest = [chosen for _, _, chosen in kept.batches(1, start)]
        assert rest == [chosen for _, _, chosen in batches[start:]]


def test_photos_that_cannot_be_read_are_said_once_and_left_out(
    make_task: MakeTask, augment: list[Any], tmp_path: Path
) -> None:
    task = make_task(batch_tfms=augment)
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    for loader in (task.dls.train, task.dls.valid):
        loader.items = [tmp_path / "broken.jpg", *loader.items[1:]]
    events = list(fit(TrainState(task, fine_tuning(task, 0, 1e-2, 2))))
    assert len([e for e in events if isinstance(e, PhotoSkipped)]) == 2, "for training and for validation"
    assert len([e for e in events if isinstance(e, EpochEnded)]) == 2


def test_the_stage_says_how_far_it_is(make_task: MakeTask) -> None:
    task = make_task()
    events = list(fit(TrainState(task, fine_tuning(task, 1, 1e-2, 2))))
    stages = [(e.name, e.epochs, e.steps) for e in events if isinstance(e, StageStarted)]
    batches = len(task.dls.train)
    assert stages == [
        ("features", 2, 2 * batches + len(task.dls.valid)),
        ("frozen", 2, 2 * HEAD_EPOCHS * batches),
        ("unfrozen", 1, batches),
    ]
    made_events = [(e.done, e.total) for e in events if isinstance(e, FeaturesMade)]
    assert made_events == [(i, stages[0][2]) for i in range(1, stages[0][2] + 1)]
    assert len([e for e in events if isinstance(e, StepEnded)]) == 2 * HEAD_EPOCHS * batches + batches


def test_the_body_stays_and_the_head_fits_better_than_by_the_honest_pass(
    make_task: MakeTask, augment: list[Any]
) -> None:
    losses = {}
    for features in (True, False):
        task = make_task(batch_tfms=augment)
        before = {k: v.clone() for k, v in task.architecture.model.state_dict().items()}
        stages = fine_tuning(task, 0, 1e-2, 2, features=features)
        ends = [e for e in fit(TrainState(task, stages)) if isinstance(e, EpochEnded)]
        after = task.architecture.model.state_dict()
        head = {f"fc.{name}" for name, _ in task.architecture.head.named_parameters()}
        assert {k for k in before if not torch.equal(before[k], after[k])} == head
        losses[features] = ends[-1].train_loss
    assert losses[True] < losses[False]


@pytest.mark.parametrize("bs", [1, 7])
@pytest.mark.parametrize("head", ["linear", "concat"])
def test_a_batch_of_one_photo_trains(make_task: MakeTask, bs: int, head: str) -> None:
    task = make_task(bs=bs, head=head)
    for loader in (task.dls.train, task.dls.valid):
        loader.items, loader.targets = loader.items[: bs + 1], loader.targets[: bs + 1]
    events = list(fit(TrainState(task, fine_tuning(task, 0, 1e-2, 1))))
    assert all(e.loss > 0 for e in events if isinstance(e, StepEnded)) and isinstance(events[-1], EpochEnded)


def test_finishing_early_makes_one_view_and_no_more(make_task: MakeTask) -> None:
    task = make_task()
    state = TrainState(task, fine_tuning(task, 1, 1e-2, 8))
    made_views = 0
    for event in fit(state):
        if isinstance(event, FeaturesMade):
            made_views += 1
            if made_views == 1:
                state.finish_early()
    assert made_views == len(task.dls.train) + len(task.dls.valid)
    assert state.done and state.finish is not None and state.finish.steps == 8 * HEAD_EPOCHS * 2 // 10


def test_a_state_of_features_is_refused_where_there_are_none_to_be(make_task: MakeTask) -> None:
    task = make_task()
    state = TrainState(task, fine_tuning(task, 1, 1e-2, 1))
    for event in fit(state):
        if isinstance(event, StepEnded):
            break
    tensors, document = state.tensors(), state.document()
    other = make_task()
    for features in (True, False):
        again = TrainState(other, fine_tuning(other, 1, 1e-2, 1, features=features))
        if features:
            again.restore(tensors, document)
            assert again.features is not None
        else:
            with pytest.raises(ValueError, match="trained on features"):
                again.restore(tensors, document)


def test_where_they_cannot_be_kept_the_head_sees_photos(
    make_task: MakeTask, make_loaders: Callable[..., DataLoaders], monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(task: Task, **options: Any) -> int:
        return fine_tuning(task, 1, 1e-2, 1, **options)[0].head_epochs

    task = make_task()
    assert first(task) == HEAD_EPOCHS and first(task, features=False) == 0
    assert first(make_task(train_bn=True)) == 0, "the norms of the body learn"
    fresh: Architecture = architectures.create("timm", 3, model="test_resnet", pretrained=False)
    assert first(Task(fresh, make_loaders(), CrossEntropy())) == 0, "random weights"
    size = 4 * (len(task.dls.train.items) + len(task.dls.valid.items)) * task.architecture.head.in_features  # type: ignore[operator]
    for limit, fits in ((size, True), (size - 1, False)):
        monkeypatch.setattr("core.training.features.MAX_FEATURE_BYTES", limit)
        assert (unsupported_reason(task, 1) == "") is fits
    assert "would take 0.0 GB of memory" in unsupported_reason(task, 1)


def test_the_rate_test_on_features_has_the_losses_of_that_on_photos(make_task: MakeTask) -> None:
    """In its first epoch, where both see the same views."""
    curves = []
    for features in (True, False):
        task = make_task()
        task.architecture.freeze()
        tried = [e for e in lr_find(task, num_it=2, features=features) if hasattr(e, "lr")]
        curves.append([(e.lr, e.loss) for e in tried])
        assert not task.on_features
    assert [lr for lr, _ in curves[0]] == [lr for lr, _ in curves[1]]
    assert [loss for _, loss in curves[0]] == pytest.approx([loss for _, loss in curves[1]], rel=1e-4)


def test_the_rate_test_reads_no_more_photos_than_it_needs(make_task: MakeTask) -> None:
    task = make_task(bs=5)
    task.architecture.freeze()
    stages = [e for e in lr_find(task, num_it=2) if isinstance(e, StageStarted)]
    assert [(s.name, s.steps) for s in stages] == [("features", 2), ("lr_find", 2)] and len(task.dls.train) == 4


def test_a_learner_is_whole_after_a_stage_on_features(make_task: MakeTask) -> None:
    learn = Learner(make_task().dls, make_task().architecture, {"name": "timm", "model": "test_resnet"})
    learn.freeze()
    learn.fine_tune(0, freeze_epochs=1)
    assert learn.validate()["valid_loss"] > 0 and learn.get_preds()[0].shape == (4, 3)


def test_batches_are_the_same_whatever_the_order_of_training(make_task: MakeTask, augment: list[Any]) -> None:
    """Computed in the order of the items, so that they come out the same to the last bit."""
    kept = []
    for shuffle in (True, False):
        task = make_task(batch_tfms=augment)
        task.architecture.freeze()
        kept.append(drain(extract(task, replace(task.dls.train, shuffle=shuffle), 1, 1, 2)).values)
    assert torch.equal(*kept)
