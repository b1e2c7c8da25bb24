"""The splitter `group`: what belongs together is on one side, and each class has its share in validation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from core.data import pattern, photo
from core.errors import BadInput
from core.registry import splitters
from tests.cpu import takes_at_most


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_no_group_is_parted_and_classes_have_their_share(seed: int) -> None:
    items = [Path(f"patient{p:02}_{i}.jpg") for p in range(40) for i in range(1 + p % 5)]
    labels = ["well" if int(item.name[7:9]) % 3 else "ill" for item in items]
    train, valid = splitters.create("group", by="name", seed=seed)(items, labels)
    assert sorted(train + valid) == list(range(len(items)))
    assert not {items[i].name[:9] for i in train} & {items[i].name[:9] for i in valid}
    counts, held = Counter(labels), Counter(labels[i] for i in valid)
    for label, n in counts.items():
        assert abs(held[label] - 0.2 * n) <= 2, f"{held} of {counts}"


def test_groups_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "scans.csv").write_text("scan,patient\n" + "".join(f"{i}.png,p{i // 3}\n" for i in range(30)))
    columns = {"path": str(tmp_path / "scans.csv"), "name_column": "scan", "group_column": "patient"}
    splitter = splitters.create("group", by="table", **columns)
    train, valid = splitter([Path(f"{i}.png") for i in range(31)], ["a"] * 31)
    assert {i // 3 for i in train}.isdisjoint(i // 3 for i in valid) and 5 <= len(valid) <= 7


def test_copies_of_a_photo_stay_together(tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted((data_folder / "clothing").rglob("*.jpg"))[:60:3]
    items = []
    for i, file in enumerate(files):
        with Image.open(file) as image:
            image.convert("RGB").save(tmp_path / f"{i}_a.jpg")
            ImageOps.mirror(image.convert("RGB")).save(tmp_path / f"{i}_b.jpg", quality=60)
        items += [tmp_path / f"{i}_a.jpg", tmp_path / f"{i}_b.jpg"]
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    splitter, given = splitters.create("group"), ([*items, tmp_path / "broken.jpg"], [*"ab" * 20, "a"])
    train, valid = splitter(*given)
    assert {i // 2 for i in train if i < 40}.isdisjoint(i // 2 for i in valid if i < 40) and 6 <= len(valid) <= 10
    monkeypatch.setattr(photo, "load", None)  # nothing is decoded again
    assert splitter(*given) == (train, valid)


def test_a_pattern_of_exponential_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern, "MATCH_SECONDS", 0.2)
    splitter = splitters.create("group", by="name", pattern=r"^((a|aa)+)$")
    with takes_at_most(2), pytest.raises(BadInput, match="takes too long"):
        splitter([Path("a" * (60 + n) + "!") for n in range(100)])


@pytest.mark.parametrize(
    ("options", "said"),
    [({"pattern": "("}, "regular expression"), ({"pattern": "x"}, "no group"), ({"by": "table"}, "CSV|table|file")],
)
def test_wrong_options_are_refused(options: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        splitters.create("group", **options)
