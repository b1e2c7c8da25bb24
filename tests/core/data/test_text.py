"""A path that a person gives may lead anywhere: only files within a size are read, and nothing of them is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from core.data import text
from core.data.text import read_bytes, read_lines, some
from core.errors import BadInput

posix = pytest.mark.skipif(os.name != "posix", reason="other systems have no such files")


@posix
@pytest.mark.parametrize("read", [read_bytes, lambda path: list(read_lines(path))])
def test_devices_and_pipes_are_refused_before_they_are_read(tmp_path: Path, read: object) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), Path("/dev/null"), tmp_path / "pipe"):
        with pytest.raises(BadInput, match=f"{path}' is a device or a pipe; give a file"):
            read(path)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["none", "", "a\0b", "x" * 5000])
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="give") as refused:
        read_bytes(tmp_path / name)
    assert len(str(refused.value)) < 400


def test_a_file_within_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert read_bytes(tmp_path / "a", 100) == b"x" * 100
    with pytest.raises(BadInput, match=r"holds over 0 MB; give a smaller file"):
        read_bytes(tmp_path / "a", 99)


@pytest.mark.skipif(sys.platform != "linux", reason="others have no /proc")
def test_a_file_whose_size_is_untrue() -> None:
    assert os.stat("/proc/self/status").st_size == 0
    with pytest.raises(BadInput, match="holds over"):
        read_bytes(Path("/proc/self/status"), 10)


def test_lines_end_as_any_system_writes_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa\nb\r\nc\rd")
    assert list(read_lines(tmp_path / "a")) == ["a\n", "b\r\n", "c\r", "d"]


@pytest.mark.parametrize(("limit", "value"), [("MOST_LINES", 2), ("LONGEST_LINE", 4)])
def test_too_many_lines_or_too_long_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    (tmp_path / "a").write_text("one\ntwo\nthree")
    assert len(list(read_lines(tmp_path / "a"))) == 3
    monkeypatch.setattr(text, limit, value)
    with pytest.raises(BadInput, match="too many lines, or too long ones"):
        list(read_lines(tmp_path / "a"))


def test_what_is_not_utf8_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\n\xe9secret")
    with pytest.raises(BadInput, match="give a file in UTF-8") as refused:
        list(read_lines(tmp_path / "a"))
    assert "e9" not in str(refused.value) and "secret" not in str(refused.value)


def test_some_names() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(["a" * 50, "b", "c"], 2) == f"{'a' * 40}..., b and 1 more"
