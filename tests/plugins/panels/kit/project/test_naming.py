"""Runs have names and notes by people, and can be had back once after they were deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from core.recipe import Recipe
from core.runs.listing import runs_in
from core.runs.run import Run
from plugins.panels.kit.project.discarded import discard, discarded, restore
from plugins.panels.kit.project.naming import describe, photos_of_run, said_of, title_of
from plugins.panels.kit.project.plain import plain
from plugins.panels.kit.project.project import Project
from tests.plugins.panels.markup import HOSTILE


@pytest.fixture
def make_run(recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[[], Run]:
    return lambda: Run.create(Recipe.from_dict(recipe_dict()), tmp_path)


def remember(run: Run, labels: dict[str, str]) -> None:
    run.write("photos.json", json.dumps({name: (label, f"content of {name}") for name, label in labels.items()}))


def test_a_name_is_proposed_from_photos_labels_and_network(make_run: Callable[[], Run], photos: Path) -> None:
    run = make_run()
    assert title_of(run) == f"{photos.name}, lite0", "before its photos have been read"
    remember(run, {"a.jpg": "cat", "b.jpg": "dog"})
    assert title_of(run) == f"{photos.name}, 2 labels, lite0"
    run.write("corrected.json", json.dumps({"labelled": 0, "relabelled": 3, "left_out": 1}))
    assert title_of(run) == f"{photos.name}, 2 labels, lite0, 3 labels corrected, 1 left out", "it tells runs apart"
    run.write("recipe.json", "{")
    assert title_of(Run(run.folder.parent / ".." / "runs" / run.name)) == run.name, "without a recipe"


def test_the_version_changes_with_photos_and_labels(make_run: Callable[[], Run]) -> None:
    versions = []
    for labels in {"a": "cat", "b": "dog"}, {"b": "dog", "a": "cat"}, {"a": "cat", "b": "cat"}, {"a": "cat"}:
        run = make_run()
        remember(run, labels)
        versions.append(photos_of_run(run).version)
    assert versions[0] == versions[1] and len(set(versions)) == 3


def test_a_person_names_it_and_takes_that_back(make_run: Callable[[], Run]) -> None:
    run = make_run()
    proposed = title_of(run)
    describe(run, "title", f"  {HOSTILE}\n")
    describe(run, "note", "with mixup")
    assert title_of(run) == HOSTILE.strip() and said_of(run, "note") == "with mixup"
    describe(run, "title", "")
    assert title_of(run) == proposed and said_of(run, "note") == "with mixup"
    with pytest.raises(BadInput, match="at most 80"):
        describe(run, "title", "x" * 81)
    with pytest.raises(BadInput, match="'recipe'"):
        describe(run, "recipe", "x")
    (run.folder / "about.json").write_text("[1")
    assert title_of(run) == proposed


def test_the_last_run_that_was_deleted_comes_back(make_run: Callable[[], Run], tmp_path: Path) -> None:
    first, second = make_run(), make_run()
    for run in first, second:
        discard(run)
    assert runs_in(tmp_path) == [] and discarded(tmp_path) is not None
    assert restore(tmp_path) == second and runs_in(tmp_path) == [second] and second.recipe
    with pytest.raises(BadInput, match="gone for good"):
        restore(tmp_path)
    discard(second)
    Project(tmp_path).check_room(1)
    assert discarded(tmp_path) is None, "its room is needed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'/w/runs/a/recipe.json' cannot be read.", "'runs/a/recipe.json' cannot be read."),
        ("[Errno 2] No such file or directory: '/w'", "No such file or directory: 'the workspace'"),
        (r"'C:\\photos\\x.jpg' is damaged.", r"'C:\photos\x.jpg' is damaged."),
        ("'/else/x.jpg' is damaged.", "'/else/x.jpg' is damaged."),
    ],
)
def test_a_message_is_plain(text: str, said: str) -> None:
    assert plain(text, Path("/w")) == said
