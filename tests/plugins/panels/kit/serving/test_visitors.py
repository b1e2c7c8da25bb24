"""A visitor's project leads nowhere else, holds so much, and has its share of the computer and no more."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import plugins.panels.kit.project.project as project_module
from core.data.check import Examined
from core.errors import BadInput
from core.events import drain
from core.lock import ProcessLock
from core.recipe import Recipe
from core.registry import losses
from core.runs.run import Run
from plugins.panels import data
from plugins.panels.kit.insight import insight, look
from plugins.panels.kit.project import labels
from plugins.panels.kit.project.edits import choose
from plugins.panels.kit.project.labels import listed, photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving import visitors
from plugins.panels.kit.serving.hourly import Hourly
from plugins.panels.kit.serving.visitors import VisitorProject
from plugins.panels.kit.views import options


@pytest.fixture(autouse=True)
def nobody_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests left."""
    monkeypatch.setattr(visitors, "_waiting", {})
    monkeypatch.setattr(visitors, "_trained", {})
    monkeypatch.setattr(visitors, "_used", Hourly())


@pytest.fixture
def visitor(tmp_path: Path, photos: Path) -> VisitorProject:
    """A visitor's project, with photos in it."""
    return bring(VisitorProject(tmp_path / "visitors" / "a", "1.1.1.1"), photos)


def bring(project: VisitorProject, photos: Path) -> VisitorProject:
    shutil.copytree(photos, project.folder / "photos")
    project.open({"name": "folder", "path": str(project.folder / "photos")})
    return project


OUT = [
    ("source", {"name": "folder", "path": "OUTSIDE"}),
    ("source", {"name": "folder", "path": "INSIDE/../../../photos"}),
    ("source", {"name": "folder", "path": "~"}),
    ("source", {"name": "folder", "path": ".."}),
    ("source", {"name": "zip", "path": "OUTSIDE/a.zip"}),
    ("source", {"name": "pets"}),
    ("labeller", {"name": "csv", "path": "OUTSIDE/a.csv"}),
    ("labeller", {"name": "csv", "path": "../../a.csv"}),
    ("labeller", {"name": "csv", "path": "/proc/self/environ"}),
    ("labeller", {"name": "csv", "path": "INSIDE/a.csv", "name_column": "/etc/passwd"}),
    ("labeller", {"name": "csv", "path": "INSIDE/a.csv", "name_column": "C:\\x"}),
    ("splitter", {"name": "file", "path": "OUTSIDE/list.txt"}),
    ("splitter", {"name": "grandparent", "train_name": "../x"}),
    ("architecture", {"name": "timm", "model": "local-dir:OUTSIDE"}),
    ("architecture", {"name": "timm", "model": "hf-hub:some/body"}),
    ("architecture", {"name": "timm", "model": "https://some.where/x"}),
]


@pytest.mark.parametrize(("key", "choice"), OUT)
def test_a_visitor_names_no_path_outside(visitor: Project, tmp_path: Path, key: str, choice: dict[str, Any]) -> None:
    places = {"OUTSIDE": str(tmp_path), "INSIDE": str(visitor.folder)}
    for name, place in places.items():
        choice = {k: v.replace(name, place) for k, v in choice.items()}
    before = visitor.require_recipe()
    other = Recipe.from_dict(before.to_dict() | {key: choice})
    with pytest.raises(BadInput, match=r"outside your workspace|not open to visitors"):
        visitor.use(other)
    if key != "architecture":
        with pytest.raises(BadInput, match=r"outside your workspace|not open to visitors"):
            visitor.build(key, other)
    with pytest.raises(BadInput, match=r"outside your workspace|not open to visitors|no option"):
        visitor.edit(key, choice)
    if key == "source":
        with pytest.raises(BadInput):
            visitor.open(choice)
    assert visitor.require_recipe() == before
    visitor.draft.write(recipe=other.to_dict())  # however it came there
    assert visitor.recipe is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.compile", True),  # it runs a C compiler
        ("training.resident", 0.9),  # it takes the memory that others' runs need
        ("training.device", "cpu"),
        ("training.device", "cuda:7"),
        ("splitter", {"name": "group"}),  # it decodes photos in the app's own process
        ("splitter", {"name": "group", "by": "twins"}),
    ],
)
def test_some_options_are_the_owners(visitor: Project, key: str, value: Any) -> None:
    before = visitor.require_recipe()
    with pytest.raises(BadInput, match=r"owner of this computer|not open to visitors"):
        visitor.edit(key, value)
    changed = before.with_settings([f"{key}={json.dumps(value)}"])
    with pytest.raises(BadInput, match=r"owner of this computer|not open to visitors"):
        visitor.use(changed)
    Project(visitor.folder).use(changed)
    assert visitor.recipe is None  # however it came there


def test_a_journal_of_a_visitor_ends(visitor: VisitorProject, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = listed(visitor)
    monkeypatch.setattr(visitors, "JOURNAL", 5_000)
    with pytest.raises(BadInput, match="as much"):
        for number in range(1_000):
            labels.act(visitor, {"do": "label", "label": "x" * 99, "key": rows["key"], "photos": [number % 24]})
    assert (visitor.folder / "journal.jsonl").stat().st_size < 6_000
    assert "x" * 99 in listed(visitor)["vocab"], "what was said counts"


def test_strangers_photos_are_looked_at_one_set_at_a_time(
    visitor: VisitorProject, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    class Process:
        returncode = None

        def __init__(self, command: list[str], **_: Any) -> None:
            started.append(command)

        def poll(self) -> int | None:
            return self.returncode

    monkeypatch.setattr(insight.subprocess, "Popen", Process)
    monkeypatch.setattr(insight, "_processes", {})
    monkeypatch.setattr(insight, "_asked", {})
    monkeypatch.setattr(VisitorProject, "check_network", lambda _: None)  # imports torch
    others = [bring(VisitorProject(visitor.folder.parent / name), photos) for name in "bcd"]
    for each in (visitor, *others, visitor):
        insight.Insight(each).look()
    assert len(started) == 1
    assert json.loads((visitor.folder / "insight" / "asked.json").read_text())["seconds"] == insight.LONGEST
    Process.returncode = 0
    monkeypatch.setattr(insight, "MOST_JUDGED", 24 * 3 - 1)
    insight.Insight(others[0]).look()
    assert len(started) == 1 and "too many" in insight.Insight(others[0]).found["error"]


def test_a_look_ends_in_time(visitor: VisitorProject, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(look.os, "_exit", ended.append)
    look._give_up(visitor.folder, {"key": photos_of(visitor).key, "version": [], "seconds": 1200})
    found = json.loads((visitor.folder / look.RESULT).read_text())
    assert ended == [1] and "20 minutes" in found["error"] and found["labels"] is None


def test_a_visitor_may_still_choose_groups(visitor: Project) -> None:
    choose(visitor, {"option": "splitter", "value": "group"})
    assert visitor.require_recipe().splitter == {"name": "group", "by": "name"}
    drain(visitor.examine())
    assert isinstance(visitor.examined, Examined | BadInput)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("item_tfms", [{"name": "resize", "size": 64}] * 21),
        ("batch_tfms", [{"name": "lighting"}] * 21),
        ("training", {"metrics": [{"name": "top_k_accuracy", "k": k} for k in range(1, 22)]}),
        ("architecture", {"name": "timm", "model": "test_vit", "img_size": 513}),
        ("batch_tfms", [{"name": "aug_transforms", "size": 513}]),
        ("batch_tfms", [{"name": "aug_transforms", "size": [448, 512]}]),
        ("batch_tfms", [{"name": "aug_transforms"}]),  # the photos are as large as `resize` makes them
    ],
)
def test_a_visitors_recipe_is_of_a_moderate_size(visitor: Project, key: str, value: Any) -> None:
    visitor.edit("item_tfms", [{"name": "resize"}])
    visitor.edit("training.batch_size", 16)
    before = visitor.require_recipe()
    with pytest.raises(BadInput, match="choose at most"):
        visitor.use(Recipe.from_dict(before.to_dict() | {key: value}))
    assert visitor.require_recipe() == before


def test_a_link_does_not_lead_a_visitor_out(visitor: Project, photos: Path) -> None:
    if os.name == "nt":
        pytest.skip("links need rights on Windows")
    (visitor.folder / "link").symlink_to(photos)
    with pytest.raises(BadInput, match="outside your workspace"):
        visitor.open({"name": "folder", "path": str(visitor.folder / "link")})


def test_a_visitor_may_use_what_is_inside(visitor: Project) -> None:
    table = visitor.folder / "photos" / "a.csv"
    table.write_text("km/h,a\\b\nred_1.jpg,x\n")
    columns = {"name_column": "km/h", "label_column": "a\\b"}
    for path in (str(table), "photos/a.csv"):
        visitor.edit("labeller", {"name": "csv", "path": path, **columns})
        assert visitor.build("labeller", visitor.require_recipe())(Path("red_1.jpg")) == "x"
    visitor.edit("labeller", {"name": "regex", "pattern": r"/([a-z]+)_\d+", "part": "path"})
    assert visitor.require_recipe().labeller["pattern"] == r"/([a-z]+)_\d+"
    visitor.open({"name": "sample"})


@pytest.fixture
def weighing() -> Iterator[None]:
    """A loss with a path among its options."""

    @losses.register("zz_weights")
    def weights(class_counts: object = None, /, table: Path | None = None) -> None:
        """Reads weights from a table."""

    yield
    losses.discard(__name__)


def test_a_path_of_a_loss_is_confined_like_that_of_a_labeller(visitor: Project, weighing: None, tmp_path: Path) -> None:
    table = visitor.folder / "weights.csv"
    for path in (str(table), "weights.csv"):
        visitor.edit("training.loss", {"name": "zz_weights", "table": path})
        assert visitor.require_recipe().training.loss["table"] == str(table)
    for path in (str(tmp_path / "other.csv"), "../other.csv", "~/other.csv"):
        with pytest.raises(BadInput, match="outside your workspace"):
            visitor.edit("training.loss", {"name": "zz_weights", "table": path})


def test_forms_show_a_visitor_paths_in_the_workspace(visitor: Project, weighing: None) -> None:
    table = visitor.folder / "photos" / "a.csv"
    table.write_text("name,label\nred_1.jpg,x\n")
    visitor.edit("labeller", {"name": "csv", "path": str(table)})
    visitor.edit("training.loss", {"name": "zz_weights", "table": str(table)})
    for form in (data._forms(visitor), options._if_any(visitor, options.advanced_form)):
        assert str(visitor.folder) not in form and 'value="photos/a.csv"' in form


def test_no_sentence_tells_where_the_folder_is(visitor: Project) -> None:
    for error in (f"{visitor.folder}{os.sep}photos is odd", f"{str(visitor.folder)!r} is odd"):
        assert str(visitor.folder) not in visitor.plain(BadInput(error))


def test_what_was_unpacked_of_a_refused_zip_is_removed(visitor: Project) -> None:
    import zipfile

    file = visitor.folder / "x.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("table.csv", "a,b\n")
    with pytest.raises(BadInput):
        visitor.open({"name": "zip", "path": str(file)})
    assert not list((visitor.folder / "sources").glob("*"))


@pytest.mark.parametrize("more", [{}, {"encoding": "cp866"}])
def test_a_zip_counts_what_it_unpacks_however_it_is_opened(
    visitor: VisitorProject, monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    import zipfile

    file = visitor.folder / "photos" / "zip.png"  # uploaded as a photo
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.jpg", bytes(10_000_000))
    monkeypatch.setattr(visitors, "SOURCE", 0)
    monkeypatch.setattr(visitors, "LIMIT", 5_000_000)
    before = visitor.require_recipe()
    source = {"name": "zip", "path": "photos/zip.png", **more}
    with pytest.raises(BadInput, match="limited to"):
        visitor.use(Recipe.from_dict(before.to_dict() | {"source": source}))
    assert visitor.require_recipe() == before


def test_a_visitors_tables_are_read_in_seconds(
    visitor: VisitorProject, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "TABLES", 9)
    for name in ("a.csv", "b.tsv"):
        (visitor.folder / "photos" / name).write_text("a,b\nc")
    with pytest.raises(BadInput, match="that are read here"):
        visitor.open({"name": "folder", "path": str(visitor.folder / "photos")})
    Project(visitor.folder).open({"name": "folder", "path": str(visitor.folder / "photos")})


def test_a_full_workspace_trains_nothing(visitor: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "LIMIT", visitors.bytes_in(visitor.folder) - 1)
    with pytest.raises(BadInput, match="limited to"):
        visitor.start()
    with pytest.raises(BadInput, match="limited to"):
        visitor.resume(Run(visitor.folder / "runs" / "x"))


def test_an_address_fills_no_disk_by_many_cookies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "HOURLY", 5 * visitors.SOURCE)
    for number in range(5):
        VisitorProject(tmp_path / "visitors" / str(number), "1.1.1.1").open({"name": "sample", "count": 2})
    with pytest.raises(BadInput, match="hourly limit"):
        VisitorProject(tmp_path / "visitors" / "5", "1.1.1.1").open({"name": "sample", "count": 2})
    VisitorProject(tmp_path / "visitors" / "6", "2.2.2.2").open({"name": "sample", "count": 2})


def test_a_refused_drop_makes_no_folder(tmp_path: Path) -> None:
    nobody = VisitorProject(tmp_path / "visitors" / "n", "1.1.1.1")
    nobody.refuse(BadInput("No files arrived."))
    nobody.check_room(0)
    assert not nobody.folder.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"item_tfms": [{"name": "resize", "size": 4096}]},
        {"batch_tfms": [{"name": "aug_transforms", "size": [224, 1024]}]},
        {"training": {"batch_size": 4096}},
    ],
    ids=str,
)
def test_what_takes_too_much_memory_is_refused(visitor: Project, change: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="here"):
        visitor.use(Recipe.from_dict(visitor.require_recipe().to_dict() | change))


def test_a_network_that_is_too_large_is_not_trained(visitor: Project) -> None:
    visitor.edit("architecture", {"name": "timm", "model": "vgg19", "pretrained": False})
    with pytest.raises(BadInput, match="140 million parameters"):
        visitor.start()
    assert not visitor.runs


def test_an_address_checks_one_data_set_at_a_time(visitor: VisitorProject, photos: Path, tmp_path: Path) -> None:
    other = bring(VisitorProject(tmp_path / "visitors" / "b", "1.1.1.1"), photos)
    third = bring(VisitorProject(tmp_path / "visitors" / "c", "3.3.3.3"), photos)
    check = visitor.examine()
    next(check)
    assert list(other.examine()) == [] and other.examined is None
    list(third.examine())
    assert third.examined
    assert not other.may_examine and VisitorProject(third.folder, "9.9.9.9").may_examine
    list(check)
    assert visitor.examined and other.may_examine
    list(other.examine())
    assert other.examined


def test_a_check_has_its_time(visitor: VisitorProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "LONGEST_CHECK", 0.0)
    list(visitor.examine())
    assert "upload fewer or smaller ones" in str(visitor.examined)


@pytest.fixture
def under_way(visitor: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a visitor train, as this process."""
    begun: list[Any] = []
    monkeypatch.setattr(project_module, "start", lambda run, **how: begun.append(how))
    locks: dict[str, ProcessLock] = {}

    def train(name: str) -> Run:
        run = Run.create(visitor.require_recipe(), visitor.folder.parent / name)
        locks[name] = ProcessLock(run.folder / "lock")
        assert locks[name].take()
        locks[name].announce()
        return run

    yield train, locks, begun
    for lock in locks.values():
        lock.release()


def test_visitors_train_one_at_a_time_and_few_at_once(visitor: Project, under_way: Any) -> None:
    train, locks, begun = under_way
    train("b")
    assert visitor.start(), "another visitor trains, which is not too many"
    shared = visitor.folder.parents[1] / "presized"  # one for all of them, so that it is bounded
    assert begun == [{"seconds": 3600.0, "cache": shared}]
    assert Project(visitor.folder).cache is None and Project(visitor.folder).seconds is None
    train("c")
    with pytest.raises(BadInput, match="Runs of others are under way"):
        visitor.start()
    locks["b"].release()
    train("a")
    for kind in ("runs", "lr_finds"):
        with pytest.raises(BadInput, match="A run of yours is under way"):
            visitor.start(kind)


def test_two_visitors_do_not_keep_the_places_for_good(visitor: VisitorProject, photos: Path, under_way: Any) -> None:
    _, locks, _ = under_way
    others = {name: bring(VisitorProject(visitor.folder.parent / name, "2.2.2.2"), photos) for name in "bc"}
    for name, other in others.items():
        other.start()
        locks[name] = ProcessLock(other.runs[0].folder / "lock")
        assert locks[name].take()
        locks[name].announce()
    with pytest.raises(BadInput, match="Runs of others"):
        visitor.start()
    asked = [other.runs[0].folder / "finish" for other in others.values()]
    assert not any(file.exists() for file in asked), "each has its share first"
    for other in others.values():
        long_ago = time.time() - visitors.FAIR - 1
        os.utime(other.runs[0].folder / "lock", (long_ago, long_ago))
    with pytest.raises(BadInput, match="Runs of others"):
        visitor.start()
    assert all(file.exists() for file in asked), "then they finish early"
    for lock in locks.values():
        lock.release()
    others["b"].start()  # one place is free beside that of who waits
    locks["b"] = ProcessLock(others["b"].runs[0].folder / "lock")
    assert locks["b"].take()
    locks["b"].announce()
    with pytest.raises(BadInput, match="Runs of others"):
        others["c"].start()
    fourth = bring(VisitorProject(visitor.folder.parent / "d", "2.2.2.2"), photos)
    with pytest.raises(BadInput, match="Runs of others"):  # another cookie of the same address
        fourth.start()
    assert visitor.start()


def test_those_who_wait_do_not_keep_each_other_waiting(visitor: VisitorProject, photos: Path, under_way: Any) -> None:
    train, locks, _ = under_way
    for name in "xy":
        other = bring(VisitorProject(visitor.folder.parent / f"{name}0", "2.2.2.2"), photos)
        other.start()
        shutil.rmtree(other.folder / "runs")
        train(name)
    late = [bring(VisitorProject(visitor.folder.parent / name, "2.2.2.2"), photos) for name in "fg"]
    for _ in range(30):  # and a refused try costs nothing
        for each in late:
            with pytest.raises(BadInput, match="Runs of others"):
                each.start()
    for lock in locks.values():
        lock.release()
    assert all(each.start() for each in late)
