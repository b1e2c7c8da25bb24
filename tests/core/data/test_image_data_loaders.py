"""fastai's short cuts give what the data block of the same words gives."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.data.files import get_image_files
from core.data.image_data_loaders import ImageDataLoaders
from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.registry import splitters, transforms

COLOURS = ["blue", "green", "red"]


def small() -> dict[str, Any]:
    return {"item_tfms": transforms.create("resize", size=24), "bs": 6, "device": "cpu"}


def sides(dls: DataLoaders) -> tuple[list[str], list[str]]:
    return [f.name for f in dls.train.items], [f.name for f in dls.valid.items]


@pytest.fixture
def tree(tmp_path: Path, draw_photos: Callable[..., Path]) -> Path:
    """train/CLASS and valid/CLASS, and a folder of neither."""
    for side, count in (("train", 3), ("valid", 2), ("other", 1)):
        for colour in ("red", "blue"):
            draw_photos(tmp_path / side / colour, count, count, (colour,))
    return tmp_path


def test_from_folder(tree: Path) -> None:
    dls = ImageDataLoaders.from_folder(tree, **small())
    assert [len(side) for side in sides(dls)] == [6, 4] and dls.vocab == ["blue", "red"]
    swapped = ImageDataLoaders.from_folder(tree, train="valid", valid="other", **small())
    assert [len(side) for side in sides(swapped)] == [4, 2]
    drawn = ImageDataLoaders.from_folder(tree, valid_pct=0.5, seed=1, **small())
    assert [len(side) for side in sides(drawn)] == [6, 6]
    some = ImageDataLoaders.from_folder(tree, vocab=["red", "green", "blue"], **small())
    assert some.vocab == COLOURS and some.c == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda p, f, **k: ImageDataLoaders.from_name_func(p, f, lambda name: name.split("_")[0], **k),
        lambda p, f, **k: ImageDataLoaders.from_path_func(p, f, lambda path: path.name.split("_")[0], **k),
        lambda p, f, **k: ImageDataLoaders.from_name_re(p, f, r"^(.+)_\d+.jpg$", **k),
        lambda p, f, **k: ImageDataLoaders.from_path_re(p, f, r"/(\w+)_\d+.jpg$", **k),
        lambda p, f, **k: ImageDataLoaders.from_lists(p, [x.name for x in f], [x.name.split("_")[0] for x in f], **k),
        lambda p, f, **k: ImageDataLoaders.from_df(
            pd.DataFrame({"n": [x.stem for x in f], "y": [x.name.split("_")[0] for x in f]}), p, suff=".jpg", **k
        ),
    ],
    ids=["name_func", "path_func", "name_re", "path_re", "lists", "df"],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_labels_by_function_expression_or_list(make: Callable[..., DataLoaders], as_text: bool, photos: Path) -> None:
    files = list(get_image_files(photos))
    given = [Path(f) for f in files] if not as_text else files
    dls = make(photos, given, valid_pct=0.25, seed=7, **small())
    train, valid = splitters.create("random", valid_pct=0.25, seed=7)(files)
    assert sides(dls) == ([files[i].name for i in train], [files[i].name for i in valid])
    assert dls.vocab == COLOURS
    assert [dls.vocab[t] for t in dls.valid.targets] == [f.name.split("_")[0] for f in dls.valid.items]


@pytest.mark.parametrize("source", ["csv", "df"])
def test_a_table_with_a_column_of_validation(source: str, photos: Path, tmp_path: Path) -> None:
    names = [f.name for f in get_image_files(photos)]
    table = pd.DataFrame(
        {"valid": [i < 5 for i in range(len(names))], "y": [n.split("_")[0] for n in names], "n": names}
    )
    table.to_csv(tmp_path / "table.csv", index=False)
    chosen = {"fn_col": "n", "label_col": 1, "valid_col": "valid", "folder": photos, **small()}
    if source == "csv":
        dls = ImageDataLoaders.from_csv(tmp_path, "table.csv", **chosen)
    else:
        dls = ImageDataLoaders.from_df(table, tmp_path, **chosen)
    assert sides(dls) == (names[5:], names[:5]) and dls.vocab == COLOURS


def test_numbers_of_a_csv_are_what_pandas_makes_of_them(photos: Path, tmp_path: Path) -> None:
    names = [f.name for f in get_image_files(photos)]
    table = pd.DataFrame({"n": names, "y": [i % 12 for i in range(len(names))]})
    table.to_csv(tmp_path / "labels.csv", index=False)
    expected = ImageDataLoaders.from_df(table, photos, 0.25, 3, **small())
    found = ImageDataLoaders.from_csv(tmp_path, folder=photos, valid_pct=0.25, seed=3, **small())
    assert found.vocab == expected.vocab == sorted(expected.vocab, key=int)
    assert sides(found) == sides(expected)


@pytest.mark.parametrize("header", [None, "infer", 0])
def test_a_csv_with_and_without_a_header(header: str | int | None, photos: Path, tmp_path: Path) -> None:
    names = [f.name for f in get_image_files(photos)]
    rows = [f"{name},{name.split('_')[0]}\n" for name in names]
    (tmp_path / "labels.csv").write_text("".join(["n,y\n"] * (header is not None) + rows))
    dls = ImageDataLoaders.from_csv(tmp_path, "labels.csv", header, folder=photos, **small())
    train, valid = sides(dls)
    assert sorted(train + valid) == names and dls.vocab == COLOURS


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-16", "\t"), ("cp1252", ";"), ("utf-8-sig", ",")])
def test_a_table_in_any_encoding(encoding: str, delimiter: str, photos: Path, tmp_path: Path) -> None:
    rows = [("n", "y"), *((f.name, f"{f.name[0]}é") for f in get_image_files(photos))]
    (tmp_path / "labels.csv").write_bytes("\n".join(map(delimiter.join, rows)).encode(encoding))
    for given in ({}, {"delimiter": delimiter}):
        dls = ImageDataLoaders.from_csv(tmp_path, folder=photos, **given, **small())
        assert dls.vocab == ["bé", "gé", "ré"]


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_table_is_a_file_of_some_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(BadInput, match="a device or a pipe"):
        ImageDataLoaders.from_csv(tmp_path)
    (tmp_path / "long.csv").write_text("n,y\n" + "a" * 2**20)
    with pytest.raises(BadInput, match="too long"):
        ImageDataLoaders.from_csv(tmp_path, "long.csv")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: ImageDataLoaders.from_csv(p, "none.csv"), "none.csv.*cannot be read"),
        (lambda p: ImageDataLoaders.from_lists(p, ["a.jpg", "b.jpg"], ["a"]), "2 file names and 1 labels"),
        (lambda p: ImageDataLoaders.from_df(pd.DataFrame({"a": ["x"]}), p), "no column 1; it has: a"),
        (lambda p: ImageDataLoaders.from_folder(p / "none"), "There is no folder"),
        (lambda p: ImageDataLoaders.from_csv(p, header=2), "header=2 is not understood"),
    ],
)
def test_what_cannot_work_is_said(make: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        make(tmp_path)
