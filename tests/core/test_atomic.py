"""Files of the program: whole or not at all, its own, and an error that says what was wrong."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.atomic import make_folder, open_own, write_atomic
from core.data.cache import Cache
from core.errors import BadInput
from core.lock import ProcessLock, holder
from core.recipe import Recipe
from core.runs.queue import Queue
from core.runs.record import Log, held
from core.runs.run import Run
from core.runs.start import start
from core.runs.stop_signals import StopSignals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a link needs rights there")
SECRET = b"12345\nwhat another user keeps"
Lay = Callable[[Path, Path], None]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A file of another user's."""
    file = tmp_path / "theirs" / "file"
    file.parent.mkdir()
    file.write_bytes(SECRET)
    return file


@pytest.fixture
def run(recipe_dict: Callable[..., dict[str, object]], tmp_path: Path) -> Run:
    return Run.create(Recipe.from_dict(recipe_dict()), tmp_path / "w")


def symlink(name: Path, target: Path) -> None:
    name.symlink_to(target)


def hard_link(name: Path, target: Path) -> None:
    os.link(target, name)


def take(path: Path) -> None:
    ProcessLock(path).take()


LINKS = pytest.mark.parametrize("lay", [symlink, hard_link])


@LINKS
@pytest.mark.parametrize("write", [take, Log], ids=["lock", "events"])
def test_a_link_in_place_of_a_file_is_refused_and_its_target_stays(
    lay: Lay, write: Callable[[Path], object], theirs: Path, tmp_path: Path
) -> None:
    lay(tmp_path / "link", theirs)
    with pytest.raises(BadInput, match=r"'.*link' could not be written: it is a link"):
        write(tmp_path / "link")
    assert theirs.read_bytes() == SECRET


@LINKS
def test_a_link_in_place_of_the_output_of_a_run_is_refused(lay: Lay, run: Run, theirs: Path) -> None:
    lay(run.folder / "log.txt", theirs)
    with pytest.raises(BadInput, match=r"log.txt' could not be written: it is a link"):
        start(run)
    assert theirs.read_bytes() == SECRET


@LINKS
def test_an_atomic_write_replaces_a_link_and_not_what_it_leads_to(lay: Lay, theirs: Path, tmp_path: Path) -> None:
    lay(tmp_path / "link", theirs)
    write_atomic(tmp_path / "link", "ours")
    assert (tmp_path / "link").read_text() == "ours" and theirs.read_bytes() == SECRET


def test_nobody_can_lay_a_link_for_its_temporary_file(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = os.open

    def spied(path: Path, flags: int, *rest: int, **kept: int) -> int:
        if Path(path).name.startswith(".file."):
            seen.append(Path(path).name)
            assert flags & os.O_EXCL
        return real(path, flags, *rest, **kept)

    monkeypatch.setattr(os, "open", spied)
    for _ in range(3):
        write_atomic(tmp_path / "file", "ours")
    assert len(set(seen)) == 3, "each has a name of its own"


@pytest.mark.parametrize("name", ["queue", "queue/turn"])
def test_a_link_in_the_queue_is_refused(name: str, run: Run, theirs: Path) -> None:
    (run.workspace / name).parent.mkdir(exist_ok=True)
    (run.workspace / name).symlink_to(theirs.parent if name == "queue" else theirs)
    queue = Queue(run.folder)
    with pytest.raises(BadInput, match="it is a link"):
        list(queue.wait())
    assert [f.name for f in theirs.parent.iterdir()] == ["file"] and theirs.read_bytes() == SECRET


def test_a_linked_folder_of_checkpoints_is_refused(run: Run, theirs: Path) -> None:
    (theirs.parent / ".model.safetensors.123").write_bytes(SECRET)  # as a half-written file of ours is called
    (run.folder / "checkpoint").symlink_to(theirs.parent)
    with (
        pytest.raises(BadInput, match="checkpoint' could not be written: it is a link"),
        held(run, StopSignals(run.folder)),
    ):
        pass
    assert len(list(theirs.parent.iterdir())) == 2


@pytest.mark.parametrize("content", [SECRET, b"\n12 a letter", b"\x00\x01"])
def test_a_file_that_is_no_lock_is_not_overwritten(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(content)
    with pytest.raises(BadInput, match=r"lock' is not a lock file of this program; move it elsewhere"):
        ProcessLock(tmp_path / "lock").take()
    assert (tmp_path / "lock").read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"\n", b"\n123 45.67", b"\n12", b"\x00" * 20])
def test_what_a_dead_holder_left_is_a_lock(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(content)
    lock = ProcessLock(tmp_path / "lock")
    assert lock.take()
    lock.release()


def test_a_pipe_is_not_waited_for(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="it is a link, or not a regular file"):
        ProcessLock(tmp_path / "pipe").take()
    assert holder(tmp_path / "pipe") is None
    (run.workspace / "queue").mkdir()
    os.mkfifo(run.workspace / "queue" / "00000.run")
    queue = Queue(run.folder)
    assert list(queue.wait()) == []
    queue.leave()


def photo(folder: Path) -> Path:
    file = folder / "photo.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(file)
    return file


@pytest.mark.parametrize("name", ["", "lock", "size", "XX"])
@LINKS
def test_a_cache_writes_and_deletes_nothing_through_a_link(lay: Lay, name: str, theirs: Path, tmp_path: Path) -> None:
    """XX is the folder in which the photo's entry would be."""
    file, folder = photo(tmp_path), tmp_path / "presized"
    if name == "XX":
        Cache(tmp_path / "other").pixels(file, "", np.asarray)
        name = next((tmp_path / "other").glob("??")).name
    is_folder = name not in ("lock", "size")
    if is_folder and lay is hard_link:
        pytest.skip("a folder has one name")
    leftover = theirs.parent / f".{'0' * 30}-{'0' * 8}"
    leftover.write_bytes(SECRET)
    if name:
        folder.mkdir()
    lay(folder / name, theirs.parent if is_folder else theirs)
    for _ in range(2):
        assert Cache(folder, limit=10).pixels(file, "", np.asarray).shape == (4, 4, 3)
        assert Cache(folder).pixels(file, "", np.asarray).shape == (4, 4, 3)
    assert sorted(f.name for f in theirs.parent.iterdir()) == [leftover.name, "file"]
    assert theirs.read_bytes() == leftover.read_bytes() == SECRET


def test_a_cache_in_a_folder_of_the_users_touches_none_of_their_files(tmp_path: Path) -> None:
    own = [tmp_path / "ab" / name for name in ("holiday.jpg", ".hidden", "1" * 31)] + [tmp_path / "size"]
    (tmp_path / "ab").mkdir()
    for file in own:
        file.write_bytes(SECRET)
    Cache(tmp_path, limit=10).pixels(photo(tmp_path), "", np.asarray)
    assert all(file.read_bytes() == SECRET for file in own)


def test_what_was_wrong_is_said_where_nothing_can_be_tidied_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that may only be read, deleting fails as well."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("open", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    with pytest.raises(BadInput, match=r"'.*file' could not be written: Read-only file system\.$"):
        write_atomic(tmp_path / "file", "content")


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomic(tmp_path / "file", "old")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, fails, refuse)
    with pytest.raises(BadInput, match="The disk is full"):
        write_atomic(tmp_path / "file", "new")
    assert [f.name for f in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "old"


def test_own_files_and_folders_are_made(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    os.close(open_own(tmp_path / "a" / "b" / "c", os.O_RDWR | os.O_CREAT))
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b""
