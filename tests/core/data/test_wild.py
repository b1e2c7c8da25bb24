"""What is proposed for data sets as people have them, and what the check tells of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.data.check import Examined, examine
from core.data.files import get_image_files, no_photos
from core.data.proposals import Proposal
from core.data.propose import names_of, proposal, propose, source_of
from core.discovery import discover
from core.errors import BadInput
from core.events import drain
from core.recipe import Recipe
from core.registry import labellers, sources
from tests.core.data import wild_names, wild_tables
from tests.core.data.wild import CASES, Maker

discover()
assert wild_names and wild_tables  # their cases are among CASES


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory, draw_photos: Callable[..., Path]) -> list[bytes]:
    """60 photos."""
    return [file.read_bytes() for file in sorted(draw_photos(tmp_path_factory.mktemp("drawn"), 20).iterdir())]


def proposed(place: Path, workspace: Path) -> tuple[Recipe, list[str]]:
    source = source_of(str(place))
    found = sources.build(source, workspace)
    if not (items := found()):
        raise no_photos(found.root)
    return proposal(names_of(found, items), Path(found.root), source)


def new(place: Path, workspace: Path) -> Recipe:
    return proposed(place, workspace)[0]


def check(recipe: Recipe, workspace: Path) -> Examined:
    return drain(examine(Recipe.from_json(recipe.to_json()), workspace))


@pytest.mark.skipif(os.name != "posix", reason="some have links and names that other systems do not take")
@pytest.mark.parametrize("name", CASES)
def test_data_as_people_have_it(tmp_path: Path, contents: list[bytes], name: str) -> None:
    build, expected = CASES[name]
    folder, workspace = tmp_path / "data", tmp_path / "workspace"
    folder.mkdir()
    build(Maker(folder, contents))
    if expected.refused:
        try:
            recipe, reasons = proposed(folder / expected.at, workspace)
            found = check(recipe, workspace)
        except BadInput as refused:
            assert expected.refused in str(refused)
        else:
            assert recipe.labeller == {"name": "by_hand"} and expected.refused in reasons[0]
            assert found.unlabelled and found.unready
        return
    recipe, reasons = proposed(folder / expected.at, workspace)
    report = check(recipe, workspace).report
    assert list(report.counts) == sorted(expected.classes)
    assert list(expected.counts) in ([], list(report.counts.values()))
    assert expected.valid in (None, report.valid)
    text = "\n".join(report.lines())
    for told in expected.told:
        assert told in text
    for reason in expected.reasons:
        assert reason in "\n".join(reasons)
    assert "labels.csv: " not in text, "a table that is used is not left out"


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_a_class_that_nobody_may_read(tmp_path: Path, contents: list[bytes]) -> None:
    """In a process of its own, as a user who may not: an administrator may read all."""
    maker = Maker(tmp_path / "data", contents)
    maker.many("{v}/{i}.jpg", ("cat", "dog", "rabbit"), 8)
    (tmp_path / "data/rabbit").chmod(0)
    code = (
        "import os, sys; from pathlib import Path; from core.data.files import walk\n"
        "os.chdir(sys.argv[1]); os.getuid() or os.setuid(65534)\n"
        "aside = {}; print(len(list(walk(Path('data'), None, aside))), aside)"
    )
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):  # pytest keeps them to itself
        folder.chmod(0o755)
    try:
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    finally:
        (tmp_path / "data/rabbit").chmod(0o755)
    assert done.stdout == "3 {'data/rabbit': 'a folder that cannot be read (Permission denied)'}\n"


def test_the_workspace_in_the_folder_of_the_photos(tmp_path: Path, contents: list[bytes]) -> None:
    Maker(tmp_path, contents).many("{v}/{i}.jpg", ("cat", "dog", "workspace/photos/bird"), 8)
    found = check(new(tmp_path, tmp_path / "workspace"), tmp_path / "workspace")
    assert found.report.counts == {"cat": 8, "dog": 8}
    assert found.report.skipped[str(tmp_path / "workspace")] == "a workspace of this program"


def test_a_zip_with_a_table_in_another_workspace(tmp_path: Path, contents: list[bytes]) -> None:
    maker = Maker(tmp_path, contents)
    maker.table("{side},{n},{b}", "split,file,label")
    names = [file for file in sorted(tmp_path.rglob("*")) if file.is_file()]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in names:
            archive.write(file, file.relative_to(tmp_path))
    recipe = new(tmp_path / "all.zip", tmp_path / "first")
    expected = check(recipe, tmp_path / "first").report
    shutil.rmtree(tmp_path / "first")
    report = check(recipe, tmp_path / "second").report
    assert report == expected and report.valid == 12 and report.skipped == {}


@pytest.mark.parametrize("case", ["table_split_column", "a_table_for_each_side"])
def test_photos_that_moved_with_their_tables(tmp_path: Path, contents: list[bytes], case: str) -> None:
    folder, other = tmp_path / "data", tmp_path / "under another name"
    CASES[case][0](Maker(folder, contents))
    recipe = new(folder, tmp_path / "w")
    folder.rename(other)
    moved = replace(recipe, source={"name": "folder", "path": str(other)})
    report = check(moved, tmp_path / "w").report
    assert len(report.counts) == 4 and report.valid == 12


def test_reasons_name_what_was_found(tmp_path: Path, contents: list[bytes]) -> None:
    CASES["images_below_each_class"][0](Maker(tmp_path, contents))
    _, _, reasons = propose(get_image_files(tmp_path), tmp_path)
    assert reasons[0].startswith("labels from the folders above 'images': n01443537, n01629819; photos in test, val")
    assert "a random fifth" in reasons[1]


def test_a_third_party_labeller_takes_part(tmp_path: Path, contents: list[bytes], monkeypatch: Any) -> None:
    class Initial:
        """The first letter of the name."""

        def __call__(self, path: Path) -> str:
            return path.name[0]

        @classmethod
        def proposes(cls, names: Sequence[Path], root: Path) -> list[Proposal]:
            return [Proposal({}, 0.99, "labels from the first letters")]

    monkeypatch.setattr(labellers, "_entries", dict(labellers._entries))
    labellers.register("initial")(Initial)
    Maker(tmp_path, contents).many("{v}/{v}_{i}.jpg", ("cat", "dog"))
    labeller, _, reasons = propose(get_image_files(tmp_path), tmp_path)
    assert labeller == {"name": "initial"} and reasons[0] == "labels from the first letters"
