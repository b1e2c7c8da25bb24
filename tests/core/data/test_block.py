"""DataBlock: fastai's words and defaults, and one clear sentence for what cannot work."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import v2

from core.data.block import CategoryBlock, DataBlock, ImageBlock, using_attr
from core.data.draws import Array, Draws
from core.data.files import get_image_files
from core.data.loaders import DataLoaders
from core.data.photo import View
from core.data.pipeline import Pipeline
from core.data.split import divide
from core.data.transforms import Geometric, box_matrices
from core.errors import BadInput
from core.registry import labellers, splitters, transforms


def label(file: Any) -> str:
    return Path(file).name.split("_")[0]


def block(**options: Any) -> DataBlock:
    return DataBlock(**{"get_items": get_image_files, "get_y": label, "item_tfms": resize(24), **options})


def resize(size: int, **options: Any) -> Any:
    return transforms.create("resize", size=size, **options)


def test_the_books_block(photos: Path) -> None:
    pets = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=get_image_files,
        splitter=splitters.create("random", seed=42),
        get_y=using_attr(labellers.create("regex", pattern=r"(.+)_\d+.jpg$"), "name"),
        item_tfms=resize(46),
        batch_tfms=transforms.create("aug_transforms", size=22, min_scale=0.75),
    )
    dls = pets.dataloaders(photos, device="cpu")
    assert dls.train.batch_size == 64 and dls.vocab == ["blue", "green", "red"]
    expected = torch.randperm(24, generator=torch.Generator().manual_seed(42)).tolist()
    files = get_image_files(photos)
    assert dls.valid.items == [files[i] for i in expected[:4]] and dls.train.items == [files[i] for i in expected[4:]]


def test_without_a_splitter_a_fifth_is_for_validation(photos: Path) -> None:
    split = block().split(photos)
    assert (len(split.train), len(split.valid)) == (20, 4)
    assert sorted(split.train + split.valid) == list(range(24)) and split.left_out == []


def test_without_get_items_the_source_is_the_items(photos: Path) -> None:
    files = get_image_files(photos)[::2]
    assert block(get_items=None).split(files).items == files
    assert block(get_items=None).split([str(f) for f in files]).items == files, "as paths"
    for source in (photos, str(photos)):
        with pytest.raises(BadInput, match="get_items is missing"):
            block(get_items=None).split(source)


def test_blocks_may_be_instances_and_must_be_these_two() -> None:
    block(blocks=(ImageBlock(), CategoryBlock()))
    for blocks, shown in (((ImageBlock,), "ImageBlock"), ((CategoryBlock, ImageBlock), "CategoryBlock, ImageBlock")):
        with pytest.raises(BadInput, match=rf"not \({shown}\): a photo and a single label"):
            block(blocks=blocks)


def test_get_y_is_needed_and_must_give_a_text(photos: Path) -> None:
    with pytest.raises(BadInput, match="get_y is missing"):
        DataBlock(get_items=get_image_files)
    for y in (None, "", 2.5):
        with pytest.raises(BadInput, match=rf"blue_1\.jpg' got the label {y!r}"):
            block(get_y=lambda _, y=y: y).split(photos)


def test_every_label_is_read_before_anything_is_built(photos: Path) -> None:
    last = get_image_files(photos)[-1]

    def fails_late(file: Path) -> str:
        if file == last:
            raise BadInput(f"{file.name} has no label")
        return label(file)

    with pytest.raises(BadInput, match=f"{last.name} has no label"):
        block(get_y=fails_late).dataloaders(photos)


def test_get_x_says_where_the_photo_of_an_item_is(photos: Path) -> None:
    rows = [{"file": f.name, "class": label(f)} for f in get_image_files(photos)]
    table = block(get_items=None, get_x=lambda r: photos / r["file"], get_y=lambda r: r["class"])
    assert table.split(rows).items == get_image_files(photos)
    assert table.dataloaders(rows, bs=24, device="cpu").one_batch()[0].shape == (20, 3, 24, 24)


def test_an_empty_folder_and_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"No photos were found in"):
        block().dataloaders(tmp_path)
    with pytest.raises(BadInput, match=r"There is no folder"):
        block().dataloaders(tmp_path / "none")


def test_one_class(photos: Path) -> None:
    with pytest.raises(BadInput, match=r"only one class, 'x'; a classifier needs two"):
        block(get_y=lambda _: "x").dataloaders(photos)


def test_a_label_too_long_for_a_model_is_refused_before_training(photos: Path) -> None:
    block = DataBlock(blocks=(ImageBlock, CategoryBlock), get_items=get_image_files, get_y=lambda p: p.stem[0] * 2000)
    with pytest.raises(BadInput, match="A label has 2,000 characters; give labels of at most 1,000"):
        block.dataloaders(photos)


@pytest.mark.parametrize(("train", "valid", "side"), [([0, 9], [], "validation"), ([], [0, 9], "training")])
def test_a_split_that_leaves_a_side_empty(photos: Path, train: list[int], valid: list[int], side: str) -> None:
    with pytest.raises(BadInput, match=f"leaves no photos for {side}"):
        block(splitter=lambda items: (train, valid)).split(photos)


def test_a_splitter_may_ask_for_the_labels_and_may_leave_photos_out(photos: Path) -> None:
    def by_label(items: Sequence[Any], labels: Sequence[str]) -> tuple[list[int], list[int]]:
        return [i for i, y in enumerate(labels) if y == "red"], [i for i, y in enumerate(labels) if y == "blue"]

    split = block(splitter=by_label).split(photos)
    assert split.vocab == ["blue", "red"], "a class that is only in validation is a class"
    assert {label(f) for f in split.left_out} == {"green"}


def test_summary_walks_one_photo(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = block(batch_tfms=transforms.create("aug_transforms", size=16)).summary(photos)
    assert capsys.readouterr().out.strip() == text
    for part in ("24 photos, 3 classes", "20 for training, 4 for validation", "Resize -> Warp -> Flip", "16 x 16",
                 "[1, 3, 16, 16]"):  # fmt: skip
        assert part in text
    assert "FAILED" not in text


def test_summary_names_the_step_that_fails(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a_1.jpg", "b_1.jpg"):
        (tmp_path / name).write_bytes(b"no photo")
    cases: list[tuple[DataBlock, Path, str]] = [
        (block(get_y=lambda _: None), photos, "items, labels, split: FAILED"),
        (block(item_tfms=None), photos, "transforms: FAILED: No transform gives the photos one size"),
        (block(splitter=lambda i: ([0], [1])), tmp_path, "decoded: FAILED: not an image"),
        (block(batch_tfms=lambda batch: batch @ torch.ones(2, 2)), photos, "lighting applied: FAILED"),
    ]
    for wrong, source, message in cases:
        with pytest.raises(Exception):  # noqa: B017
            wrong.summary(source)
        last = capsys.readouterr().out.strip().splitlines()[-1]
        assert message in last


def test_third_party_callables_are_augmentation(photos: Path) -> None:
    calls: list[str] = []

    def darker(image: Image.Image) -> Image.Image:
        calls.append("photo")
        return image.point(lambda v: v // 2)

    def inverted(images: torch.Tensor) -> torch.Tensor:
        calls.append("batch")
        return 1 - images

    def loaders(**tfms: Any) -> DataLoaders:
        same = splitters.create("random", seed=1)
        return block(splitter=same, **tfms).dataloaders(photos, bs=24, device="cpu")

    plain, dark = loaders(), loaders(item_tfms=[darker, resize(24)])
    upside = loaders(batch_tfms=[inverted, [v2.Identity()]])
    before = plain.one_batch()[0]
    assert abs(dark.one_batch()[0].mean() * 2 - before.mean()) < 0.01
    torch.testing.assert_close(upside.one_batch()[0], 1 - before)
    assert calls == ["photo"] * 20 + ["batch"]
    for dls in (dark, upside):
        assert torch.equal(next(iter(dls.valid))[0], next(iter(plain.valid))[0]), "not in validation"


def test_third_party_libraries(photos: Path) -> None:
    dls = block(
        item_tfms=[ImageOps.grayscale, v2.RandomPosterize(4), resize(24)], batch_tfms=v2.RandomErasing(p=1.0)
    ).dataloaders(photos, bs=24, device="cpu")
    images = dls.one_batch()[0]
    assert images.shape == (20, 3, 24, 24) and torch.allclose(images[:, 0], images[:, 2], atol=1e-5)


def test_a_size_is_needed() -> None:
    for tfms in ((None, None), ([], []), (None, transforms.create("aug_transforms")), ([lambda im: im], None)):
        with pytest.raises(BadInput, match=r"photos one size; add one that does"):
            Pipeline(*tfms)


def test_the_last_size_and_the_first_pad_mode_count() -> None:
    pipeline = Pipeline(resize(40), transforms.create("aug_transforms", size=(20, 30)))
    assert pipeline.size == (20, 30) and pipeline.pad_mode == "reflection"
    assert [v.size for v in pipeline.views] == [(40, 40), (20, 30)]
    padded = Pipeline(resize(40, method="pad", pad_mode="zeros"), transforms.create("aug_transforms"))
    assert padded.pad_mode == "zeros"


class Left(Geometric):
    """The left part of the photo, always."""

    def __init__(self, view: View | None) -> None:
        self.view = view

    def draw(self, sizes: Array, draws: Draws, training: bool) -> Array:
        return np.array([[0, 0, height, height] for height in sizes[:, 0]])

    def matrices(self, drawn: Array, sizes: Array) -> Array:
        return box_matrices(drawn, (20, 20))


@pytest.mark.parametrize("view", [None, View((20, 20)), View((20, 20), "squish"), View((10, 10))])
def test_a_transform_that_rests_otherwise_than_its_view_says(view: View | None) -> None:
    with pytest.raises(BadInput, match=r"Left does not do in validation what its `view` says"):
        Pipeline([resize(30), Left(view)])


def test_get_image_files(tmp_path: Path) -> None:
    names = ["b/2.JPG", "a/1.png", "a/z/3.webp", "10.jpeg", "9.heic", ".x.jpg", "a/notes.txt", ".git/1.jpg",
             "__MACOSX/1.jpg", "a/.ipynb_checkpoints/1.png"]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(**options: Any) -> list[str]:
        return [f.relative_to(tmp_path).as_posix() for f in get_image_files(tmp_path, **options)]

    assert found() == ["10.jpeg", "9.heic", "a/1.png", "a/z/3.webp", "b/2.JPG"]
    assert found(recurse=False) == ["10.jpeg", "9.heic"]
    assert found(folders=["a"]) == ["a/1.png", "a/z/3.webp"]


def test_image_files_are_like_a_list_of_paths(tmp_path: Path, draw_photos: Callable[..., Path]) -> None:
    draw_photos(tmp_path, 2)
    files, paths = get_image_files(tmp_path), sorted(tmp_path.glob("*.jpg"))
    assert len(files) == 6 and list(files) == paths and files == paths and paths == files
    assert files != paths[1:] and files[1:] != files and files != tuple(paths)
    assert (files[0], files[-1], files[np.int64(2)]) == (paths[0], paths[-1], paths[2])
    assert files[:3] == paths[:3] and files[::-2] == paths[::-2] and files.take([5, 0]) == [paths[5], paths[0]]
    assert sorted(files, reverse=True) == paths[::-1] == list(reversed(files))
    assert files + paths[:1] == [*paths, paths[0]] == list(files) + files[:1] and paths[:1] + files[1:] == paths
    assert paths[3] in files and tmp_path not in files and files.index(paths[4]) == 4
    assert Random(0).sample(files, 3) == Random(0).sample(paths, 3)
    assert repr(files[:1]) == f"1 files [{paths[0]!r}]"
    assert repr(files).startswith(f"6 files [{paths[0]!r}, ") and repr(files).endswith(", ...]")
    with pytest.raises(IndexError):
        files[6]
    assert not get_image_files(tmp_path, folders=[])


def test_image_files_of_a_relative_folder(
    tmp_path: Path, draw_photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photos(tmp_path / "photos", 1, colours=("red",))
    monkeypatch.chdir(tmp_path)
    assert get_image_files(".") == [Path("photos/red_1.jpg")] == get_image_files("./photos/")
    assert [str(file) for file in get_image_files("")] == [os.path.join("photos", "red_1.jpg")]


def test_what_a_data_set_keeps_of_a_file(tmp_path: Path) -> None:
    names = [f"{side}/{breed}_{i}.jpg" for side in "ab" for breed in ("beagle", "pug") for i in range(1000)]
    for side in "ab":
        (tmp_path / side).mkdir()
    for name in names:
        (tmp_path / name).touch()
    block().split(tmp_path)  # with what it imports
    tracemalloc.start()
    try:
        split = block().split(tmp_path)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(split.items) == 4000 and split.vocab == ["beagle", "pug"]
    assert kept / len(split.items) < 200, "bytes"


def test_every_suffix_of_ours_is_walked(tmp_path: Path, draw_photos: Callable[..., Path]) -> None:
    draw_photos(tmp_path, 2)
    assert np.array_equal([f.suffix for f in get_image_files(str(tmp_path))], [".jpg"] * 6)


@pytest.mark.parametrize(("train", "valid"), [([0, 1], [1, 2]), ([0, 1, 1], [2]), ([0, 1], [2, 3, 2])])
def test_a_photo_is_on_one_side_once(train: list[int], valid: list[int]) -> None:
    items = [f"{name}_{i}.jpg" for i in range(2) for name in ("cat", "dog")]
    with pytest.raises(BadInput, match="in both training and validation, or"):
        divide(lambda _: (train, valid), items, [label(i) for i in items])


@pytest.mark.parametrize(
    ("get_y", "vocab"),
    [
        (lambda f: label(f) == "red", ["False", "True"]),
        (lambda f: np.bool_(label(f) == "red"), ["False", "True"]),
        (lambda f: {"red": 10, "green": 2, "blue": 1}[label(f)], ["1", "2", "10"]),
        (lambda f: np.int64({"red": 10, "green": 2, "blue": 1}[label(f)]), ["1", "2", "10"]),
        (lambda f: {"red": "10", "green": "2", "blue": "1"}[label(f)], ["1", "10", "2"]),
        (lambda f: np.str_(label(f)), ["blue", "green", "red"]),
    ],
)
def test_labels_may_be_yes_or_no_or_numbers(get_y: Any, vocab: list[str], photos: Path) -> None:
    dls = block(get_y=get_y).dataloaders(photos, bs=6, device="cpu")
    assert dls.vocab == vocab and all(type(name) is str for name in dls.vocab)
    for loader in (dls.train, dls.valid):
        assert [dls.vocab[t] for t in loader.targets] == [str(get_y(f)) for f in loader.items]


def test_a_number_that_the_splitter_leaves_out_is_no_class(photos: Path) -> None:
    def by_label(items: Sequence[Any], labels: Sequence[str]) -> tuple[list[int], list[int]]:
        return [i for i, y in enumerate(labels) if y == "10"], [i for i, y in enumerate(labels) if y == "9"]

    numbers = {"red": 10, "green": 2, "blue": 9}
    assert block(splitter=by_label, get_y=lambda f: numbers[label(f)]).split(photos).vocab == ["9", "10"]


@pytest.mark.parametrize(
    ("given", "vocab"),
    [
        ({"vocab": ["red", "green", "blue", "amber"]}, ["amber", "blue", "green", "red"]),
        ({"vocab": ["red", "green", "blue", "amber"], "sort": False}, ["red", "green", "blue", "amber"]),
        ({"vocab": ["red", "green", "red", "blue"], "sort": False}, ["red", "green", "blue"]),
        ({}, ["blue", "green", "red"]),
    ],
)
def test_the_vocab_may_be_given(given: dict[str, Any], vocab: list[str], photos: Path) -> None:
    dls = block(blocks=(ImageBlock, CategoryBlock(**given))).dataloaders(photos, device="cpu")
    assert dls.vocab == vocab and dls.c == len(vocab)
    assert [dls.vocab[t] for t in dls.train.targets] == [label(f) for f in dls.train.items]


def test_a_vocab_of_whole_numbers_is_in_their_order() -> None:
    """As fastai's is, in which index 2 is the class 2."""
    assert CategoryBlock(range(12)).vocab == [str(n) for n in range(12)]
    assert CategoryBlock(np.array([10, 9])).vocab == ["9", "10"]
    assert CategoryBlock(["10", "9"]).vocab == ["10", "9"], "texts are sorted as texts"


def test_an_option_that_batches_do_not_have(photos: Path) -> None:
    with pytest.raises(BadInput, match=r"no option 'num_workers'; .* workers"):
        block().dataloaders(photos, num_workers=2)


def test_a_label_that_is_not_in_the_vocab(photos: Path) -> None:
    with pytest.raises(BadInput, match="label 'green' is not in the vocab: blue, red; add it"):
        block(blocks=(ImageBlock, CategoryBlock(["red", "blue"]))).split(photos)


def test_new_is_a_copy_with_these_transforms_alone(photos: Path) -> None:
    old = block(batch_tfms=transforms.create("aug_transforms", size=16))
    new = old.new(item_tfms=resize(12))
    assert new.dataloaders(photos, device="cpu").one_batch()[0].shape[2:] == (12, 12)
    assert new.batch_tfms is None and old.dataloaders(photos, device="cpu").one_batch()[0].shape[2:] == (16, 16)
    assert (new.get_y, new.splitter, new.get_items) == (old.get_y, old.splitter, old.get_items)


def test_datasets_hold_photos_and_labels_as_they_are(photos: Path) -> None:
    split = block(splitter=splitters.create("random", seed=1)).split(photos)
    data = block(splitter=splitters.create("random", seed=1)).datasets(photos)
    assert (len(data.train), len(data.valid), data.vocab) == (20, 4, ["blue", "green", "red"])
    image, target = data.valid[0]
    file = split.items[split.valid[0]]
    assert image.size == Image.open(file).size and data.vocab[target] == label(file)
    assert [data.vocab[y] for _, y in data.train[:3]] == [split.labels[i] for i in split.train[:3]]
