"""A stranger's photo is decoded as everybody's, in a process that can be ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import psutil
import pytest
from PIL import Image

from core.data import photo
from core.data.decoder import Decoders
from core.data.photo import BadPhoto, View
from tests.benchmarks import costly_photos as costly

VIEWS = [View((50, 60)), View((40, 30), "pad", "border")]


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    found = Decoders()
    yield found
    end(found)


def processes(decoders: Decoders) -> list[psutil.Process]:
    """Those that decode small photos and large ones."""
    return [psutil.Process(lane._process.pid) for lane in (decoders._small, decoders._large)]


def end(decoders: Decoders) -> None:
    """Kill both."""
    for process in processes(decoders):
        process.kill()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small photo."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8))
    image.save(tmp_path / "ä photo.png")
    return tmp_path / "ä photo.png"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A photo of 16 megapixels."""
    (tmp_path / "large.jpg").write_bytes(costly.encoded(Image.linear_gradient("L").resize((4000, 4000)), "JPEG"))
    return tmp_path / "large.jpg"


@pytest.mark.parametrize("which", ["file", "large"])
def test_the_same_thumbnail(decoders: Decoders, which: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(which)
    found = decoders.thumbnail(path, 32)
    assert np.array_equal(found, photo.thumbnail(path, 32)) and max(found.size) == 32


@pytest.mark.parametrize("which", ["file", "large"])
def test_the_same_pixels(decoders: Decoders, which: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(which)
    found = decoders.prepare(path, VIEWS, 32)
    image = photo.decode(path)
    assert np.array_equal(found.pixels, photo.fit(image, VIEWS))
    image.thumbnail((32, 32))
    assert np.array_equal(found.shown, image)


def test_what_is_no_photo_gets_the_same_reason(decoders: Decoders, data_folder: Path, tmp_path: Path) -> None:
    files = [f for f in sorted((data_folder / "hostile_images").rglob("*")) if f.is_file()][::20]
    for file in [*files, tmp_path, tmp_path / "none.jpg"]:
        try:
            photo.decode(file)
            reason = ""
        except BadPhoto as error:
            reason = str(error)
        if reason:
            with pytest.raises(BadPhoto) as raised:
                decoders.prepare(file, VIEWS, 32)
            assert str(raised.value) == reason, file
        else:
            assert decoders.prepare(file, VIEWS, 32), file


def test_a_stranger_may_bring_fewer_pixels(decoders: Decoders, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(costly.encoded(Image.new("1", (7500, 7500)), "PNG"))
    with pytest.raises(BadPhoto, match="7500 x 7500 pixels are more than 50,000,000"):
        decoders.prepare(tmp_path / "a.png", VIEWS, 32)
    assert photo.decode(tmp_path / "a.png").size == (7500, 7500)


def test_one_that_takes_too_long_is_ended_and_the_next_is_answered(large: Path, file: Path) -> None:
    impatient = Decoders(seconds=0.05)
    with pytest.raises(BadPhoto, match=r"more than 0\.05 seconds"):  # its process has not even begun
        impatient.prepare(large, VIEWS, 32)
    impatient._small.seconds = 60
    assert impatient.prepare(file, VIEWS, 32).shown.width == 32
    end(impatient)


def test_a_crash_is_one_photo_s(decoders: Decoders, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_of, asked = decoders._small._answer, Event()
    monkeypatch.setattr(decoders._small, "_answer", lambda *asks: (asked.set(), answer_of(*asks))[1])
    for _ in range(2):
        asked.clear()
        for process in processes(decoders):
            process.suspend()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(decoders.prepare, file, VIEWS, 32)
            assert asked.wait(60)
            end(decoders)
            with pytest.raises(BadPhoto, match="crashes the decoder"):
                answer.result(timeout=60)
        assert decoders.prepare(file, VIEWS, 32).shown.width == 32


def test_small_photos_never_wait_for_large_ones(decoders: Decoders, file: Path, large: Path) -> None:
    assert decoders.prepare(large, VIEWS, 32)
    _, busy = processes(decoders)
    busy.suspend()
    try:
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(decoders.prepare, large, VIEWS, 32) for _ in range(4)]
            while decoders._room._value:
                time.sleep(0.01)
            with pytest.raises(BadPhoto, match="too many large photos"):
                decoders.prepare(large, VIEWS, 32)
            assert decoders.prepare(file, VIEWS, 32)
            assert not any(answer.done() for answer in waiting)
            busy.resume()
            assert all(answer.result() for answer in waiting)
    finally:
        busy.resume()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is not limited here")
def test_what_takes_too_much_memory_goes_to_the_other_and_then_nowhere(tmp_path: Path, file: Path) -> None:
    (tmp_path / "a.png").write_bytes(costly.encoded(Image.new("RGB", (3000, 3000)), "PNG"))
    small = Decoders()
    small._small.memory = small._large.memory = 10_000_000
    end(small)
    for lane in (small._small, small._large):
        lane._process.wait()
    with pytest.raises(BadPhoto, match="too much memory"):
        small.prepare(tmp_path / "a.png", VIEWS, 32)
    assert small.prepare(file, VIEWS, 32)
    end(small)


def test_it_knows_no_secret(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = Decoders()
    try:
        assert found.prepare(file, VIEWS, 32)
        for process in processes(found):
            assert "hf_secret" not in str(process.environ())
    finally:
        end(found)


def test_a_check_says_why_not(decoders: Decoders, file: Path, tmp_path: Path) -> None:
    decoders.check(file)
    with pytest.raises(BadPhoto, match="not an image in a known format"):
        (tmp_path / "b.jpg").write_bytes(b"no photo")
        decoders.check(tmp_path / "b.jpg")


def test_its_processes_import_no_torch(decoders: Decoders, file: Path) -> None:
    assert decoders.prepare(file, VIEWS, 32)
    if psutil.LINUX:
        for process in processes(decoders):
            assert not any("torch" in mapped.path for mapped in process.memory_maps())
