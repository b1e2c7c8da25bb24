"""Batches: every photo once, in an order that seed and epoch decide, whatever reads them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data import loaders, photo
from core.data.draws import Array, Draws
from core.data.loaders import DataLoaders, Loader
from core.data.pipeline import Pipeline
from core.data.transforms import Pixel
from core.errors import BadInput
from core.registry import transforms
from tests.core.stand_in import described


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Loader]:
    """A loader of `n` photos of noise; 225 pixels leave a rest, whatever a vector of the processor holds."""
    pipeline = Pipeline(
        transforms.create("resize", size=24), transforms.create("aug_transforms", size=15, min_scale=0.5)
    )

    def loader(n: int = 7, batch_size: int = 3, training: bool = True, **options: object) -> Loader:
        files = [tmp_path / f"{i}.png" for i in range(n)]
        for i, file in enumerate(files):
            if not file.exists():
                noise = np.random.default_rng(i).integers(0, 256, (30, 40, 3), np.uint8)
                Image.fromarray(noise).save(file)
        options = {"shuffle": training, "workers": 2, **options}
        return Loader(files, list(range(n)), pipeline, batch_size, training, **options)  # type: ignore[arg-type]

    return loader


def test_batch_sizes_differ_by_one_at_most_and_nothing_is_dropped() -> None:
    pipeline = Pipeline(transforms.create("resize", size=8))
    for n in range(1, 60):
        for batch_size in range(1, 70):
            loader = Loader([Path()] * n, [0] * n, pipeline, batch_size, True, True, workers=1)
            batches = loader.order(0)
            sizes = {len(b) for b in batches}
            assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1 and min(sizes) > 0
            assert len(batches) == len(loader) == -(-n // batch_size)
            assert sorted(i for b in batches for i in b) == list(range(n))


@pytest.mark.parametrize("broken", [False, True])
def test_a_batch_made_in_inference_can_be_trained_on_and_written_into(
    make: Callable[..., Loader], broken: bool
) -> None:
    loader = make(7, 7)
    if broken:
        loader.items[3].write_bytes(b"no photo")
    with torch.inference_mode():
        images, targets = next(iter(loader))
    assert len(images) == len(targets) == 7 - broken
    weight = torch.ones((), requires_grad=True)
    (images.mul_(2) * weight).sum().backward()
    assert weight.grad is not None and weight.grad > 0


@pytest.mark.parametrize("batch_size", [1, 3, 7, 64])
def test_each_photo_is_seen_once_an_epoch(make: Callable[..., Loader], batch_size: int) -> None:
    loader = make(7, batch_size)
    for _ in range(2):
        batches = list(loader)
        assert sorted(t for _, targets in batches for t in targets.tolist()) == list(range(7))
        assert all(images.shape == (len(targets), 3, 15, 15) for images, targets in batches)


def test_fewer_photos_than_the_batch_make_one_batch(make: Callable[..., Loader]) -> None:
    assert [len(t) for _, t in make(2, 64)] == [2]


def test_values_lie_between_0_and_1(make: Callable[..., Loader]) -> None:
    for training in (True, False):
        images, targets = next(iter(make(4, 4, training)))
        assert images.dtype == torch.float32 and targets.dtype == torch.int64
        assert 0 <= images.min() < 0.3 and 0.7 < images.max() <= 1


def test_the_order_depends_on_seed_and_epoch_alone(make: Callable[..., Loader]) -> None:
    loader = make(40, 8)
    orders = [loader.order(epoch) for epoch in range(3)]
    torch.manual_seed(1)
    assert [make(40, 8, workers=5).order(epoch) for epoch in (2, 0, 1)] == [orders[2], orders[0], orders[1]]
    assert orders[0] != orders[1] != orders[2] and make(40, 8, seed=1).order(0) != orders[0]
    assert [t.tolist() for _, t in make(40, 8)] == orders[0], "the first walk is epoch 0"


def test_validation_is_in_the_order_of_the_items(make: Callable[..., Loader]) -> None:
    loader = make(7, 3, training=False)
    assert [i for b in loader.order(5) for i in b] == list(range(7))


def walk(loader: Loader, epochs: int = 2) -> list[torch.Tensor]:
    return [images for _ in range(epochs) for images, _ in loader]


def test_the_number_of_workers_changes_no_pixel(make: Callable[..., Loader]) -> None:
    expected = walk(make(11, 4, workers=1))
    for workers in (2, 5):
        found = walk(make(11, 4, workers=workers))
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_epochs_are_augmented_differently_and_repeatably(make: Callable[..., Loader]) -> None:
    loader = make(3, 3)
    again = {epoch: next(loader.batches(epoch))[0].sum(0) for epoch in (0, 1, 0)}
    assert not torch.equal(again[0], again[1])
    torch.testing.assert_close(next(make(3, 3).batches(1))[0], next(loader.batches(1))[0], atol=0, rtol=0)
    assert not torch.equal(next(make(3, 3, seed=5).batches(0))[0].sum(0), again[0])


def test_a_photo_is_augmented_alike_in_any_batch(make: Callable[..., Loader]) -> None:
    """What is drawn hangs on the photo's index, so a resume in mid-epoch repeats it, in batches of whatever size."""
    whole = {i: image for images, _, indices in make(9, 4).batches(0) for i, image in zip(indices, images, strict=True)}
    rest = [(i, im) for ims, _, indices in make(9, 4).batches(0, 1) for i, im in zip(indices, ims, strict=True)]
    assert [i for i, _ in rest] == [i for b in make(9, 4).order(0)[1:] for i in b]
    for i, image in rest:
        assert torch.equal(image, whole[i])
    for images, _, indices in make(9, 2).batches(0):
        for i, image in zip(indices, images, strict=True):
            assert torch.equal(image, whole[i])


def test_global_random_state_is_left_alone(make: Callable[..., Loader]) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(make(5, 2))
    assert torch.equal(torch.rand(3), expected)


def test_a_bad_file_is_left_out_and_listed(make: Callable[..., Loader]) -> None:
    for training in (True, False):
        loader = make(7, 3, training)
        bad = loader.items[4]
        bad.write_bytes(b"\x89PNG\r\n\x1a\n no photo")
        seen = [t for _, targets in loader for t in targets.tolist()]
        assert sorted(seen) == [0, 1, 2, 3, 5, 6]
        assert list(loader.skipped) == [bad] and loader.skipped[bad].strip()


def test_a_batch_of_bad_files_alone_is_left_out(make: Callable[..., Loader]) -> None:
    loader = make(4, 2, training=False)
    for file in loader.items[:2]:
        file.unlink()
    assert [t.tolist() for _, t in loader] == [[2, 3]]
    assert set(loader.skipped) == set(loader.items[:2])


class Mistaken(Pixel):
    """A transform with a mistake in it."""

    def draw(self, sizes: Array, draws: Draws) -> Array:
        return draws.uniform()

    def apply(self, *args: object) -> torch.Tensor:
        raise ZeroDivisionError("my transform")


@pytest.mark.parametrize("transform", [Mistaken(), Mistaken().apply])
@pytest.mark.parametrize("on_batch", [False, True])
def test_a_mistake_in_a_transform_is_not_taken_for_a_bad_file(
    make: Callable[..., Loader], transform: Any, on_batch: bool
) -> None:
    loader = make(3, 3)
    resize = transforms.create("resize", size=8)
    loader.pipeline = Pipeline(resize, transform) if on_batch else Pipeline([transform, resize])
    with pytest.raises(ZeroDivisionError, match="my transform"):
        list(loader)
    assert loader.skipped == {}


def test_a_loader_that_is_left_leaves_no_work_behind(
    make: Callable[..., Loader], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, decoded, decode = threading.Event(), [], photo.decode

    def slow_from_the_third_on(file: Path) -> Image.Image:
        decoded.append(file)
        assert len(decoded) < 3 or left.wait(10)
        return decode(file)

    monkeypatch.setattr(photo, "decode", slow_from_the_third_on)
    batches = make(60, 2, workers=1).batches(0)
    next(batches)
    batches.close()
    left.set()
    for thread in threading.enumerate():
        if thread.name.startswith("photos"):
            thread.join(10)
            assert not thread.is_alive()
    assert len(decoded) <= 3, "the one that was on its way, and no other"


def test_no_photos_make_no_batch(make: Callable[..., Loader]) -> None:
    assert list(make(0, 4)) == []


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"batch_size": -2}, {"workers": 0}])
def test_a_batch_size_that_makes_no_sense(make: Callable[..., Loader], options: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=r"at least 1, not"):
        make(3, **{"batch_size": 4, **options})


def test_dataloaders(make_loaders: Callable[..., DataLoaders]) -> None:
    dls = make_loaders(batch_tfms=transforms.create("aug_transforms", size=32))
    assert dls.vocab == ["blue", "green", "red"] and dls.c == 3 and dls.device == torch.device("cpu")
    images, targets = dls.one_batch()
    assert images.shape == (len(targets), 3, 32, 32)
    for side in (dls.train, dls.valid):
        assert [dls.vocab[t] for t in side.targets] == [file.name.split("_")[0] for file in side.items]
    assert (len(dls.train.items), len(dls.valid.items)) == (20, 4)
    assert not set(dls.train.items) & set(dls.valid.items)


@pytest.mark.parametrize("unique", [False, True])
def test_show_batch_is_a_picture_and_moves_nothing(make_loaders: Callable[..., DataLoaders], unique: bool) -> None:
    dls = make_loaders()
    first = make_loaders().one_batch()[0]
    sheet = dls.show_batch(max_n=4, unique=unique)
    assert isinstance(sheet, Image.Image) and sheet.mode == "RGB"
    assert sheet.width > 2 * 40 and sheet.height > 2 * 40
    photos = [sheet.crop((8 + x * 48, 8 + y * 66, 48 + x * 48, 48 + y * 66)) for y in range(2) for x in range(2)]
    assert len({p.tobytes() for p in photos}) == 4, "four different pictures"
    means = np.array([np.asarray(p).mean((0, 1)) for p in photos])
    assert (np.ptp(means, 0).max() < 30) == unique, "of one photo, or of several"
    assert torch.equal(dls.one_batch()[0], first), "looking does not use up an epoch"


def test_test_dl_prepares_photos_as_validation(make_loaders: Callable[..., DataLoaders]) -> None:
    dls = make_loaders(batch_tfms=transforms.create("aug_transforms", size=32))
    items = [str(file) for file in dls.valid.items]
    loader = dls.test_dl(items)
    expected, found = list(dls.valid), list(loader)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(expected, found, strict=True))
    assert all(not targets.any() for _, targets in found)
    labelled = dls.test_dl(items, [dls.vocab[t] for t in dls.valid.targets])
    assert list(labelled.targets) == list(dls.valid.targets)
    assert list(dls.test_dl([])) == []
    with pytest.raises(BadInput, match=r"'pink' is not among the classes: blue, green, red"):
        dls.test_dl(items[:1], ["pink"])


def test_validation_draws_nothing(make_loaders: Callable[..., DataLoaders]) -> None:
    tfms = transforms.create("aug_transforms", size=32, min_scale=0.3)
    a, b = (make_loaders(batch_tfms=tfms, seed=seed).valid for seed in (0, 1))
    assert all(torch.equal(x[0], y[0]) for x, y in zip(a, b, strict=True))
    file = a.items[0]
    first = a.pipeline.read(file, training=False)
    assert np.array_equal(first, photo.fit(photo.decode(file), a.pipeline.views))


def test_what_data_loaders_do_not_have_cannot_be_set(make_loaders: Callable[..., DataLoaders]) -> None:
    with pytest.raises(AttributeError, match="'bs'"):
        make_loaders().bs = 8  # type: ignore[attr-defined]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("resident", [0.0, 0.25])
def test_an_accelerator_has_the_same_batches(make: Callable[..., Loader], training: bool, resident: float) -> None:
    loader = make(11, 4, training)
    loader.items[2].write_bytes(b"no photo")
    expected = [list(loader.batches(epoch)) for epoch in range(2)]
    with described():
        other = make(11, 4, training, resident=resident, workers=3)
        left = other.batches(0)
        next(left)
        left.close()  # a batch that is on its way may fill the same store
        found = [list(other.batches(epoch)) for epoch in range(2)]
    assert other.skipped == loader.skipped
    for ours, theirs in zip(chain(*expected), chain(*found), strict=True):
        assert ours[2] == theirs[2] and torch.equal(ours[1], theirs[1])
        assert (ours[0] - theirs[0]).abs().mean() < 1e-3 and (ours[0] - theirs[0]).abs().max() < 4 / 255  # lit
    if resident:
        for file in other.items:
            file.unlink()
        with described():
            (again, *_) = other.batches(1)
        torch.testing.assert_close(again[0], found[1][0][0], msg="photos that are there are not read again")


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 4), (0.01, 10), (0.03, 16)])
def test_an_accelerator_waits_for_few_threads_unless_photos_take_long(
    make: Callable[..., Loader], monkeypatch: pytest.MonkeyPatch, seconds: float, expected: int
) -> None:
    """A millisecond of reading a photo is work for one thread: more would take the interpreter from the kernels."""
    asked: list[int] = []

    def pool(number: int) -> ThreadPoolExecutor:
        asked.append(number)
        return ThreadPoolExecutor(2)

    def clock(read: Callable[[], object], number: int) -> float:
        read()
        return seconds

    monkeypatch.setattr(loaders, "photo_threads", pool)
    monkeypatch.setattr(loaders, "timeit", clock)
    with described():
        list(make(5, 2, workers=16))
    list(make(5, 2, workers=16))
    assert asked == [expected, 16]
