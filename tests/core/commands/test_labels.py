"""`labels`: what people said goes out as a table and comes in again, and photos are copied, never changed."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.__main__ import main
from core.data.content import digest
from core.data.journal import Journal

Labels = Callable[..., str]


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    """24 photos, two of which are called the same."""
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "below").mkdir()
    (tmp_path / "photos" / "red_1.jpg").rename(tmp_path / "photos" / "below" / "red_2.jpg")
    return tmp_path / "photos"


@pytest.fixture
def labels(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Labels:
    """Runs `labels` on the recipe, or on another place; returns what it says."""
    recipe = tmp_path / "recipe.json"
    assert main(["new", "--workspace", str(tmp_path / "w"), str(folder)]) == 0
    recipe.write_text(capsys.readouterr().out)

    def run(*arguments: str, of: Path = recipe, workspace: str = "w", code: int = 0) -> str:
        assert main(["labels", "--workspace", str(tmp_path / workspace), str(of), *arguments]) == code
        return "".join(capsys.readouterr())

    return run


def test_labels_go_out_and_come_in(labels: Labels, folder: Path, tmp_path: Path) -> None:
    journal, files = Journal(tmp_path / "w"), sorted(folder.rglob("*.jpg"))
    journal.label([digest(files[1])], "red")
    journal.leave_out([digest(files[2])])
    before = [digest(file) for file in files]
    table = tmp_path / "labels.csv"
    assert "24 photos" in labels("--export", str(table))
    with table.open(newline="") as file:
        rows = {row["photo"]: row for row in csv.DictReader(file)}
    first = files[1].relative_to(folder).as_posix()
    assert len(rows) == 24 and rows[first]["label"] == "red" and rows["below/red_2.jpg"]["label"] == "red"
    assert [name for name, row in rows.items() if row["left_out"] == "1"] == [files[2].relative_to(folder).as_posix()]
    assert "exists already" in labels("--export", str(table), code=2)

    assert labels("--import", str(table), workspace="other").startswith("2 photos")
    assert Journal(tmp_path / "other").corrections == journal.corrections
    assert labels("--import", str(table), workspace="other").startswith("0 photos")
    by_name = tmp_path / "names.csv"
    by_name.write_text("photo,label\nbelow/red_2.jpg,x\n")
    assert labels("--import", str(by_name), workspace="third").startswith("1 photo ")
    assert Journal(tmp_path / "third").corrections.labels == {digest(folder / "below/red_2.jpg"): "x"}

    assert "23 photos" in labels("--to", str(tmp_path / "copies"))
    copied = sorted((tmp_path / "copies").rglob("*.jpg"))
    assert {digest(file) for file in copied} == set(before) - {before[2]}
    assert {file.parent.name for file in copied} == {"blue", "green", "red"}
    assert "not an empty folder" in labels("--to", str(tmp_path / "copies"), code=2)
    assert [digest(file) for file in files] == before


def test_a_workspace_knows_contents_alone(labels: Labels, folder: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w")
    journal.label([digest(folder / "blue_1.jpg")], "verde")
    assert "1 photo " in labels("--export", str(tmp_path / "out.csv"), of=tmp_path / "w")
    labels("--import", str(tmp_path / "out.csv"), of=tmp_path / "photos", workspace="unused")
    copy = Journal(tmp_path / "photos").path
    assert Journal(copy.parent).corrections == journal.corrections
    copy.unlink()
    assert "needs a recipe" in labels("--to", str(tmp_path / "x"), of=tmp_path / "w", code=2)
    assert "Give one of" in labels(code=2)
