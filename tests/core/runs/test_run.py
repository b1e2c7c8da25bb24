"""What can be asked of a run: its state at any moment, its events from any position, and to be gone."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from core.events import Checked, Event, Notice, Queued, RunEnded, RunResumed, RunStarted, StepEnded, to_line
from core.lock import ProcessLock
from core.recipe import Recipe
from core.runs.listing import runs_in
from core.runs.queue import Queue
from core.runs.run import Run
from core.runs.train import train

ROOT = Path(__file__).resolve().parents[3]
MakeRecipe = Callable[..., dict[str, Any]]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
DAMAGED = Notice("warning: a line of the events file is damaged")
# a run's process, as far as its folder can tell: it holds the lock and writes events
LIVES = """
import sys
from pathlib import Path
from core.events import StepEnded
from core.runs.record import held
from core.runs.stop_signals import StopSignals
from core.runs.run import Run
run = Run(Path(sys.argv[1]))
with held(run, StopSignals(run.folder)) as log:
    log.write(StepEnded(1, 9, 0.5, 0.01))
    print("alive", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run(recipe_dict: MakeRecipe, tmp_path: Path) -> Run:
    """A run that was created."""
    return Run.create(Recipe.from_dict(recipe_dict(architecture=TINY)), tmp_path)


@pytest.fixture
def alive(run: Run) -> Iterator[Callable[[], None]]:
    """Makes this process hold the run's lock; call it once more to let go."""
    lock = ProcessLock(run.folder / "lock")
    held = False

    def switch() -> None:
        nonlocal held
        if held:
            lock.release()
        else:
            assert lock.take()
            lock.announce()
        held = not held

    yield switch
    lock.release()


def write(run: Run, *events: Event | bytes) -> None:
    with (run.folder / "events.jsonl").open("ab") as file:
        for event in events:
            file.write(event if isinstance(event, bytes) else to_line(event).encode() + b"\n")


def step(number: int) -> StepEnded:
    return StepEnded(number, 1000, number / 7, 0.001)


# --- create -----------------------------------------------------------------------------------------------------------


def test_create_makes_the_paths_of_the_recipe_absolute(
    recipe_dict: MakeRecipe, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of the run may begin in another folder."""
    monkeypatch.chdir(photos.parent)
    recipe = Recipe.from_dict(
        recipe_dict(
            source={"name": "folder", "path": photos.name},
            labeller={"name": "csv", "path": "tables/labels.csv"},
            splitter={"name": "file", "path": "valid.txt"},
        )
    )
    run = Run.create(recipe, tmp_path)
    assert run.recipe.source["path"] == str(photos)
    assert run.recipe.labeller["path"] == str(photos.parent / "tables" / "labels.csv")
    assert run.recipe.splitter["path"] == str(photos.parent / "valid.txt")
    assert run.recipe.training == recipe.training and run.recipe.item_tfms == recipe.item_tfms
    assert recipe.source["path"] == photos.name  # what was given is left alone


@pytest.mark.parametrize("path", ["~/no-such-photos-of-presize", ""])
def test_create_leaves_a_home_and_an_empty_path_what_they_mean(
    path: str, recipe_dict: MakeRecipe, tmp_path: Path
) -> None:
    """The source expands the first and refuses the second; after create it must still do so."""
    run = Run.create(Recipe.from_dict(recipe_dict(source={"name": "folder", "path": path})), tmp_path)
    assert run.recipe.source["path"] in (path, os.path.expanduser(path))


@pytest.mark.parametrize("pages", [0, 1], ids=["nothing", "the recipe alone"])
def test_a_disk_that_has_room_for_half_a_run_gets_none(
    pages: int, recipe_dict: MakeRecipe, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("1m")
    recipe = Recipe.from_dict(recipe_dict(architecture=TINY))
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, filler.stat().st_size - 4096 * pages)
    with pytest.raises(BadInput, match=r"The disk is full: '.+' could not be written; make room"):
        Run.create(recipe, disk)
    assert list((disk / "runs").iterdir()) == []
    filler.unlink()
    run = Run.create(recipe, disk)
    assert runs_in(disk) == [run]


def test_a_run_that_fails_before_it_has_begun_is_taken_away(run: Run) -> None:
    with pytest.raises(BadInput, match="full"), run.beginning():
        raise BadInput("The disk is full.")
    assert not run.folder.exists()


def test_a_run_that_fails_after_it_has_begun_is_kept(run: Run) -> None:
    with pytest.raises(BadInput, match="full"), run.beginning():
        write(run, step(1))
        raise BadInput("The disk is full.")
    assert run.status == "interrupted"


# --- status -----------------------------------------------------------------------------------------------------------


def test_the_status_of_a_life_that_is_completed(run: Run) -> None:
    assert run.status == "created" and run.process is None
    events = train(run)
    next(events)
    assert run.status == "running" and run.process == os.getpid()
    for event in events:
        assert run.status in ("running", "completed")
        assert (run.status == "running") or isinstance(event, RunEnded)
    assert run.status == "completed" and run.process is None


def test_the_status_of_a_run_that_waits(run: Run, recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    other = Queue(tmp_path / "runs" / "other")
    assert next(other.wait(), None) is None
    events = train(run)
    assert isinstance(next(events), Queued)
    assert run.status == "queued"
    events.close()  # type: ignore[attr-defined]
    assert run.status == "stopped"
    other.leave()


def test_the_status_of_a_run_that_was_asked_to_stop(run: Run) -> None:
    for event in train(run):
        if isinstance(event, StepEnded):
            run.stop()
            assert run.status == "running"  # it finishes its step first
    assert run.status == "stopped"
    assert (run.folder / "model.safetensors").exists() is False  # no epoch had ended


def test_the_status_of_a_run_that_failed(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    document = recipe_dict(source={"name": "folder", "path": str(tmp_path / "nowhere")}, architecture=TINY)
    run = Run.create(Recipe.from_dict(document), tmp_path)
    with pytest.raises(BadInput):
        list(train(run))
    assert run.status == "failed"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_the_status_of_a_run_that_was_killed_in_a_process_of_its_own(run: Run) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LIVES, str(run.folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdout.readline().strip() == b"alive"
    assert (run.status, run.process) == ("running", process.pid)
    with pytest.raises(BadInput, match=f"already under way in process {process.pid}"):
        list(train(run))
    process.kill()
    process.communicate()
    assert (run.status, run.process) == ("interrupted", None)
    assert run.events() == [StepEnded(1, 9, 0.5, 0.01)]  # the refused one wrote nothing
    *_, end = train(run)
    assert isinstance(end, RunEnded) and run.status == "completed"


def test_the_status_of_a_resumed_run_is_not_its_older_end(run: Run, alive: Callable[[], None]) -> None:
    write(run, step(1), RunEnded("stopped"))
    assert run.status == "stopped"
    alive()
    assert run.status == "running"
    write(run, RunResumed(1, "frozen", 1, 9))
    alive()
    assert run.status == "interrupted"


def test_the_last_event_is_the_last_whole_one(run: Run) -> None:
    assert run.last_event is None
    write(run, b'{"event": "Che')
    assert run.last_event is None
    write(run, b'cked", "done": 1, "total": 2}\n')
    assert run.last_event == Checked(1, 2)
    write(run, *map(step, range(1, 50)), b'{"event": "RunEnded", "status": "comp')
    assert run.last_event == step(49) and run.status == "interrupted"


@pytest.mark.parametrize("length", [1, 3_900, 3_990, 4_100, 40_000, 900_000])
@pytest.mark.parametrize("before", [0, 1, 50_000])
def test_the_last_event_is_found_however_long_it_is(run: Run, length: int, before: int) -> None:
    write(run, *[step(i) for i in range(min(before, 1))], b"x" * before + b"\n", Notice("n" * length), b"half")
    assert run.last_event == Notice("n" * length)


def test_the_last_event_is_read_from_the_end_of_the_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run, *(step(i) for i in range(20_000)))
    sizes: list[int] = []

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            sizes.append(len(content))
            return content

    content = (run.folder / "events.jsonl").read_bytes()
    monkeypatch.setattr(Path, "open", lambda *_: Counted(content))
    assert run.last_event == step(19_999)
    assert sum(sizes) < 10_000 < 1_000_000 < len(content)


def test_looking_at_a_run_writes_nothing(run: Run) -> None:
    write(run, step(1))
    before = {f.name: (f.stat().st_mtime_ns, f.read_bytes()) for f in run.folder.iterdir()}
    assert run.status and run.process is None and run.last_event and run.events() and list(run.follow())
    assert {f.name: (f.stat().st_mtime_ns, f.read_bytes()) for f in run.folder.iterdir()} == before


# --- since and follow -------------------------------------------------------------------------------------------------


def test_since_any_position_gives_exactly_what_comes_after_it(run: Run) -> None:
    events = [step(n) for n in range(1, 20)]
    write(run, *events)
    whole, end = run.since()
    assert whole == events and end == (run.folder / "events.jsonl").stat().st_size
    position = 0
    for i, event in enumerate(events):
        assert run.since(position) == (events[i:], end)
        position += len(to_line(event)) + 1
    assert run.since(end) == ([], end)


def test_since_of_a_run_without_events_stays_at_its_position(run: Run) -> None:
    assert run.since() == ([], 0)
    write(run, b'{"event": "Ch')
    assert run.since() == ([], 0)


@pytest.fixture
def writer(run: Run, alive: Callable[[], None]) -> Iterator[Callable[[list[Event]], None]]:
    """Appends events from a thread, in pieces that end anywhere, and lets go of the lock at the end."""
    threads: list[threading.Thread] = []

    def begin(events: list[Event]) -> None:
        content = "".join(to_line(e) + "\n" for e in events).encode()
        rng = random.Random(0)

        def append() -> None:
            at = 0
            with (run.folder / "events.jsonl").open("ab", buffering=0) as file:
                while at < len(content):
                    piece = rng.choice((1, 5, 40, 130, 700))
                    file.write(content[at : at + piece])
                    at += piece
                    time.sleep(0)  # lets the reader in
            alive()

        alive()
        threads.append(threading.Thread(target=append))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join()


def test_polling_since_loses_and_doubles_nothing_while_lines_are_half_written(
    run: Run, writer: Callable[[list[Event]], None]
) -> None:
    events: list[Event] = [step(n) for n in range(1, 400)]
    writer(events)
    got: list[Event] = []
    position, deadline = 0, time.monotonic() + 60
    while len(got) < len(events) and time.monotonic() < deadline:
        new, position = run.since(position)
        got += new
    assert got == events
    assert run.since(position) == ([], position)


@pytest.mark.parametrize("begin_at", [0, 1, 150])
def test_following_from_any_position_loses_and_doubles_nothing(
    begin_at: int, run: Run, writer: Callable[[list[Event]], None]
) -> None:
    old: list[Event] = [step(n) for n in range(1, 151)]
    write(run, *old)
    position = sum(len(to_line(e)) + 1 for e in old[:begin_at])
    new: list[Event] = [*(step(n) for n in range(151, 400)), RunEnded("completed")]
    writer(new)
    assert list(run.follow(position, pause=0.001)) == [*old[begin_at:], *new]


def test_follow_does_not_end_at_an_older_end_of_a_resumed_run(run: Run, alive: Callable[[], None]) -> None:
    write(run, step(1), RunEnded("stopped"))
    alive()
    followed = run.follow(pause=0.001)
    assert [next(followed), next(followed)] == [step(1), RunEnded("stopped")]
    write(run, RunResumed(1, "frozen", 1, 9), step(2))
    assert [next(followed), next(followed)] == [RunResumed(1, "frozen", 1, 9), step(2)]
    write(run, RunEnded("completed"))
    assert next(followed) == RunEnded("completed")
    alive()
    assert list(followed) == []


def test_follow_gives_the_last_events_of_a_run_that_ends_just_after_it_looked(
    run: Run, alive: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a look at the events and one at the process there is room for an end; here it always falls there."""
    write(run, step(1))
    alive()
    real, ended = Run.since, False

    def since(self: Run, position: int = 0) -> tuple[list[Event], int]:
        nonlocal ended
        found = real(self, position)
        if not ended:
            ended = True
            write(run, RunEnded("completed"))
            alive()
        return found

    monkeypatch.setattr(Run, "since", since)
    assert list(run.follow(pause=0.001)) == [step(1), RunEnded("completed")]


def test_follow_of_a_run_without_a_process_gives_what_there_is_and_ends(run: Run) -> None:
    assert list(run.follow()) == []
    write(run, step(1), b'{"event": "StepEn')
    assert list(run.follow()) == [step(1)]


def test_follow_of_a_real_run_is_what_the_run_told_itself(run: Run) -> None:
    """Another thread follows, from before the first event to after the last."""
    events = train(run)
    told = [next(events)]
    followed: list[Event] = []
    thread = threading.Thread(target=lambda: followed.extend(run.follow(pause=0.001)))
    thread.start()
    told += events
    thread.join(60)
    assert followed == told == run.events()
    assert sum(isinstance(e, RunStarted) for e in followed) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\x00\xff\xfe",
        b'{"event": "StepEnded", "step": 1',
        b'{"event": "NoSuchEvent"}',
        b'{"event": "StepEnded", "colour": "red"}',
        b'{"step": 1}',
        b"[1]",
        b"1",
        b'"text"',
        pytest.param(
            # one flipped bit: '-' is 0x2d
            to_line(StepEnded(1, 9, 0.5, 1e-05)).encode().replace(b"-", b"\r"),
        ),
    ],
)
def test_a_damaged_line_becomes_a_notice_and_the_others_keep_their_numbers(line: bytes, run: Run) -> None:
    write(run, step(1), line + b"\n", step(3))
    events, position = run.since()
    assert events == [step(1), DAMAGED, step(3)]
    assert position == (run.folder / "events.jsonl").stat().st_size
    write(run, RunEnded("stopped"))
    assert run.since(position)[0] == [RunEnded("stopped")]
    assert run.status == "stopped" and list(run.follow()) == run.events()


def test_a_run_whose_last_line_is_damaged_can_still_be_asked(run: Run) -> None:
    write(run, step(1), b"###\n")
    assert run.last_event == DAMAGED
    assert run.status == "interrupted"


def test_a_run_goes_on_behind_damaged_and_half_lines(run: Run) -> None:
    """What stands in the file stays, but for the half of a line at its end, which would spoil the next one."""
    for event in train(run):
        if isinstance(event, StepEnded):
            run.stop()
    path = run.folder / "events.jsonl"
    content = path.read_bytes()
    damaged = b"?" + content[1:]
    path.write_bytes(damaged + b'{"event": "StepEn')
    before = len(run.events())
    events = list(train(run))
    assert run.status == "completed"
    assert path.read_bytes().startswith(damaged)
    assert run.events()[0] == DAMAGED and run.events()[before:] == events
    (resumed,) = (e for e in events if isinstance(e, RunResumed))
    assert 0 < resumed.kept <= before


# --- find, list, stop, delete -----------------------------------------------------------------------------------------


def test_a_learning_rate_test_is_found_by_its_name_too(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    recipe = Recipe.from_dict(recipe_dict(architecture=TINY))
    test = Run.create(recipe, tmp_path, "lr_finds")
    test.folder.rename(tmp_path / "lr_finds" / "rates")
    assert Run.find("rates", tmp_path).folder == tmp_path / "lr_finds" / "rates"
    assert Run.find("rates", tmp_path).is_lr_find
    ordinary = Run.create(recipe, tmp_path)
    assert not Run.find(ordinary.name, tmp_path).is_lr_find
    assert [r.folder for r in runs_in(tmp_path)] == [ordinary.folder]
    assert [r.name for r in runs_in(tmp_path, "lr_finds")] == ["rates"]
    with pytest.raises(BadInput, match=f"no run 'other'; the newest are {ordinary.name}"):
        Run.find("other", tmp_path)


def test_runs_are_listed_newest_first_and_strangers_are_not(run: Run, tmp_path: Path) -> None:
    for name in ("2001-01-01_00-00-00_resnet34", "2999-01-01_00-00-00_resnet34"):
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "recipe.json").write_text("{}")
    (tmp_path / "runs" / "holiday pictures").mkdir()
    (tmp_path / "runs" / ".gone.deleted").mkdir()
    (tmp_path / "runs" / ".gone.deleted" / "recipe.json").write_text("{}")
    assert [r.name for r in runs_in(tmp_path)] == [
        "2999-01-01_00-00-00_resnet34",
        run.name,
        "2001-01-01_00-00-00_resnet34",
    ]
    assert runs_in(tmp_path / "nowhere") == []


def age(folder: Path) -> None:
    """Let a folder's last change be some time ago."""
    os.utime(folder, (time.time() - 100, time.time() - 100))


def test_a_folder_of_runs_is_listed_again_only_when_it_changed(
    run: Run, recipe_dict: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, scandir = [], os.scandir

    def counted(path: Path) -> Any:
        listed.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    age(tmp_path / "runs")
    for _ in range(5):
        assert runs_in(tmp_path) == [run]
    assert listed == [tmp_path / "runs"]
    other = Run.create(Recipe.from_dict(recipe_dict(architecture=TINY)), tmp_path)
    assert runs_in(tmp_path) == [other, run], "what changed just now may change again at the same time"
    age(tmp_path / "runs")
    other.delete()
    assert runs_in(tmp_path) == [run]


def test_a_run_whose_recipe_comes_later_is_listed_then(run: Run, tmp_path: Path) -> None:
    late = tmp_path / "runs" / "2999-01-01_00-00-00_resnet34"
    late.mkdir()
    age(tmp_path / "runs")
    assert runs_in(tmp_path) == [run]
    (late / "recipe.json").write_text("{}")  # which does not change the folder around it
    assert runs_in(tmp_path) == [Run(late), run]


@pytest.mark.parametrize("ask", [Run.stop, Run.keep, Run.finish])
def test_a_run_without_a_process_cannot_be_asked_and_says_what_it_is(ask: Callable[[Run], None], run: Run) -> None:
    with pytest.raises(BadInput, match=f"^'{run.name}' is created, so there is nothing to (stop|keep|finish)"):
        ask(run)
    write(run, step(1))
    with pytest.raises(BadInput, match="is interrupted"):
        ask(run)
    write(run, RunEnded("completed"))
    with pytest.raises(BadInput, match="is completed"):
        ask(run)
    assert not (run.folder / "stop").exists() and not (run.folder / "finish").exists()


def test_an_old_wish_does_not_stop_the_next_life(run: Run) -> None:
    """A process may die between the wish and its next look."""
    (run.folder / "stop").write_text("")
    (run.folder / "finish").write_text("")
    list(train(run))
    assert run.status == "completed"
    assert sum(isinstance(e, StepEnded) for e in run.events()) == 4
    assert not (run.folder / "stop").exists() and not (run.folder / "finish").exists()


def test_delete_is_refused_while_the_run_has_a_process(run: Run, alive: Callable[[], None]) -> None:
    alive()
    before = sorted(f.name for f in run.folder.iterdir())
    with pytest.raises(BadInput, match=f"'{run.name}' is running; stop it before it is deleted"):
        run.delete()
    write(run, Queued(1, "runs/other"))
    with pytest.raises(BadInput, match=f"'{run.name}' is queued; stop it"):
        run.delete()
    assert sorted(f.name for f in run.folder.iterdir()) == sorted([*before, "events.jsonl"])
    assert run.process == os.getpid()
    alive()
    run.delete()
    assert not run.folder.exists()


def test_delete_takes_the_folder_and_leaves_photos_and_other_runs(
    run: Run, photos: Path, recipe_dict: MakeRecipe, tmp_path: Path
) -> None:
    list(train(run))
    before = {f.name: f.stat().st_mtime_ns for f in photos.iterdir()}
    other = Run.create(Recipe.from_dict(recipe_dict(architecture=TINY)), tmp_path)
    run.delete()
    assert [f.name for f in (tmp_path / "runs").iterdir()] == [other.name]
    assert {f.name: f.stat().st_mtime_ns for f in photos.iterdir()} == before
    with pytest.raises(BadInput, match="There is no run"):
        Run.find(run.name, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_delete_does_not_follow_a_link_to_the_photos(run: Run, photos: Path) -> None:
    before = {f.name for f in photos.iterdir()}
    (run.folder / "photos").symlink_to(photos, target_is_directory=True)
    run.delete()
    assert not run.folder.exists()
    assert {f.name for f in photos.iterdir()} == before


def test_a_folder_that_is_no_run_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(BadInput):
        Run(tmp_path / "mine").delete()
    assert (tmp_path / "mine" / "diary.txt").read_text() == "dear diary"
