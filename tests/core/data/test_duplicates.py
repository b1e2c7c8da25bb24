"""Photos that are there more than once are counted, and those with two labels named."""

from __future__ import annotations

from pathlib import Path

from core.data.duplicates import duplicates
from core.data.split import Split


def split(*names: str, valid: int = 0) -> Split:
    n = len(names)
    return Split([Path("x", name) for name in names], [Path(name).parent.name for name in names],
                 list(range(valid, n)), list(range(valid)))  # fmt: skip


def test_a_photo_with_two_labels_is_named_by_both() -> None:
    found = split("a/cat/1.jpg", "a/dog/one.jpg", "a/dog/2.jpg")
    assert duplicates(found, ["h", "h", "other"]) == "1 photo has two labels: 1.jpg ('cat') = one.jpg ('dog')"


def test_as_much_of_the_path_is_told_as_differs() -> None:
    assert "cat/1.jpg ('cat') = dog/1.jpg ('dog')" in duplicates(split("cat/1.jpg", "dog/1.jpg"), ["h", "h"])


def test_a_few_are_named_and_the_others_counted() -> None:
    names = [f"{label}/{i}.jpg" for i in range(5) for label in ("cat", "dog")]
    said = duplicates(split(*names, valid=1), [name[4:] for name in names])
    assert said.startswith("1 validation photo is also among the training photos; 5 photos have two labels: cat/0.jpg")
    assert said.count("=") == 3 and said.endswith(" and 2 more")


def test_copies_with_one_label_have_one() -> None:
    assert duplicates(split("cat/1.jpg", "cat/2.jpg"), ["h", "h"]) == ""
