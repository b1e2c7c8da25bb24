"""The cache of presized photos: what comes out of it is what decoding gives, whatever became of its files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.cache import HEADER, Cache, decoded
from core.data.loaders import Loader
from core.data.photo import BadPhoto
from core.data.pipeline import Pipeline
from core.discovery import discover
from core.lock import ProcessLock
from core.registry import transforms
from tests.warm import forkserver

ENTRY = HEADER.size + 24 * 32 * 3  # bytes that a photo of 30 x 40 takes, presized to 24


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(transforms.create("resize", size=24), transforms.create("aug_transforms", size=16, min_scale=0.5))


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., Path]:
    """A photo of noise, 30 x 40 pixels."""

    def one(seed: int, name: str = "") -> Path:
        file = tmp_path / (name or f"{seed}.png")
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8)).save(file)
        return file

    return one


def entries(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*/*"))


def spied(cache: Cache, pipeline: Pipeline, file: Path) -> tuple[np.ndarray[Any, Any], bool]:
    """What the cache gives for training, and whether it had to decode."""
    asked = []
    found = cache.pixels(file, "presized", lambda image: asked.append(image) or pipeline.presized(image))  # type: ignore[func-returns-value]
    return found, bool(asked)


@pytest.mark.parametrize("training", [True, False])
def test_cached_batches_equal_uncached_ones_in_every_epoch(
    pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path, training: bool
) -> None:
    files = [draw(i) for i in range(7)]
    plain = Loader(files, range(7), pipeline, 3, training, training)
    kept = Loader(files, range(7), pipeline, 3, training, training, prepared=Cache(tmp_path / "c").pixels)
    again = Loader(files, range(7), pipeline, 3, training, training, prepared=Cache(tmp_path / "c").pixels)
    seen = []
    for epoch in range(3):
        for one, two, three in zip(*(loader.batches(epoch) for loader in (plain, kept, again)), strict=True):
            assert torch.equal(one[0], two[0]) and torch.equal(one[0], three[0]) and one[2] == two[2] == three[2]
            seen.append(one[0])
    assert len(entries(tmp_path / "c")) == 7
    assert torch.equal(seen[0], seen[3]) is not training, "the crop of training stays random"


def test_the_second_reading_does_not_decode(pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path) -> None:
    cache, file = Cache(tmp_path / "c"), draw(0)
    first, decoded_first = spied(cache, pipeline, file)
    second, decoded_second = spied(cache, pipeline, file)
    assert (decoded_first, decoded_second) == (True, False) and np.array_equal(first, second)
    copy = file.with_name("copy.png")
    copy.write_bytes(file.read_bytes())
    assert not spied(cache, pipeline, copy)[1], "it is the content that counts"
    assert not spied(Cache(tmp_path / "c"), pipeline, file)[1], "another process finds it too"


def test_an_edited_photo_is_never_stale(pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path) -> None:
    cache, file = Cache(tmp_path / "c"), draw(0)
    before, _ = spied(cache, pipeline, file)
    changed = file.stat().st_mtime_ns
    draw(1, file.name)
    os.utime(file, ns=(changed + 1, changed + 1))
    for reader, anew in ((cache, True), (cache, False), (Cache(tmp_path / "c"), False)):
        after, again = spied(reader, pipeline, file)
        assert not np.array_equal(before, after) and again is anew
        assert np.array_equal(after, decoded(file, "", pipeline.presized))
    assert len(entries(tmp_path / "c")) == 2


def test_other_sizes_are_other_entries(draw: Callable[..., Path], tmp_path: Path) -> None:
    cache, file = Cache(tmp_path / "c"), draw(0)
    for size in (10, 20, 24):
        other = Pipeline(transforms.create("resize", size=size))
        for training in (True, False):
            assert np.array_equal(other.read(file, training, cache.pixels), other.read(file, training))
    assert len(entries(tmp_path / "c")) == 6


def test_nothing_is_enlarged_for_it(pipeline: Pipeline, tmp_path: Path) -> None:
    Image.new("RGB", (9, 5)).save(tmp_path / "small.png")
    assert spied(Cache(tmp_path / "c"), pipeline, tmp_path / "small.png")[0].shape == (5, 9, 3)
    assert spied(Cache(tmp_path / "c"), pipeline, tmp_path / "small.png")[1] is False


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "header", "gone"])
@pytest.mark.parametrize("fresh", [True, False])
def test_an_entry_that_is_not_whole_is_made_anew(
    pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path, damage: str, fresh: bool
) -> None:
    cache, file = Cache(tmp_path / "c"), draw(0)
    before = spied(cache, pipeline, file)[0].copy()
    (entry,) = entries(tmp_path / "c")
    content = bytearray(entry.read_bytes())
    if damage == "flipped":
        content[-5] ^= 1
    if damage == "header":
        content[5] ^= 1
    left = {"cut": content[:-9], "empty": b""}.get(damage, content)
    entry.unlink() if damage == "gone" else entry.write_bytes(left)
    if fresh or damage != "flipped":  # a process checks an entry once
        after, again = spied(Cache(tmp_path / "c") if fresh else cache, pipeline, file)
        assert np.array_equal(before, after) and again
        assert not spied(Cache(tmp_path / "c"), pipeline, file)[1], "it is whole again"


def test_it_stays_below_its_limit_and_the_oldest_go(
    pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path
) -> None:
    files = [draw(i) for i in range(6)]
    cache = Cache(tmp_path / "c", limit=4 * ENTRY)
    for number, file in enumerate(files[:4]):
        spied(cache, pipeline, file)
        os.utime(max(entries(tmp_path / "c"), key=lambda p: p.stat().st_mtime_ns), (number, number))
    later = Cache(tmp_path / "c", limit=4 * ENTRY)
    assert not spied(later, pipeline, files[0])[1], "used now, so it stays"
    assert [spied(later, pipeline, file)[1] for file in files[4:]] == [True, True]
    assert len(entries(tmp_path / "c")) == 4
    last = Cache(tmp_path / "c", limit=4 * ENTRY)
    assert [spied(last, pipeline, files[i])[1] for i in (0, 3, 4, 5)] == [False] * 4
    Cache(tmp_path / "c", limit=2 * ENTRY)
    assert len(entries(tmp_path / "c")) == 2


def test_one_that_can_never_fit_throws_out_nothing(
    pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path
) -> None:
    spied(Cache(tmp_path / "c", limit=ENTRY), pipeline, draw(0))
    cache = Cache(tmp_path / "c", limit=ENTRY)
    cache.pixels(draw(1), "whole", lambda image: np.asarray(image))  # 30 x 40, more than is allowed
    assert len(entries(tmp_path / "c")) == 1 and not spied(cache, pipeline, draw(0))[1]


def test_two_at_once_keep_to_one_limit_and_to_what_the_other_uses(
    pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path
) -> None:
    files = [draw(i) for i in range(8)]
    for file in files[:4]:
        spied(Cache(tmp_path / "c"), pipeline, file)
    one, two = Cache(tmp_path / "c", limit=4 * ENTRY), Cache(tmp_path / "c", limit=4 * ENTRY)
    os.utime(tmp_path / "c")
    assert [spied(one, pipeline, file)[1] for file in files[:4]] == [False] * 4
    for file in files[4:]:
        spied(two, pipeline, file)
        spied(one, pipeline, file)
    assert [spied(one, pipeline, file)[1] for file in files[:4]] == [False] * 4, "none of them was thrown out"
    assert len(entries(tmp_path / "c")) == 4 and (tmp_path / "c" / "lock").exists()


def test_what_is_being_written_by_another_process_is_not_waited_for(
    pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path
) -> None:
    cache, lock = Cache(tmp_path / "c"), ProcessLock(tmp_path / "c" / "lock")
    assert lock.take()
    assert spied(cache, pipeline, draw(0))[1] and entries(tmp_path / "c") == []
    lock.release()
    assert spied(cache, pipeline, draw(0))[1] and len(entries(tmp_path / "c")) == 1, "the next time it is"


def test_few_photos_wait_for_the_lock(
    pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, take, taken = Cache(tmp_path / "c"), ProcessLock.take, []
    monkeypatch.setattr(ProcessLock, "take", lambda lock: taken.append(lock) or take(lock))  # type: ignore[func-returns-value]
    for i in range(9):
        spied(cache, pipeline, draw(i))
    assert len(taken) == 1 and len(entries(tmp_path / "c")) == 9


def test_what_a_dead_process_left_half_written_goes(
    pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path
) -> None:
    spied(Cache(tmp_path / "c"), pipeline, draw(0))
    (entry,) = entries(tmp_path / "c")
    entry.with_name(f".{entry.name}").write_bytes(b"half")
    Cache(tmp_path / "c")
    assert entries(tmp_path / "c") == [entry]


@pytest.mark.skipif(sys.platform != "linux", reason="the open files of a process are listed on Linux")
def test_what_it_gave_keeps_no_file_open(pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path) -> None:
    cache, files = Cache(tmp_path / "c"), [draw(i) for i in range(20)]
    before = len(os.listdir("/proc/self/fd"))
    held = [spied(cache, pipeline, file)[0] for file in files * 2]
    assert len(os.listdir("/proc/self/fd")) == before and len(held) == 40


def test_a_transform_that_needs_all_of_a_photo_keeps_none(draw: Callable[..., Path], tmp_path: Path) -> None:
    tfms = [transforms.create("flip"), transforms.create("resize", size=24)]
    cache, pipeline = Cache(tmp_path / "c"), Pipeline(tfms)
    assert pipeline.read(draw(0), True, cache.pixels).shape == (30, 40, 3)
    assert not pipeline.cacheable and entries(tmp_path / "c") == []


def test_what_is_used_is_not_thrown_out_for_more(pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path) -> None:
    files = [draw(i) for i in range(4)]
    cache = Cache(tmp_path / "c", limit=2 * ENTRY)
    assert [spied(cache, pipeline, f)[1] for f in files * 2] == [True] * 4 + [False, False, True, True]


def test_a_folder_that_cannot_be_made_is_no_harm(pipeline: Pipeline, draw: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a file where the folder should be")
    file = draw(0)
    assert np.array_equal(spied(Cache(tmp_path / "c"), pipeline, file)[0], decoded(file, "", pipeline.presized))


def test_a_disk_that_fills_is_no_harm(
    pipeline: Pipeline, draw: Callable[..., Path], small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("200k")
    cache = Cache(disk / "c")
    (disk / "ballast").write_bytes(b"x" * 100_000)
    files = [draw(i) for i in range(60)]
    for _ in range(2):
        for file in files:
            assert np.array_equal(spied(cache, pipeline, file)[0], decoded(file, "", pipeline.presized))
    assert 10 < len(entries(disk / "c")) < 60


def test_a_file_that_is_no_photo_says_why(draw: Callable[..., Path], tmp_path: Path, pipeline: Pipeline) -> None:
    cache, broken = Cache(tmp_path / "c"), tmp_path / "broken.png"
    broken.write_bytes(b"no photo")
    for file, why in ((broken, "not an image"), (tmp_path / "gone.png", "No such file"), (tmp_path, "not a file")):
        with pytest.raises(BadPhoto, match=why):
            spied(cache, pipeline, file)
    assert entries(tmp_path / "c") == []


def _read_all(folder: Path, files: list[Path], together: Any) -> None:
    discover()  # it is a fresh process
    pipeline = Pipeline(transforms.create("resize", size=24))
    cache = Cache(folder)
    together.wait()
    for file in files * 3:
        found = cache.pixels(file, "presized", pipeline.presized)
        assert np.array_equal(found, decoded(file, "", pipeline.presized))


def test_processes_share_it(draw: Callable[..., Path], tmp_path: Path) -> None:
    files = [draw(i) for i in range(20)]
    context = forkserver()
    together = context.Barrier(3)
    readers = [context.Process(target=_read_all, args=(tmp_path / "c", files, together)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(120)
    assert [reader.exitcode for reader in readers] == [0, 0, 0]
    pipeline = Pipeline(transforms.create("resize", size=24))
    assert len(entries(tmp_path / "c")) == 20
    for file in files:
        found, again = spied(Cache(tmp_path / "c"), pipeline, file)
        assert np.array_equal(found, decoded(file, "", pipeline.presized)) and not again


def test_it_needs_no_torch() -> None:
    code = "import sys, core.data.cache; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
