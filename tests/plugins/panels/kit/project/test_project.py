"""The draft and the runs of a workspace: what one process writes another one sees, and a visitor stays inside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import plugins.panels.kit.project.project as project_module
from core.data.check import Examined
from core.errors import BadInput
from core.events import Checked, Queued, to_line
from core.lock import ProcessLock
from core.recipe import Recipe
from core.registry import labellers
from core.runs.run import Run
from plugins.panels.kit.project.edits import choose
from plugins.panels.kit.project.known import NAMES
from plugins.panels.kit.project.project import Project

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
        project.require_recipe()
    assert not project.folder.exists(), "who only looks leaves nothing behind"


def test_photos_bring_a_recipe_that_another_process_sees(opened: Project, photos: Path) -> None:
    again = Project(opened.folder)
    assert again.recipe == opened.recipe is not None
    assert again.require_recipe().source == {"name": "folder", "path": str(photos)}
    assert again.require_recipe().labeller["name"] == "regex"
    assert sorted(p.name for p in again.names()) == sorted(f.name for f in photos.iterdir())


def test_a_folder_without_photos_changes_nothing(opened: Project, tmp_path: Path) -> None:
    before = opened.recipe
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="No photos were found in 'empty'"):
        opened.open({"name": "folder", "path": str(tmp_path / "empty")})
    assert opened.recipe == before


def test_refused_photos_are_no_photos(opened: Project, photos: Path) -> None:
    opened.edit("training.epochs", 7)
    before = opened.recipe
    opened.refuse(BadInput("'x.zip' is no zip file; make it again."))
    again = Project(opened.folder)
    assert (again.recipe, again.examined, again.earlier) == (None, None, before)
    assert again.refused == "'x.zip' is no zip file; make it again."
    for kind in ("runs", "lr_finds"):
        with pytest.raises(BadInput, match=r"'x\.zip' is no zip file"):
            again.start(kind)
    again.refuse(BadInput("'y.zip' is no zip file either."))
    assert again.earlier == before, "what was refused before is nothing to go back to"
    again.go_back()
    assert opened.recipe == before and opened.refused == ""


def test_photos_that_turn_out_to_be_none_can_be_left_again(opened: Project, tmp_path: Path) -> None:
    before = opened.recipe
    list(opened.examine())
    for i in range(8):
        (tmp_path / f"{'red' if i % 2 else 'blue'}_{i}.jpg").write_bytes(b"no photo")
    opened.open({"name": "folder", "path": str(tmp_path)})
    list(opened.examine())
    assert isinstance(opened.examined, BadInput) and opened.earlier == before
    with pytest.raises(BadInput, match="None of the 8 photos can be used"):
        opened.start()
    assert opened.runs == []
    opened.go_back()
    list(opened.examine())
    assert opened.recipe == before and isinstance(opened.examined, Examined)


def test_one_can_go_back_and_forth_between_two_sets_of_photos(opened: Project, tmp_path: Path, photos: Path) -> None:
    first, other = opened.require_recipe(), shutil.copytree(photos, tmp_path / "other")
    opened.open({"name": "folder", "path": str(other)})
    second = opened.require_recipe()
    opened.go_back()
    assert (opened.recipe, opened.earlier) == (first, second)
    opened.go_back()
    assert (opened.recipe, opened.earlier) == (second, first)


def test_there_may_be_nothing_to_go_back_to(project: Project) -> None:
    project.refuse(BadInput("'x.zip' is no zip file; make it again."))
    with pytest.raises(BadInput, match="add some"):
        project.go_back()


def test_the_same_photos_come_back_with_their_options(opened: Project, photos: Path) -> None:
    opened.edit("training.epochs", 7)
    opened.refuse(BadInput("There is no folder 'photoz'; give another."))
    opened.open({"name": "folder", "path": str(photos)})
    assert opened.require_recipe().training.epochs == 7 and not opened.refused


def test_a_run_that_is_queued_is_not_looked_at(
    opened: Project, recipe_dict: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks: list[ProcessLock] = []

    def start(run: Run, **options: Any) -> None:
        lock = ProcessLock(run.folder / "lock")
        assert lock.take()
        lock.announce()
        (run.folder / "events.jsonl").write_text(f"{to_line(Queued(1, 'runs/x') if locks else Checked(1, 24))}\n")
        locks.append(lock)

    monkeypatch.setattr(project_module, "start", start)
    first, second = opened.start(), opened.start()
    assert (first.status, second.status) == ("running", "queued")
    assert opened.run == first and opened.under_way == first
    for lock in locks:
        lock.release()


def test_a_option_is_set_or_refused(opened: Project) -> None:
    opened.edit("training.epochs", 7)
    assert opened.require_recipe().training.epochs == 7
    with pytest.raises(BadInput, match=r"epochs is -1, but must lie between 0 and 1000"):
        opened.edit("training.epochs", -1)
    assert opened.require_recipe().training.epochs == 7


def test_another_plugin_brings_its_own_defaults(opened: Project) -> None:
    choose(opened, {"option": "labeller", "value": "folder"})
    choose(opened, {"option": "splitter", "value": "stratified"})
    choose(opened, {"option": "batch_tfms.0", "value": "flip"})
    choose(opened, {"option": "architecture", "value": "timm"})
    recipe = opened.require_recipe()
    assert recipe.labeller == {"name": "folder"} and recipe.splitter == {"name": "stratified"}
    assert recipe.batch_tfms == [{"name": "flip"}]
    assert recipe.architecture == {"name": "timm", "model": ""}, "required options are left empty"
    with pytest.raises(BadInput, match="no 'nonsense' among the labellers"):
        choose(opened, {"option": "labeller", "value": "nonsense"})


def test_the_table_of_the_photos_is_found(project: Project, photos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(photos, tmp_path / "with_table")
    (folder / "labels.csv").write_text("name,label\n" + "".join(f"{f.name},x\n" for f in photos.iterdir()))
    project.open({"name": "folder", "path": str(folder)})
    choose(project, {"option": "labeller", "value": "csv"})
    assert project.require_recipe().labeller["path"] == str(folder / "labels.csv")


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
    assert isinstance(opened.examined, Examined) and len(opened.examined.unlabelled) == 24 and not opened.ready


def test_photos_may_be_forgotten_while_they_are_listed(opened: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    put = NAMES.put

    def put_and_forgotten(*listed: Any) -> None:
        put(*listed)
        Project(opened.folder).forget()  # as an event of another browser would

    monkeypatch.setattr(NAMES, "put", put_and_forgotten)
    assert len(opened.names()) == 24


def test_photos_opened_again_are_checked_again_and_keep_their_options(
    project: Project, draw_photos: Callable[..., Path], tmp_path: Path
) -> None:
    source = {"name": "folder", "path": str(draw_photos(tmp_path / "mine", 4))}
    project.open(source)
    project.edit("training.epochs", 7)
    list(project.examine())
    draw_photos(tmp_path / "mine", 6)
    project.open(source)
    assert project.examined is None and project.require_recipe().training.epochs == 7
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


@pytest.mark.parametrize(
    "draft",
    ['{"refused": 3, "earlier": 4}', "", "{", "[]", '{"recipe": {"version": 99}}', '{"recipe": 3}', '{"run": ["a"]}'],
)
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


def test_the_draft_is_written_whole(opened: Project) -> None:
    document = json.loads((opened.folder / "draft.json").read_text())
    assert Recipe.from_dict(document["recipe"]) == opened.recipe
    assert [f.name for f in opened.folder.glob(".draft*")] == []


def test_a_read_only_disk_shows_everything_and_refuses_in_a_sentence(
    opened: Project, recipe_dict: MakeRecipe, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("2m")
    project = Project(disk)
    project.use(opened.require_recipe())
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


def test_paths_in_the_workspace_hold_wherever_it_is_moved_to(project: Project, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, project.folder / "photos" / "mine")
    project.open({"name": "folder", "path": str(project.folder / "photos" / "mine")})
    assert json.loads((project.folder / "draft.json").read_text())["recipe"]["source"]["path"] == "photos/mine"
    run = Run.create(project.require_recipe(), project.folder)
    assert json.loads(run.read("recipe.json"))["source"]["path"] == "photos/mine"
    moved = project.folder.rename(tmp_path / "elsewhere")
    here = str(moved / "photos" / "mine")
    assert Project(moved).require_recipe().source["path"] == here
    assert Run(moved / "runs" / run.folder.name).recipe.source["path"] == here
    assert len(Project(moved).names()) == len(list(photos.glob("*.jpg")))


def test_a_relative_path_of_the_owner_may_start_in_the_current_folder(
    opened: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels.csv").write_text("name,label\nred_1.jpg,x\n")
    monkeypatch.chdir(tmp_path)
    opened.edit("labeller", {"name": "csv", "path": "labels.csv"})
    assert opened.require_recipe().labeller["path"] == str(tmp_path / "labels.csv")


@pytest.mark.parametrize("damage", ["", "[" * 100_000, "[]", "null", "{", "x" * 3_000_000, "PIPE", "FOLDER"])
def test_a_damaged_draft_is_begun_anew(opened: Project, damage: str) -> None:
    recipe = opened.require_recipe()
    draft = opened.folder / "draft.json"
    draft.unlink()
    if damage == "PIPE":
        os.mkfifo(draft)
    elif damage != "FOLDER":
        draft.write_text(damage)
    assert opened.recipe is None and opened.run is None
    opened.use(recipe)
    assert opened.recipe == recipe


def test_a_table_that_moved_with_the_photos_labels_the_preview(tmp_path: Path, photos: Path, project: Project) -> None:
    shutil.copytree(photos, tmp_path / "before")
    names = [file.name for file in photos.iterdir()]
    (tmp_path / "before/labels.csv").write_text("file,label\n" + "".join(f"{n},{n[0]}\n" for n in names))
    project.open({"name": "folder", "path": str(tmp_path / "before")})
    project.edit("labeller", {"name": "csv", "path": str(tmp_path / "before/labels.csv")})
    (tmp_path / "before").rename(tmp_path / "after")
    moved = replace(project.require_recipe(), source={"name": "folder", "path": str(tmp_path / "after")})
    assert project.build("labeller", moved)(tmp_path / "after" / names[0]) == names[0][0]
