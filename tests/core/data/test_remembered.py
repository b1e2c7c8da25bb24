"""The memory of the check is a cache: whatever befalls it, photos are read, and nothing is raised."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest

from core.data import remembered
from core.data.remembered import NAME, Remembered

ROWS = [((f"/photos/{i}.jpg".encode(), i, i), ("", f"{i:024x}")) for i in range(2000)]


def filled(workspace: Path) -> Path:
    """A memory of all rows."""
    with closing(Remembered(workspace, 7)) as memory:
        memory.add(ROWS)
    return workspace / NAME


def recalled(workspace: Path, version: int = 7) -> int:
    """How many rows it remembers; all others are added, as the check does. None may be wrong."""
    with closing(Remembered(workspace, version)) as memory:
        known = [memory.recall(key) for key, _ in ROWS]
        assert all(found in (None, result) for found, (_, result) in zip(known, ROWS, strict=True))
        memory.add([row for found, row in zip(known, ROWS, strict=True) if found is None])
    return sum(found is not None for found in known)


def test_what_was_added_is_recalled_as_long_as_it_is_the_same(tmp_path: Path) -> None:
    filled(tmp_path / "new" / "workspace")
    with closing(Remembered(tmp_path / "new" / "workspace", 7)) as memory:
        assert [memory.recall(key) for key, _ in ROWS] == [result for _, result in ROWS]
        path, size, changed = ROWS[5][0]
        for key in ((path, size + 1, changed), (path, size, changed + 1), (path + b"x", size, changed)):
            assert memory.recall(key) is None
        memory.add([((path, size, 99), ("unreadable", ""))])
        assert memory.recall((path, size, 99)) == ("unreadable", "") and memory.recall((path, size, changed)) is None
    assert recalled(tmp_path / "new" / "workspace", 8) == 0, "of another version"


def no_data_base(file: Path) -> None:
    file.write_bytes(b"no data base" * 5000)


def cut(part: float) -> Callable[[Path], None]:
    return lambda file: os.truncate(file, int(file.stat().st_size * part))


def overwritten(begin: int, end: int) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[begin:end] = b"\xa5" * len(content[begin:end])
        file.write_bytes(content)

    return damage


def other_columns(file: Path) -> None:
    with closing(sqlite3.connect(file)) as base:
        base.executescript("drop table photos; create table photos (path text)")


def no_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as base:
        base.executescript("drop table photos")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "more").touch()


def a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to(file.with_name("elsewhere"))


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


DAMAGES = {
    "no data base": no_data_base, "a tenth": cut(0.1), "half": cut(0.5), "nearly all": cut(0.99),
    "a few bytes": cut(0.0005), "header": overwritten(0, 100), "first page": overwritten(100, 4096),
    "second page": overwritten(4096, 8192), "all but the header": overwritten(100, 10**9),
    "other columns": other_columns, "no table": no_table,
}  # fmt: skip
ODD = {"a folder": a_folder, "a link": a_link, "a pipe": a_pipe} if os.name == "posix" else {}


@pytest.mark.parametrize("damage", [*DAMAGES, *ODD])
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path, damage: str) -> None:
    file = filled(tmp_path)
    (DAMAGES | ODD)[damage](file)
    recalled(tmp_path)
    recalled(tmp_path)  # what was lost after the damage was noticed
    assert recalled(tmp_path) == len(ROWS) and file.is_file() and not file.is_symlink()
    assert os.path.lexists(f"{file}.damaged")


def test_an_old_journal_is_not_played_into_the_new_file(tmp_path: Path) -> None:
    file = filled(tmp_path)
    a_folder(file)
    Path(f"{file}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(5000))
    recalled(tmp_path)
    assert recalled(tmp_path) == len(ROWS)
    assert sorted(f.name for f in tmp_path.iterdir()) == [NAME, f"{NAME}.damaged", f"{NAME}.damaged-journal"]


def test_values_of_another_kind_are_not_believed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(filled(tmp_path))) as base, base:
        base.execute("update photos set hash = null where size < 10")
        base.execute("update photos set reason = x'00ff' where size between 10 and 19")
    assert recalled(tmp_path) == len(ROWS) - 20
    assert recalled(tmp_path) == len(ROWS)


def test_locked_by_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One wait, not one a photo; and it is no damage."""
    monkeypatch.setattr(remembered, "PATIENCE", 0.05)
    with closing(sqlite3.connect(filled(tmp_path))) as other:
        other.execute("begin exclusive")
        assert recalled(tmp_path) == 0
    assert recalled(tmp_path) == len(ROWS) and [f.name for f in tmp_path.iterdir()] == [NAME]


def test_may_be_read_but_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def read_only(file: Path, **options: object) -> sqlite3.Connection:
        return connect(f"file:{file}?mode=ro", uri=True, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", read_only)
    assert recalled(tmp_path) == 0, "there is none, and none can be made"
    monkeypatch.undo()
    with closing(sqlite3.connect(filled(tmp_path))) as base, base:
        base.execute("delete from photos where size < 10")
    monkeypatch.setattr(sqlite3, "connect", read_only)
    assert recalled(tmp_path) == recalled(tmp_path) == len(ROWS) - 10
    assert [f.name for f in tmp_path.iterdir()] == [NAME]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(*args: object, **options: object) -> sqlite3.Connection:
        base = connect(*args, **options)  # type: ignore[call-overload]
        base.execute("pragma max_page_count = 8")
        return base  # type: ignore[no-any-return]

    monkeypatch.setattr(sqlite3, "connect", small)
    assert recalled(tmp_path) == recalled(tmp_path) == 0
    monkeypatch.undo()
    assert recalled(tmp_path) == 0 and recalled(tmp_path) == len(ROWS)
    assert [f.name for f in tmp_path.iterdir()] == [NAME]


def test_no_workspace_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for workspace in (tmp_path / "file", tmp_path / "file" / "workspace"):
        assert recalled(workspace) == recalled(workspace) == 0


def at_once(workspace: Path) -> None:
    for start in range(0, len(ROWS), 100):
        with closing(Remembered(workspace, 7)) as memory:
            memory.add(ROWS[start : start + 100])


def test_processes_at_once(tmp_path: Path) -> None:
    processes = [get_context("spawn").Process(target=at_once, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    recalled(tmp_path)
    assert recalled(tmp_path) == len(ROWS) and [f.name for f in tmp_path.iterdir()] == [NAME]
