"""What is proposed for data sets as people have them, and what the check tells of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.check import Examined, examine
from core.data.propose import names_of, proposal, source_of
from core.discovery import discover
from core.errors import BadInput
from core.recipe import Recipe
from core.registry import sources
from tests.core.data.wild import CASES, Maker

discover()


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory, draw_photos: Callable[..., Path]) -> list[bytes]:
    """60 photos."""
    return [file.read_bytes() for file in sorted(draw_photos(tmp_path_factory.mktemp("drawn"), 20).iterdir())]


def new(place: Path, workspace: Path) -> Recipe:
    source = source_of(str(place))
    found = sources.build(source, workspace)
    return proposal(names_of(found, found()), Path(found.root), source)[0]


def check(recipe: Recipe, workspace: Path) -> Examined:
    walk = examine(Recipe.from_json(recipe.to_json()), workspace)
    while True:
        try:
            next(walk)
        except StopIteration as end:
            return end.value


@pytest.mark.skipif(os.name != "posix", reason="some have links and names that other systems do not take")
@pytest.mark.parametrize("name", CASES)
def test_data_as_people_have_it(tmp_path: Path, contents: list[bytes], name: str) -> None:
    build, expected = CASES[name]
    folder, workspace = tmp_path / "data", tmp_path / "workspace"
    folder.mkdir()
    build(Maker(folder, contents))
    if expected.refused:
        with pytest.raises(BadInput) as refused:
            check(new(folder / expected.at, workspace), workspace)
        assert expected.refused in str(refused.value)
        return
    report = check(new(folder / expected.at, workspace), workspace).report
    assert list(report.counts) == sorted(expected.classes)
    assert expected.valid in (None, report.valid)
    text = "\n".join(report.lines())
    for told in expected.told:
        assert told in text
    assert "labels.csv: " not in text, "a table that is used is not left out"
