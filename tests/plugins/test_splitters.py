"""Splitters: items -> (train indices, valid indices); the oracles are fastai's."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import torch

from core.data.files import get_image_files
from core.discovery import discover
from core.errors import BadInput
from core.registry import labellers, splitters
from tests.cpu import takes_at_most

discover()


def paths(*names: str) -> list[Path]:
    return [Path("photos", name) for name in names]


def numbered(n: int) -> list[Path]:
    return paths(*(f"{i}.jpg" for i in range(n)))


def test_random_gives_fastais_numbers() -> None:
    split = splitters.create("random", seed=42)
    assert split(numbered(10)) == ([1, 8, 4, 5, 0, 9, 3, 7], [2, 6])
    train, valid = split(numbered(7390))
    assert valid[:5] == [4512, 4290, 5770, 706, 2200]
    assert (len(train), len(valid)) == (5912, 1478)


def test_random_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    for seed in (None, 42):
        splitters.create("random", seed=seed)(numbered(10))
        splitters.create("stratified", seed=seed)(numbered(10), ["a", "b"] * 5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_random_without_a_seed_draws_anew() -> None:
    split = splitters.create("random")
    assert split(numbered(1000)) != split(numbered(1000))


@pytest.mark.parametrize(
    ("n", "pct", "valid"), [(0, 0.2, 0), (1, 0.2, 0), (2, 0.9, 1), (4, 0.2, 1), (2, 0.01, 1), (10, 0.9, 9)]
)
def test_random_has_a_photo_on_each_side(n: int, pct: float, valid: int) -> None:
    sides = splitters.create("random", valid_pct=pct, seed=0)(numbered(n))
    assert [len(side) for side in sides] == [n - valid, valid]
    assert sorted(sides[0] + sides[1]) == list(range(n))


@pytest.mark.parametrize("name", ["random", "stratified"])
@pytest.mark.parametrize(
    ("option", "value"),
    [("valid_pct", 0.0), ("valid_pct", 1.0), ("valid_pct", float("nan")), ("seed", -1), ("seed", 2**64)],
)
def test_options_are_checked(name: str, option: str, value: float) -> None:
    with pytest.raises(BadInput, match=option):
        splitters.create(name, **{option: value})


def test_stratified_has_every_class_on_both_sides() -> None:
    sizes = {"common": 100, "some": 9, "rare": 2, "single": 1}
    labels = [label for label, n in sizes.items() for _ in range(n)]
    split = splitters.create("stratified", seed=42)
    train, valid = split(numbered(len(labels)), labels)
    assert sorted(train + valid) == list(range(len(labels)))
    assert Counter(labels[i] for i in valid) == {"common": 20, "some": 2, "rare": 1}
    assert Counter(labels[i] for i in train) == {"common": 80, "some": 7, "rare": 1, "single": 1}
    assert (train, valid) == split(numbered(len(labels)), labels)
    assert (train, valid) != splitters.create("stratified", seed=43)(numbered(len(labels)), labels)
    assert train != sorted(train), "the first of a class are not favoured"


def test_stratified_keeps_one_for_training() -> None:
    train, valid = splitters.create("stratified", valid_pct=0.9, seed=0)(numbered(6), ["a"] * 3 + ["b"] * 3)
    assert len(train) == 2 and len(valid) == 4


def test_stratified_needs_labels() -> None:
    with pytest.raises(BadInput, match="needs the photos' labels"):
        splitters.create("stratified")(numbered(3))


@pytest.mark.parametrize("valid", ["valid", "validation", "val", "Val", "VALID"])
@pytest.mark.parametrize("train", ["train", "training", "Train"])
def test_grandparent_knows_the_names_people_use(train: str, valid: str) -> None:
    items = paths(f"{train}/cat/1.jpg", f"{valid}/cat/2.jpg", "test/cat/3.jpg", f"{train}/dog/4.jpg", "more/dog/5.jpg")
    assert splitters.create("grandparent")(items) == ([0, 3], [1])


def test_grandparent_takes_test_only_where_there_is_nothing_else() -> None:
    assert splitters.create("grandparent")(paths("train/cat/1.jpg", "test/cat/2.jpg")) == ([0], [1])
    items = paths("train/cat/1.jpg", "val/cat/2.jpg", "test/cat/3.jpg")
    assert splitters.create("grandparent", valid_name="test")(items) == ([0], [2])
    assert splitters.create("grandparent", train_name="val", valid_name="train")(items) == ([1], [0])


def test_grandparent_says_which_folders_there_are() -> None:
    items = paths("train/cat/1.jpg", "holdout/cat/2.jpg")
    with pytest.raises(
        BadInput, match=r"validation is in test or val or valid or validation/CLASS/.*: holdout, train\."
    ):
        splitters.create("grandparent")(items)
    with pytest.raises(BadInput, match=r"training is in fit/CLASS/.*holdout, train\."):
        splitters.create("grandparent", train_name="fit", valid_name="holdout")(items)
    with pytest.raises(BadInput, match=r"are: none\."):
        splitters.create("grandparent")([Path("1.jpg")])
    with pytest.raises(BadInput, match=r"09 and 10 more\.$"):
        splitters.create("grandparent")(paths(*(f"{i:02}/cat/1.jpg" for i in range(20))))


def test_grandparent_on_real_photos(data_folder: Path) -> None:
    items = get_image_files(data_folder / "clothing")
    train, valid = splitters.create("grandparent")(items)
    assert (len(train), len(valid)) == (3068, 341) and len(items) == 3409


def listing(tmp_path: Path, text: str) -> str:
    file = tmp_path / "valid.txt"
    file.write_text(text, encoding="utf-8-sig")
    return str(file)


def test_file_lists_names_or_ends_of_paths(tmp_path: Path) -> None:
    items = paths("cat/1.jpg", "dog/1.jpg", "cat/2.jpg", "dog/3.jpg", "é.jpg")
    split = splitters.create("file", path=listing(tmp_path, "1.jpg\n\n  ./cat\\2.jpg \r\né.jpg"))
    assert split(items) == ([3], [0, 1, 2, 4]), "as in fastai, a bare name means every photo called so"
    absolute = (tmp_path / "cat" / "1.jpg").as_posix()
    assert splitters.create("file", path=listing(tmp_path, absolute))([Path(absolute), *items]) == (
        [1, 2, 3, 4, 5],
        [0],
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.jpg\nb.jpg\na.jpg\nd.jpg\nc.jpg\n", r"no photo has: a\.jpg, b\.jpg, c\.jpg and 1 more;"),
        ("1.jpg\nat/2.jpg\n", r"no photo has: at/2\.jpg;"),
        ("9.jpg\n", "belongs to a photo"),
        ("", "belongs to a photo"),
        ("1.jpg\n2.jpg\n", "none is left for training"),
    ],
)
def test_file_that_does_not_fit(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        splitters.create("file", path=listing(tmp_path, text))(paths("cat/1.jpg", "cat/2.jpg"))


@pytest.mark.parametrize("seed", range(5))
def test_file_as_by_definition(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    items = [
        Path(*(draw.choice("ab") for _ in range(draw.randint(1, 4))), f"{draw.randint(0, 9)}.jpg") for _ in range(80)
    ]
    listed = [Path(*item.parts[-draw.randint(1, 5) :]).as_posix() for item in items[:6]]
    valid = [i for i, item in enumerate(items) if any(f"/{item.as_posix()}".endswith(f"/{end}") for end in listed)]
    train = sorted(set(range(len(items))) - set(valid))
    assert splitters.create("file", path=listing(tmp_path, "\n".join(listed)))(items) == (train, valid)


def test_file_of_names_that_are_ends_of_each_other(tmp_path: Path) -> None:
    """Each is listed for all photos: 5,000 times 5,000 would be counted one by one."""
    deep = Path(*"a" * 1000)
    items = [deep / f"{i}" / "1.jpg" for i in range(5000)] + [Path("2.jpg")]
    text = "\n".join(["1.jpg", *(f"{i}/1.jpg" for i in range(5000)), *(f"a/{i}/1.jpg" for i in range(5000))])
    with takes_at_most(10):
        train, valid = splitters.create("file", path=listing(tmp_path, text))(items)
        assert (train, len(valid)) == ([5000], 5000)


def test_file_of_long_names_is_not_quoted_at_length(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no photo has") as refused:
        splitters.create("file", path=listing(tmp_path, "1.jpg\n" + "x" * 100_000))(paths("1.jpg", "2.jpg"))
    assert len(str(refused.value)) < 400


def test_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        splitters.create("file", path=str(tmp_path / "none.txt"))
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(BadInput, match="cannot be read"):
        splitters.create("file", path=str(tmp_path / "photo.jpg"))


def test_folder_takes_the_nearest_name_of_any_level() -> None:
    items = paths("train/cat/1.jpg", "cat/val/2.jpg", "train/cat/more/3.jpg", "train/x/val/4.jpg", "test/5.jpg")
    assert splitters.create("folder", valid=["val"], train=["train"])(items) == ([0, 2], [1, 3])


def test_folder_takes_no_name_from_above_the_data_set() -> None:
    items = [Path("train", name) for name in ("train/cat/1.jpg", "val/cat/2.jpg", "extra/cat/3.jpg")]
    assert splitters.create("folder", valid=["val"], train=["train"])(items) == ([0], [1])


def test_folder_says_when_a_test_set_is_used() -> None:
    splitter = splitters.create("folder", valid=["Testing"], train=["Training"])
    (remark,) = splitter.remarks([])
    assert remark.startswith("Testing is used for validation")
    assert (
        splitters.create("folder").remarks([]) == splitters.create("grandparent").remarks(paths("val/cat/1.jpg")) == []
    )
    assert len(splitters.create("grandparent").remarks(paths("train/cat/1.jpg", "test/cat/1.jpg"))) == 1


def test_folder_without_photos_on_a_side() -> None:
    with pytest.raises(BadInput, match="No photo for validation is in a folder valid; choose another name"):
        splitters.create("folder")(paths("train/cat/1.jpg"))


def test_table_by_a_column_or_by_tables(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,fold\n1.jpg,0\n2.jpg,1\n3.jpg,2\n4.jpg,\n")
    items = paths("1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg")
    column = {"path": str(tmp_path / "t.csv"), "name_column": "file", "split_column": "fold"}
    assert splitters.create("table", **column, valid=["0"], train=["1", "2"])(items) == ([1, 2], [0])
    for name, number in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.csv").write_text(f"file\tx\n{number}.jpg\t0\n")
    tables = {"path": str(tmp_path), "name_column": "file"}
    assert splitters.create("table", **tables, valid=["a.csv"], train=["b.csv"])(items) == ([1], [0])
    with pytest.raises(BadInput, match="has no photo of 7 for validation; choose another value"):
        splitters.create("table", **column, valid=["7"], train=["1"])(items)


@pytest.mark.parametrize("name", ["../t.csv", "/t.csv", "a/../../t.csv", "..\\t.csv", "C:/t.csv", ""])
def test_tables_lie_in_the_folder_that_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "t.csv").write_text("file,label\n1.jpg,cat\n")
    for made in (
        lambda: splitters.create("table", path=str(tmp_path / "in"), name_column="file", valid=[name], train=[]),
        lambda: labellers.create("csv", path=str(tmp_path / "in"), tables=[name]),
    ):
        with pytest.raises(BadInput, match=r"is not a table in .*; give a name relative"):
            made()
