"""The forms of sources: what a person leaves alone stays out of the recipe, and the rest has its own type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import BadInput
from plugins.panels.kit.page.sources import use_form, use_text
from plugins.panels.kit.project.project import Project


@pytest.mark.parametrize(
    ("values", "options"), [(("40", "0"), {}), (("2", "0"), {"count": 2}), (("2", "7"), {"count": 2, "seed": 7})]
)
def test_a_form_gives_the_options_that_were_changed(
    tmp_path: Path, values: tuple[str, str], options: dict[str, int]
) -> None:
    project = Project(tmp_path)
    use_form("sample", project, *values)
    assert project.require_recipe().source == {"name": "sample"} | options


@pytest.mark.parametrize("value", ["many", "", "1.5", "0"])
def test_a_value_that_does_not_fit_is_refused_with_its_name(tmp_path: Path, value: str) -> None:
    project = Project(tmp_path)
    with pytest.raises(BadInput, match="count"):
        use_form("sample", project, value, "0")
    assert project.recipe is None and "count" in project.refused


def test_a_text_is_for_the_source_that_knows_it(tmp_path: Path, draw_photos: Callable[..., Path]) -> None:
    photos = draw_photos(tmp_path / "photos", 4)
    project = Project(tmp_path / "workspace")
    use_text(project, f" {photos} ")
    assert project.require_recipe().source == {"name": "folder", "path": str(photos)}
    with pytest.raises(BadInput, match=r"a folder of this computer.* \.zip"):
        use_text(project, " ")
