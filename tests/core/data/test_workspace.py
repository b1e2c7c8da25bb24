"""What lies in a workspace of this program is never a photo of the user's, wherever the workspace is."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.files import WORKSPACE, get_image_files, walk

OURS = ["runs/2026-11-23_11-20-36_x/recipe.json", "sources/zip-0a/table.json"]


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("inside", ["", "old/w"])
def test_one_that_no_check_has_used(tmp_path: Path, ours: str, inside: str) -> None:
    workspace = tmp_path / inside
    own = [
        "runs/x/confusion.png",
        "sources/zip-0a/files/cat/1.jpg",
        "lr_finds/x/curve.png",
        "photos/2026-11-23_11-20-36-ab12/dog/1.jpg",
    ]
    touch(workspace / ours, tmp_path / "cat/1.jpg", tmp_path / "photos/2.jpg", *(workspace / name for name in own))
    assert get_image_files(tmp_path).names == ["cat/1.jpg", "photos/2.jpg"]


def test_the_one_in_use_that_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "cat/1.jpg", tmp_path / "runs/x/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert get_image_files(".", workspace=tmp_path).names == ["cat/1.jpg"]
    assert get_image_files(tmp_path, workspace=tmp_path / "other").names == ["cat/1.jpg", "runs/x/1.jpg"]


def test_what_is_passed_over_is_listed(tmp_path: Path) -> None:
    touch(tmp_path / "photos.sqlite", tmp_path / "cat/1.jpg", tmp_path / "runs/x/1.jpg")
    aside: dict[str, str] = {}
    assert [here for here, _, _ in walk(tmp_path, None, aside)] == [str(tmp_path), str(tmp_path / "cat")]
    assert aside == {str(tmp_path / "runs"): WORKSPACE}


def test_photos_that_lie_in_a_workspace_may_be_asked_for(tmp_path: Path) -> None:
    touch(tmp_path / "photos.sqlite", tmp_path / "photos/2026-11-23_11-20-36-ab12/dog/1.jpg")
    assert len(get_image_files(tmp_path / "photos/2026-11-23_11-20-36-ab12", workspace=tmp_path)) == 1
