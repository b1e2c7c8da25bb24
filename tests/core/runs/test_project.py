"""The draft and the runs of a workspace: what one process writes another one sees, and a visitor stays inside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.check import Examined
from core.errors import BadInput
from core.events import Checked
from core.lock import Lock
from core.recipe import Recipe
from core.registry import labellers
from core.runs import project as project_module
from core.runs.project import Project
from core.runs.run import Run

MakeRecipe = Callable[..., dict[str, Any]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "workspace")


@pytest.fixture
def opened(project: Project, photos: Path) -> Project:
    project.open({"name": "folder", "path": str(photos)})
    return project


def test_nothing_is_there_at_first(project: Project) -> None:
    assert (project.recipe, project.run, project.lr_find, project.runs, project.examined) == (
        None,
        None,
        None,
        [],
        None,
    )
    with pytest.raises(BadInput, match="no photos yet"):
        project.must_have_recipe()
    assert not project.folder.exists(), "who only looks leaves nothing behind"


def test_photos_bring_a_recipe_that_another_process_sees(opened: Project, photos: Path) -> None:
    again = Project(opened.folder)
    assert again.recipe == opened.recipe is not None
    assert again.must_have_recipe().source == {"name": "folder", "path": str(photos)}
    assert again.must_have_recipe().labeller["name"] == "regex"
    assert sorted(p.name for p in again.names()) == sorted(f.name for f in photos.iterdir())


def test_a_folder_without_photos_changes_nothing(opened: Project, tmp_path: Path) -> None:
    before = opened.recipe
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="No photos were found in 'empty'"):
        opened.open({"name": "folder", "path": str(tmp_path / "empty")})
    assert opened.recipe == before


def test_a_knob_is_set_or_refused(opened: Project) -> None:
    opened.edit("training.epochs", 7)
    assert opened.must_have_recipe().training.epochs == 7
    with pytest.raises(BadInput, match=r"epochs is -1, but must lie between 0 and 1000"):
        opened.edit("training.epochs", -1)
    assert opened.must_have_recipe().training.epochs == 7


def test_another_plugin_brings_its_own_defaults(opened: Project) -> None:
    opened.choose("labeller", "folder")
    opened.choose("splitter", "stratified")
    opened.choose("batch_tfms.0", "flip")
    opened.choose("architecture", "timm")
    recipe = opened.must_have_recipe()
    assert recipe.labeller == {"name": "folder"} and recipe.splitter == {"name": "stratified"}
    assert recipe.batch_tfms == [{"name": "flip"}]
    assert recipe.architecture == {"name": "timm", "model": ""}, "what a person must give is left open"
    with pytest.raises(BadInput, match="no 'nonsense' among the labellers"):
        opened.choose("labeller", "nonsense")


def test_the_table_of_the_photos_is_found(project: Project, photos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(photos, tmp_path / "with_table")
    (folder / "labels.csv").write_text("name,label\n" + "".join(f"{f.name},x\n" for f in photos.iterdir()))
    project.open({"name": "folder", "path": str(folder)})
    project.choose("labeller", "csv")
    assert project.must_have_recipe().labeller["path"] == str(folder / "labels.csv")


def test_a_data_set_is_checked_once(opened: Project) -> None:
    assert opened.examined is None
    events = list(opened.examine())
    assert events[-1] == Checked(24, 24)
    found = opened.examined
    assert isinstance(found, Examined) and found.report.counts == {"blue": 8, "green": 8, "red": 8}
    assert list(opened.examine()) == []
    opened.edit("training.epochs", 2)
    assert opened.examined, "what does not concern the photos does not make them unknown"
    opened.edit("labeller.pattern", "(nothing)")
    assert opened.examined is None
    list(opened.examine())
    assert isinstance(opened.examined, BadInput)


def test_photos_opened_again_are_checked_again_and_keep_their_knobs(
    project: Project, draw_photos: Callable[..., Path], tmp_path: Path
) -> None:
    source = {"name": "folder", "path": str(draw_photos(tmp_path / "mine", 4))}
    project.open(source)
    project.edit("training.epochs", 7)
    list(project.examine())
    draw_photos(tmp_path / "mine", 6)
    project.open(source)
    assert project.examined is None and project.must_have_recipe().training.epochs == 7
    list(project.examine())
    assert isinstance(project.examined, Examined) and project.examined.report.counts["red"] == 6
    draw_photos(tmp_path / "mine", 8)
    project.forget()
    list(project.examine())
    assert isinstance(project.examined, Examined) and project.examined.report.counts["red"] == 8


def test_a_labeller_that_breaks_is_a_sentence(opened: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, path: Path) -> str:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(labellers["regex"].factory, "__call__", broken)
    list(opened.examine())
    assert isinstance(opened.examined, BadInput) and "ZeroDivisionError: oops" in str(opened.examined)


@pytest.mark.parametrize("draft", ["", "{", "[]", '{"recipe": {"version": 99}}', '{"recipe": 3}', '{"run": ["a"]}'])
def test_a_damaged_draft_is_no_draft(project: Project, draft: str) -> None:
    project.folder.mkdir(parents=True)
    (project.folder / "draft.json").write_text(draft)
    assert project.recipe is None and project.run is None


def test_the_run_being_looked_at(project: Project, recipe_dict: MakeRecipe) -> None:
    recipe = Recipe.from_dict(recipe_dict())
    first, second = (Run.create(recipe, project.folder) for _ in range(2))
    assert project.run == second and project.run.name == second.name
    project.look_at(first.name)
    assert Project(project.folder).run == first
    first.delete()
    assert project.run == second


@pytest.mark.parametrize("name", ["", ".", "..", "../runs", "/", "nothing", "runs", "\0"])
def test_a_run_of_no_plain_name_is_refused(project: Project, recipe_dict: MakeRecipe, name: str) -> None:
    Run.create(Recipe.from_dict(recipe_dict()), project.folder)
    with pytest.raises(BadInput, match="There is no run"):
        project.find(name)


def test_a_run_of_another_workspace_is_refused(project: Project, tmp_path: Path, recipe_dict: MakeRecipe) -> None:
    other = Run.create(Recipe.from_dict(recipe_dict()), tmp_path / "other")
    for name in (other.name, str(other.folder), os.path.relpath(other.folder, project.folder / "runs")):
        with pytest.raises(BadInput, match="There is no run"):
            project.find(name)


def test_a_run_that_cannot_be_started_is_not_left_behind(opened: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise BadInput("The disk is full: 'log.txt' could not be written; make room.")

    monkeypatch.setattr(project_module, "start", fail)
    for kind in ("runs", "lr_finds"):
        with pytest.raises(BadInput, match="make room"):
            opened.start(kind)
    assert (opened.runs, opened.run, opened.lr_find) == ([], None, None)


@pytest.fixture
def visitor(tmp_path: Path, photos: Path) -> Project:
    """A visitor's project, with photos in it."""
    project = Project(tmp_path / "visitors" / "a", confined=True)
    shutil.copytree(photos, project.folder / "photos")
    project.open({"name": "folder", "path": str(project.folder / "photos")})
    return project


@pytest.mark.parametrize(
    ("key", "choice"),
    [
        ("source", {"name": "folder", "path": "OUTSIDE"}),
        ("source", {"name": "folder", "path": "INSIDE/../../../photos"}),
        ("source", {"name": "folder", "path": "~"}),
        ("source", {"name": "zip", "path": "OUTSIDE/a.zip"}),
        ("source", {"name": "pets"}),
        ("labeller", {"name": "csv", "path": "OUTSIDE/a.csv"}),
        ("labeller", {"name": "csv", "path": "draft.json"}),
        ("splitter", {"name": "file", "path": "OUTSIDE/list.txt"}),
        ("architecture", {"name": "timm", "model": "local-dir:OUTSIDE"}),
        ("architecture", {"name": "timm", "model": "hf-hub:some/body"}),
    ],
)
def test_a_visitor_names_no_path_outside(visitor: Project, tmp_path: Path, key: str, choice: dict[str, Any]) -> None:
    places = {"OUTSIDE": str(tmp_path), "INSIDE": str(visitor.folder)}
    for name, place in places.items():
        choice = {k: v.replace(name, place) for k, v in choice.items()}
    before = visitor.must_have_recipe()
    with pytest.raises(BadInput, match=r"outside of your workspace|not open to visitors"):
        visitor.use(Recipe.from_dict(before.to_dict() | {key: choice}))
    if key == "source":
        with pytest.raises(BadInput):
            visitor.open(choice)
    assert visitor.must_have_recipe() == before


def test_a_link_does_not_lead_a_visitor_out(visitor: Project, photos: Path) -> None:
    if os.name == "nt":
        pytest.skip("links need rights on Windows")
    (visitor.folder / "link").symlink_to(photos)
    with pytest.raises(BadInput, match="outside of your workspace"):
        visitor.open({"name": "folder", "path": str(visitor.folder / "link")})


def test_a_visitor_may_use_what_is_inside(visitor: Project) -> None:
    table = visitor.folder / "photos" / "a.csv"
    table.write_text("name,label\nred_1.jpg,x\n")
    visitor.use(
        Recipe.from_dict(visitor.must_have_recipe().to_dict() | {"labeller": {"name": "csv", "path": str(table)}})
    )
    visitor.edit("labeller", {"name": "regex", "pattern": r"/([a-z]+)_\d+", "part": "path"})
    assert visitor.must_have_recipe().labeller["pattern"] == r"/([a-z]+)_\d+"
    visitor.open({"name": "sample"})


def test_the_draft_is_written_whole(opened: Project) -> None:
    document = json.loads((opened.folder / "draft.json").read_text())
    assert Recipe.from_dict(document["recipe"]) == opened.recipe
    assert [f.name for f in opened.folder.glob(".draft*")] == []


def test_a_read_only_disk_shows_everything_and_refuses_in_a_sentence(
    opened: Project, recipe_dict: MakeRecipe, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("2m")
    project = Project(disk)
    project.use(opened.must_have_recipe())
    run = Run.create(Recipe.from_dict(recipe_dict()), disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert project.recipe == opened.recipe and project.run == run and run.status == "created"
    acts: tuple[Callable[[], object], ...] = (
        lambda: project.edit("training.epochs", 3),
        lambda: project.look_at(run.name),
        lambda: project.start(),
        lambda: project.start("lr_finds"),
        lambda: project.resume(run),
        run.delete,
    )
    for act in acts:
        with pytest.raises(BadInput, match=r"could not be written: .+\.$"):
            act()
    assert project.runs == [run]


def test_visitors_train_one_at_a_time_and_few_at_once(
    visitor: Project, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []
    monkeypatch.setattr(project_module, "start", lambda run, seconds, cache: limits.append((seconds, cache)))
    locks = []

    def under_way(folder: Path) -> None:
        lock = Lock(Run.create(visitor.must_have_recipe(), folder).folder / "lock")
        assert lock.take()
        lock.announce()
        locks.append(lock)

    under_way(visitor.folder.parent / "b")
    assert visitor.start(), "another visitor trains, which is not too many"
    shared = visitor.folder.resolve().parents[1] / "presized"  # one for all of them, so that it is bounded
    assert limits == [(3600.0, shared)] and Project(visitor.folder).cache is None
    assert Project(visitor.folder).seconds is None, "only visitors are limited in time"
    under_way(visitor.folder.parent / "c")
    with pytest.raises(BadInput, match="Runs of others are under way"):
        visitor.start()
    locks[0].release()
    under_way(visitor.folder)
    with pytest.raises(BadInput, match="A run of yours is under way"):
        visitor.start("lr_finds")
    for lock in locks[1:]:
        lock.release()
