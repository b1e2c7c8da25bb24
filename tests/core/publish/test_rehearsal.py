"""A rehearsed Space is a real one, and answers like the engine on any photo; else one sentence says what is wrong."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
import pytest
from PIL import Image

from core.data.photo import BadPhoto, decode
from core.errors import BadInput
from core.events import drain
from core.model.file_names import CONFIG
from core.model.folder import load_model
from core.publish import rehearsal
from core.publish.export import TOLERANCE
from core.publish.rehearsal import Rehearsal, rehearse
from core.publish.space import space_files
from core.runs.predictions import predictions_of
from core.runs.run import Run

pytest.importorskip("gradio")
# put before a Space's own code: it must find neither this program nor a secret, and its visitor must not bring one
LOOKS_AROUND = b"""import importlib.util, os
assert importlib.util.find_spec("core.model") is None and "HF_TOKEN" not in os.environ and "MY_SECRET" not in os.environ
assert os.environ["HF_HUB_OFFLINE"] == "1"
"""
ASKS = b"def predict(photo, request: gr.Request):\n    assert 'x-hf-authorization' not in request.headers\n"
Files = dict[str, bytes]


@pytest.fixture
def files(exported: Run) -> Files:
    """A Space."""
    return space_files(exported, "anna/my-pets", "cpu-basic", None, 2)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where rehearsals write."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def rehearsed(run: Run, files: Files, photos: list[Path], python: Path | None = Path(sys.executable)) -> Any:
    """What was said, and what came out of it."""
    predictor = load_model(run.folder)
    expected = np.stack([predictor.predict(photo)[2].numpy() for photo in photos])
    said: list[str] = []
    return said, drain(rehearse(files, photos, expected, python), said.append)


def nothing_is_left(temporary: Path) -> bool:
    children = (p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE)
    alive = [p for p in children if Path(p.cwd()).is_relative_to(temporary)]
    return not alive and not list(temporary.iterdir())


@pytest.fixture
def odd_photos(photos: Path, tmp_path: Path) -> list[Path]:
    """A photo in the ways that a camera, a scanner or a designer may write it."""
    folder = tmp_path / "odd"
    folder.mkdir()
    image = Image.open(photos / "red_1.jpg").convert("RGB")
    image.paste((0, 0, 255), (0, 0, image.width // 2, image.height // 3))  # so that a turn is seen
    turned, alpha = Image.Exif(), image.copy()
    turned[0x0112] = 6
    alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    deep = np.asarray(image.convert("L"), np.uint16) * 257
    image.save(folder / "turned.jpg", exif=turned)
    image.convert("L").save(folder / "grey.jpg")
    alpha.save(folder / "alpha.png")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(deep).save(folder / "deep.png")
    image.quantize(16).save(folder / "palette.gif")
    image.save(folder / "scan.tiff")
    return sorted(folder.iterdir())


@pytest.fixture
def hostile(data_folder: Path) -> list[Path]:
    """Twenty of the hostile files, as different as can be, that are photos to the engine."""
    folder = data_folder / "hostile_images"
    entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    kinds = {(e["format"], e["mode"], e["orientation"]): folder / e["file"] for e in entries if e["pil"] == "ok"}
    found: list[Path] = []
    for file in kinds.values():
        try:
            decode(file)
        except BadPhoto:
            continue
        found.append(file)
        if len(found) == 20:
            break
    return found


def test_it_answers_like_the_engine(
    exported: Run,
    files: Files,
    odd_photos: list[Path],
    hostile: list[Path],
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    monkeypatch.setenv("MY_SECRET", "a secret")
    assert files["app.py"].count(b"def predict(photo):\n") == 1
    app = LOOKS_AROUND + files["app.py"].replace(b"def predict(photo):\n", ASKS)
    photos = [*odd_photos, *hostile, *predictions_of(exported).items[:2]]
    assert len(photos) == 29
    said, found = rehearsed(exported, {**files, "app.py": app}, photos)
    assert "Starting the Space" in said and said[-1] == "29 of 29 photos answered as the model does"
    assert isinstance(found, Rehearsal) and found.largest_difference <= TOLERANCE
    assert found.install_seconds == 0 and 0 < found.ready_seconds < 120 and 30 < found.memory_mb < 2000
    assert found.megabytes == pytest.approx(sum(map(len, files.values())) / 1e6, abs=0.1)
    assert found.first_ms > 0 and 0 < found.median_ms < 10_000
    assert nothing_is_left(temporary)


def test_what_is_no_photo_is_told_to_who_sent_it(files: Files, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nonsense")
    with pytest.raises(BadInput, match="This file cannot be read as a photo: not an image in a known format"):
        list(rehearse(files, [tmp_path / "broken.jpg"], [[0, 0, 1]], Path(sys.executable)))


def broken(files: Files) -> Files:
    return {**files, "app.py": files["app.py"] + b"\nthis is no python\n"}


def breaks(files: Files) -> Files:
    return {**files, "app.py": files["app.py"].replace(b"    began =", b"    1 / 0\n    began =", 1)}


def other_mean(files: Files) -> Files:
    config = json.loads(files[CONFIG])
    config["pretrained_cfg"]["mean"] = [0.1, 0.5, 0.9]
    return {**files, CONFIG: json.dumps(config).encode()}


def other_classes(files: Files) -> Files:
    return {**files, "app.py": files["app.py"].replace(b"zip(NAMES,", b"zip(NAMES[1:] + ['cat'],")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (broken, r"^The Space ended before it served: SyntaxError: .*\.$"),
        pytest.param(
            breaks, r"^The Space could not answer: ZeroDivisionError: division by zero\.$", marks=pytest.mark.slow
        ),
        (other_mean, r"^The Space says 0\.\d+ for '\w+' on '\w+\.jpg', and the model 0\.\d+; export it again\.$"),
        pytest.param(
            other_classes,
            r"^The Space answers '\w+\.jpg' with classes that the model does not have;",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_space_that_is_not_the_model_fails(
    change: Callable[[Files], Files], said: str, exported: Run, files: Files, temporary: Path
) -> None:
    with pytest.raises(BadInput, match=said):
        rehearsed(exported, change(files), predictions_of(exported).items[:1])
    assert nothing_is_left(temporary)


def test_one_that_never_serves_is_ended(
    exported: Run, files: Files, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "STARTS", 0.5)
    sleeps = {**files, "app.py": b"import time\ntime.sleep(600)\n"}
    with pytest.raises(BadInput, match=r"did not serve within 0\.5 s"):
        rehearsed(exported, sleeps, predictions_of(exported).items[:1])
    assert nothing_is_left(temporary)


@pytest.mark.slow
def test_who_goes_away_in_the_middle_leaves_nothing(exported: Run, files: Files, temporary: Path) -> None:
    items = predictions_of(exported).items[:2]
    expected = np.stack([load_model(exported.folder).predict(item)[2].numpy() for item in items])
    steps = rehearse(files, items, expected, Path(sys.executable))
    assert "1 of 2 photos answered as the model does" in steps  # and not the second yet
    assert not nothing_is_left(temporary)
    steps.close()
    assert nothing_is_left(temporary)


def test_what_cannot_be_installed_is_told(
    exported: Run, files: Files, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # a fresh environment, and nothing to fill it from
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(BadInput, match=r"^The Space could not be installed: ERROR: .*gradio==[\d.]+.*\.$"):
        rehearsed(exported, files, predictions_of(exported).items[:1], python=None)
    assert nothing_is_left(temporary)


def test_without_a_photo_there_is_nothing_to_rehearse(files: Files) -> None:
    with pytest.raises(BadInput, match="no photos to rehearse"):
        list(rehearse(files, [], np.zeros((0, 3)), Path(sys.executable)))


def test_it_reads_nothing_that_was_not_uploaded(files: Files, photos: Path, tmp_path: Path) -> None:
    space = tmp_path / "space"
    rehearsal.write(space, files)
    photo = sorted(photos.iterdir())[0]
    with rehearsal.served(space, Path(sys.executable), tmp_path / "log.txt") as (_, url):

        def said(path: object) -> str:
            call = httpx2.post(f"{url}gradio_api/call/predict", json={"data": [{"path": str(path)}]})
            return httpx2.get(f"{url}gradio_api/call/predict/{call.json()['event_id']}", timeout=60).text

        for path in (photo, os.path.relpath(photo, space), "/dev/zero", "/etc/hostname", space / "config.json"):
            assert "event: error" in said(path), path
        (uploaded,) = httpx2.post(f"{url}gradio_api/upload", files={"files": photo.open("rb")}).json()
        assert "event: complete" in said(uploaded)
        assert "event: error" in said(Path(uploaded).parent / ".." / ".." / ".." / photo)
