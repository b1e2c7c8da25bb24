"""Words by which people name folders: sides of a split, and what only counts."""

from __future__ import annotations

import pytest

from core.data.words import are_counters, sides


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *(
            (name, "train")
            for name in ("train", "Training", "TRAIN", "seg_train", "train_set", "trainset", "train2017")
        ),
        *(
            (name, "valid")
            for name in ("valid", "Validation", "val", "val2", "eval", "holdout", "hold-out", "Valid Set")
        ),
        *((name, "test") for name in ("test", "Testing", "test1", "TestSet", "test_images", "seg_pred")),
        *(
            (name, None)
            for name in ("train_station", "freight train", "test_tube", "valley", "strain", "attest", "cat")
        ),
    ],
)
def test_sides(name: str, side: str | None) -> None:
    assert sides([name, "cat"]).get(name) == side


def test_a_name_beside_a_side_is_one_where_the_other_side_is_called_alike() -> None:
    assert sides(["food_train", "food_test"]) == {"food_train": "train", "food_test": "test"}
    assert sides(["food_train", "toys_test"]) == {}


def test_predictions_are_a_side_beside_another_or_in_a_longer_name() -> None:
    assert sides(["prediction", "cat"]) == {}
    assert sides(["pred", "Train"]) == {"pred": "test", "Train": "train"} and sides(["seg_pred"]) == {
        "seg_pred": "test"
    }


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["2023", "2024"], True),
        (["2023-05-01", "2023-05-02"], True),
        (["part_1", "part_2"], True),
        (["100CANON", "101CANON"], True),
        (["0", "1", "2"], False),
        (["n01443537", "n01629819"], False),
        (["class_1", "class_2"], False),
        (["2023", "cat"], False),
    ],
)
def test_counters(names: list[str], count: bool) -> None:
    assert are_counters(names) is count
