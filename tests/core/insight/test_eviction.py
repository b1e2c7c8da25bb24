"""The feature cache stays below its limit: the least recently used files go first."""

from __future__ import annotations

import os
from pathlib import Path

from core.insight.eviction import evict


def test_the_least_recently_used_files_are_deleted_until_the_rest_fits(tmp_path: Path) -> None:
    files = [tmp_path / "cache" / name for name in ("a/1", "a/2", "b/3", "b/.4.tmp", "c/5")]
    for age, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(100))
        os.utime(file, (age, age))
    os.utime(files[0], (9, 9))  # used again
    evict(tmp_path / "cache", 500)
    assert all(file.exists() for file in files)
    evict(tmp_path / "cache", 250)
    assert [file for file in files if file.exists()] == [files[0], files[4]]
    assert not (tmp_path / "cache" / "b").exists(), "an empty folder"


def test_links_are_not_followed_and_a_missing_cache_is_no_error(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "1.jpg").write_bytes(bytes(100))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "link").symlink_to(photos)
    evict(tmp_path / "cache", 0)
    evict(tmp_path / "nothing", 0)
    assert (photos / "1.jpg").exists()
