"""What is proposed for photos, also for names and files that were made to be slow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.data import columns
from core.data.files import get_tables
from core.data.proposals import Proposal
from core.data.propose import proposal, propose, propose_source, source_of
from core.discovery import discover
from core.errors import BadInput
from core.registry import sources, transforms
from tests.cpu import takes_at_most

discover()


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["beagle_1.jpg", "beagle_2.jpg", "pug_1.jpg", "pug_22.jpg"], r"(.+)_\d+\.\w+$"),
        (["beagle (1).jpg", "beagle (2).jpg", "pug-1.jpg", "pug22.jpg"], r"(.+?)[ ._-]*\(?\d+\)?\.\w+$"),
        ([*(f"{name}_{i}.jpg" for i in range(9) for name in ("pug", "beagle")), "x.jpg", "y.jpg"], r"(.+)_\d+\.\w+$"),
    ],
)
def test_names_that_say_the_label(names: list[str], pattern: str) -> None:
    assert propose([Path("p", name) for name in names], Path("p"))[0] == {"name": "regex", "pattern": pattern}


def test_more_than_a_tenth_without_a_label() -> None:
    names = [*(f"{name}_{i}.jpg" for i in range(9) for name in ("pug", "beagle")), "x.jpg", "y.jpg", "z.jpg"]
    with pytest.raises(BadInput, match="No labels were found for the 21 photos"):
        propose([Path("p", name) for name in names], Path("p"))


@pytest.mark.parametrize("body", ["a", " ", "1", "(", "_1"])
def test_very_many_names_that_take_long(body: str) -> None:
    """A search that begins anew at each letter took 60 ms a name, and ten minutes for all."""
    items = [Path("p", f"{(body * 255)[:240]}{i:06}!") for i in range(10_000)]
    with takes_at_most(20), pytest.raises(BadInput, match="No labels were found"):
        propose(items, Path("p"))


def test_tables_are_files_of_the_users(tmp_path: Path) -> None:
    for name in (
        "a/labels.csv",
        "B.CSV",
        "notes.txt",
        "__MACOSX/._labels.csv",
        ".git/old.csv",
        "._B.csv",
        "c.csv/1.jpg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe.csv")
    assert get_tables(tmp_path) == [tmp_path / "B.CSV", tmp_path / "a" / "labels.csv"]


def test_the_only_table_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "__MACOSX").mkdir()
    for name in ("labels.csv", "__MACOSX/._labels.csv"):
        (tmp_path / name).write_text("file,breed\na.jpg,pug\nb.jpg,pug\nc.jpg,beagle\nd.jpg,beagle\n")
    items = [tmp_path / f"{letter}.jpg" for letter in "abcd"]
    table = {"path": str(tmp_path / "labels.csv"), "name_column": "file", "label_column": "breed"}
    assert propose(items, tmp_path)[0] == {"name": "csv"} | table


def test_a_transform_that_says_so_is_in_new_recipes(tmp_path: Path) -> None:
    names = [Path(f"{label}/{i}.jpg") for label in ("cat", "dog") for i in range(4)]
    before = proposal(names, tmp_path, {"name": "folder", "path": "photos"})[0]
    assert [choice["name"] for choice in before.batch_tfms] == ["aug_transforms"]

    @transforms.register("zz_grey", default={"batch_tfms": {"p": 0.5}})
    def grey(p: float = 0.1) -> None:
        """Grey."""

    try:
        recipe = proposal(names, tmp_path, {"name": "folder", "path": "photos"})[0]
    finally:
        transforms.discard(__name__)
    assert recipe.batch_tfms == [*before.batch_tfms, {"name": "zz_grey", "p": 0.5}]
    assert (recipe.item_tfms, recipe.architecture) == (before.item_tfms, before.architecture)


class Camera:
    """A source of what begins with `camera:`."""

    score = 1.0

    @classmethod
    def proposes(cls, text: str) -> Iterator[Proposal]:
        """For such a text."""
        if text.startswith("camera:"):
            yield Proposal({"path": text.removeprefix("camera:")}, cls.score)

    def __init__(self, workspace: Path, /, path: str) -> None:
        pass


def test_a_source_proposes_itself_for_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    sources.register("zz_camera")(Camera)
    try:
        assert source_of("camera:door") == {"name": "zz_camera", "path": "door"}
        assert source_of("door") == {"name": "folder", "path": "door"} and source_of("") == {"name": "sample"}
        monkeypatch.setattr(Camera, "score", 0)
        assert source_of("camera:door")["name"] == "folder"
    finally:
        sources.discard(__name__)


@pytest.mark.parametrize(
    ("text", "reason"), [("x/y.zip", "the zip 'x/y.zip'"), ("x", "the folder 'x'"), ("", "'sample'")]
)
def test_a_source_has_a_reason(text: str, reason: str) -> None:
    assert reason in propose_source(text)[1]


def test_a_table_that_takes_too_long_is_left_out(tmp_path: Path) -> None:
    names = [tmp_path / f"{label}_{n}.jpg" for label in ("cat", "dog") for n in range(20)]
    wide = ",".join(f"c{n}" for n in range(10_001))
    (tmp_path / "wide.csv").write_text(f"name,{wide}\n")
    letters = bytes([0xE9]) * 100_000  # in no known encoding
    (tmp_path / "old.csv").write_bytes(b"".join(b"%d.jpg,%s%d\n" % (n, letters, n % 7) for n in range(100)))
    with takes_at_most(3):
        assert propose(names, tmp_path)[0]["name"] == "regex"


def test_the_columns_of_a_huge_table_are_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_CELLS", 9)
    names = [tmp_path / f"{n}.jpg" for n in range(5)]
    (tmp_path / "a.csv").write_text("".join(f"{name.name},{'ab'[n % 2]}\n" for n, name in enumerate(names)))
    with pytest.raises(BadInput, match="over 9 cells; leave some columns out"):
        propose(names, tmp_path)
