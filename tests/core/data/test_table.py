"""Items that are rows of a table: a real DataFrame, and dictionaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.data.block import DataBlock
from core.data.files import get_image_files
from core.data.splitters import FuncSplitter, IndexSplitter
from core.data.table import ColReader, ColSplitter, Rows, cell
from core.errors import BadInput
from core.registry import transforms


@pytest.fixture
def table(photos: Path) -> pd.DataFrame:
    """A row a photo; each fourth is for validation."""
    names = [file.name for file in get_image_files(photos)]
    valid = [i % 4 == 0 for i in range(len(names))]
    return pd.DataFrame({"file": names, "colour": [n.split("_")[0] for n in names], "is_valid": valid}).iloc[::-1]


def block(**options: Any) -> DataBlock:
    return DataBlock(**{"get_y": ColReader("colour"), "item_tfms": transforms.create("resize", size=24), **options})


@pytest.mark.parametrize(
    "get_x", ["ColReader(0, pref=photos)", "lambda r: photos / r['file']", "lambda r: photos / r.file"]
)
def test_a_data_frame_is_a_source(get_x: str, table: pd.DataFrame, photos: Path) -> None:
    read = eval(get_x, {"ColReader": ColReader, "photos": photos})
    split = block(get_x=read, splitter=ColSplitter()).split(table)
    assert [f.name for f in split.items] == list(table["file"]) and split.labels == list(table["colour"])
    assert split.valid == [i for i, valid in enumerate(table["is_valid"]) if valid]
    dls = block(get_x=read, splitter=ColSplitter()).dataloaders(table, bs=6, device="cpu")
    assert dls.one_batch()[0].shape == (6, 3, 24, 24) and dls.vocab == ["blue", "green", "red"]


def test_a_function_may_make_the_table(table: pd.DataFrame, photos: Path) -> None:
    whole = block(get_items=lambda path: table, get_x=ColReader("file", pref=photos))
    assert len(whole.split("anywhere").items) == 24


def test_a_table_needs_get_x(table: pd.DataFrame) -> None:
    with pytest.raises(BadInput, match=r"get_x is missing.*ColReader"):
        block().split(table)


@pytest.mark.parametrize(
    ("reader", "expected"),
    [
        (ColReader("file"), "a.jpg"),
        (ColReader(0), "a.jpg"),
        (ColReader("label", pref="x/", suff=".png"), "x/3.png"),
        (ColReader(1, pref=Path("x")), "x/3"),
        (ColReader("label"), 3),
    ],
)
def test_a_column_is_read_by_name_or_number(reader: ColReader, expected: Any) -> None:
    values = {"file": "a.jpg", "label": 3}
    assert reader(values) == expected
    found = reader(Rows(pd.DataFrame([values]))[0])
    assert (Path(found), expected) == (Path(expected), found) if isinstance(expected, str) else found == expected


@pytest.mark.parametrize("row", [{"file": 1, "label": 2}, pd.Series({"file": 1, "label": 2})])
@pytest.mark.parametrize("column", ["lable", 7])
def test_a_column_that_is_not_there(row: Any, column: Any) -> None:
    with pytest.raises(BadInput, match=rf"no column {column!r}; it has: file, label"):
        cell(row, column)


@pytest.mark.parametrize(
    ("values", "valid"),
    [([True, False], [0]), ([0, 1], [1]), (["False", "TRUE "], [1]), (["no", "1"], [1]), ([0.0, 1.0], [1])],
)
def test_a_column_says_what_is_for_validation(values: list[Any], valid: list[int]) -> None:
    for rows in (Rows(pd.DataFrame({"is_valid": values})), [{"is_valid": v} for v in values]):
        train, found = ColSplitter()(rows)
        assert (sorted(train + found), found) == ([0, 1], valid)


def test_a_column_that_is_neither_true_nor_false() -> None:
    with pytest.raises(BadInput, match="'is_valid' holds 'maybe'; write True or False"):
        ColSplitter()([{"is_valid": "maybe"}])


def test_places_and_functions_split_too() -> None:
    items = ["a", "b", "c", "d"]
    assert IndexSplitter([3, 1])(items) == ([0, 2], [3, 1])
    assert FuncSplitter(lambda item: item > "b")(items) == ([0, 1], [2, 3])
    with pytest.raises(BadInput, match="valid_idx contains 4, but the 4 items"):
        IndexSplitter([4])(items)
