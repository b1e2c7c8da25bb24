"""What is uploaded may be broken, hostile, too much, or come all at once."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from gradio_client import Client, handle_file
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from core.model.folder import load_model
from core.runs.run import Run
from plugins.panels.kit.serving.temporary import sweep, upload_folder
from plugins.panels.kit.serving.uploads import UPLOAD, Uploads
from plugins.panels.kit.serving.visitors import GB
from tests.app.running import COLOURS, ROOT, App, jpeg, photos, zipped

TRACES = ("Traceback", 'File "', ".py")


def png(width: int, height: int) -> bytes:
    """A black PNG that is small on the disk, however large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(packer.compress(row * 100) for _ in range(height // 100)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


PIXELS = re.compile("pixels are more than|900000000 pixels")


def unpacked(workspace: Path) -> list[str]:
    """The names of all that came out of zips."""
    return [file.name for file in (workspace / "sources").rglob("*") if file.is_file()]


def outside(app: App) -> set[Path]:
    """All around the workspace."""
    return {file for file in app.workspace.parent.rglob("*") if not file.is_relative_to(app.workspace)}


def lying(content: bytes, size: int) -> bytes:
    """The zip with every member said to be of that size."""
    parts = content.split(b"PK\x01\x02")
    said = struct.pack("<I", size)
    return b"PK\x01\x02".join([parts[0], *(part[:20] + said + part[24:] for part in parts[1:])])


def test_a_zip_bomb_is_refused(local: App) -> None:
    visitor, before = local.visitor(), unpacked(local.workspace)
    answer = visitor.drop("data-drop", (zipped({"a/1.png": bytes(60 * 2**20), "b/2.jpg": jpeg()}), "bomb.zip"))
    assert "unpacks to over 100 times its size" in answer.said
    assert unpacked(local.workspace) == before
    assert visitor.http.get("/config").status_code == 200


def test_what_a_zip_says_it_holds_must_fit(shared: App) -> None:
    visitor = shared.visitor()
    content = lying(zipped({"a/1.jpg": jpeg(), "b/2.jpg": jpeg(seed=1)}), 3 * GB)
    answer = visitor.drop("data-drop", (content, "large.zip"))
    assert "limited to 4 GB" in answer.said
    assert not unpacked(visitor.folder(shared))


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip", zipped({})[:-4], zipped({"a/1.jpg": jpeg()})[:-30]])
def test_a_broken_zip_is_said_to_be_one(local: App, content: bytes) -> None:
    answer = local.visitor().drop("data-drop", (content, "photos.zip"))
    assert "damaged or not a zip file" in answer.said
    assert not any(trace in answer.said for trace in TRACES)


def test_links_and_upward_names_in_a_zip_are_left_out(local: App) -> None:
    link = zipfile.ZipInfo("a/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    content = zipped(
        {
            link: b"/etc/passwd",
            "../up.jpg": jpeg(),
            "a/../../up.jpg": jpeg(),
            "/abs.jpg": jpeg(),
            "..\\..\\up.jpg": jpeg(),
            "C:/up.jpg": jpeg(),
            **{f"a/{i}.jpg": jpeg(seed=i) for i in range(5)},  # type: ignore[dict-item]
            **{f"b/{i}.jpg": jpeg(seed=i + 9) for i in range(5)},  # type: ignore[dict-item]
        }
    )
    before, known = outside(local), set(unpacked(local.workspace))
    answer = local.visitor().drop("data-drop", (content, "photos.zip"))
    assert "6 left out" in answer.values["data-found"]
    assert not any(file.is_symlink() for file in local.workspace.rglob("*"))
    assert not {"up.jpg", "abs.jpg", "link.jpg", "passwd"} & (set(unpacked(local.workspace)) - known)
    assert outside(local) == before


def test_an_image_bomb_is_refused(local: App, served: App) -> None:
    bomb = png(30_000, 30_000)
    assert len(bomb) < 1_000_000
    for app in (local, served):
        visitor = app.visitor()
        assert PIXELS.search(visitor.predict(bomb, "bomb.png").said)
        assert PIXELS.search(visitor.drop("predict-drop", (bomb, "bomb.png")).text)
    answer = local.visitor().drop("data-drop", *((bomb, f"{c}/bomb.png") for c in "ab"), *set_of_two())
    assert "2 left out" in answer.values["data-found"]
    assert PIXELS.search(answer.values["data-found"])


def set_of_two() -> list[tuple[bytes, str]]:
    return [(jpeg(seed=i), f"{label}/{i}.jpg") for label in "ab" for i in range(5)]


def test_broken_photos_get_a_sentence(served: App, data_folder: Path) -> None:
    files = [
        f
        for f in sorted((data_folder / "hostile_images").rglob("*"))
        if f.is_file() and f.suffix not in (".json", ".csv", ".md")
    ]
    assert len(files) > 20
    visitor = served.visitor()
    refused = 0
    for file in files[:: max(1, len(files) // 20)]:
        answer = visitor.predict(file.read_bytes(), file.name)
        if answer.error is not None:
            refused += 1
            assert "cannot be read as a photo: " in answer.error, file
            assert not any(trace in answer.error for trace in TRACES), file
        else:
            assert answer.values["answer"]["label"] in COLOURS, file
    assert refused
    assert visitor.predict(jpeg()).error is None


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff\xd8\xff", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_no_photo_gets_a_sentence(served: App, content: bytes) -> None:
    visitor = served.visitor()
    assert "cannot be read as a photo: " in visitor.predict(content).said
    assert "cannot be read as a photo: " in visitor.drop("predict-drop", (content, "x.jpg")).text
    assert not visitor.drop("predict-many", (content, "x.jpg"), (jpeg(), "y.jpg")).said


def test_a_stranger_s_zip_is_predicted_photo_by_photo(served: App) -> None:
    visitor, label = served.visitor(), "blue"
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in ((f"{label}/1.jpg", jpeg()), ("../2.jpg", b"x"), ("notes.txt", b"x")):
                archive.writestr(name, content)
        content = stream.getvalue()
    table = visitor.drop("predict-many", (content, "photos.zip")).values["predict-table"]
    assert table.count("<tr") == 3 and f"{label}/1.jpg" in table and "as their folders say" in table
    assert "is damaged or not a zip file" in visitor.drop("predict-many", (content[:-30], "photos.zip")).said


def test_fifty_at_once(served: App, model: Run) -> None:
    """Half of them send the same photo by the same name."""
    learner = load_model(model.folder)
    colours = list(COLOURS.values())
    contents = [jpeg(colours[i % 2], seed=i if i % 4 else 0) for i in range(50)]
    visitor = served.visitor()

    def ask(content: bytes) -> tuple[str, dict[str, float]]:
        answer = visitor.another().predict(content)
        assert answer.error is None, answer.error
        return answer.values["answer"]["label"], answer.values["answer"]["probabilities"]

    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(ask, contents))
    for content, (label, shares) in zip(contents, found, strict=True):
        expected = learner.logits(learner.prepare(content)[None])[0].softmax(0).tolist()
        assert shares == pytest.approx(dict(zip(learner.vocab, expected, strict=True)), abs=1e-4)
        assert label == max(shares, key=lambda name: shares[name])
    assert visitor.predict(jpeg()).error is None


def test_a_program_of_gradio(served: App, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    client = Client(served.url, verbose=False)
    assert client.predict(handle_file(tmp_path / "photo.jpg"), api_name="/predict")["label"] in COLOURS


def test_a_file_may_be_too_large(served: App) -> None:
    answer = httpx.post(f"{served.url}/gradio_api/upload", files={"files": ("a.jpg", bytes(50_000_001))}, timeout=60)
    assert answer.status_code == 413
    assert served.visitor().predict(jpeg()).error is None


def test_a_visitor_has_so_much_room(shared: App) -> None:
    visitor = shared.visitor()
    mine = visitor.folder(shared)
    assert not visitor.drop("data-drop", (zipped(photos()), "photos.zip")).said
    with (mine / "large").open("wb") as file:
        file.truncate(4 * GB)  # takes no room
    assert "limited to 4 GB" in visitor.drop("data-drop", (zipped(photos(2)), "more.zip")).said
    (mine / "large").unlink()
    assert not visitor.drop("data-drop", (zipped(photos(3)), "more.zip")).said


def test_the_folder_of_uploads_is_private(local: App, shared: App, served: App, space: App) -> None:
    folders = {app.temporary for app in (local, shared, served, space)}
    assert len(folders) == 4
    for folder in folders:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_visitor_of_an_app_cannot_use_uploads_of_another(local: App, served: App) -> None:
    path = served.visitor().upload(jpeg())
    answer = local.visitor().do("data-drop", "upload", {"files": [{"path": path, "rel": "x.jpg"}]})
    assert "not in the cache folder" in answer.said or "was not uploaded here" in answer.said


def upload(app: App, field: str, content: Any, **more: Any) -> httpx.Response:
    """A file under some name."""
    return httpx.post(f"{app.url}/gradio_api/upload", files={field: ("a.jpg", content)}, timeout=60, **more)


def left(app: App) -> set[str]:
    """What uploads left directly in the folder, where gradio writes what has no name yet."""
    return {file.name for file in app.temporary.iterdir() if file.is_file()} - {"lock"}


def test_an_upload_holds_files_alone(served: App, local: App) -> None:
    for app in (served, local):
        assert upload(app, "files", b"x").status_code == 200
        before = left(app)
        for field in ("other", "file", "files[]", ""):
            assert upload(app, field, b"x" * 100_000).status_code == 400, field
        answer = httpx.post(f"{app.url}/gradio_api/upload", data={"files": "x" * 10_000_000}, files={"files": b"x"})
        assert answer.status_code == 400
        for kind in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 500, "text/plain", ""):
            answer = httpx.post(f"{app.url}/gradio_api/upload", content=b"--x", headers={"Content-Type": kind})
            assert answer.status_code in (400, 500), kind
        assert len(left(app) - before) == 0


def test_an_address_uploads_so_much_an_hour() -> None:
    passed = 0

    async def there(request: Request) -> PlainTextResponse:
        nonlocal passed
        async for chunk in request.stream():
            passed += len(chunk)
        return PlainTextResponse("here")

    middleware = [Middleware(Uploads, limit=1_000_000)]
    client = TestClient(Starlette(routes=[Route(UPLOAD, there, methods=["POST"])], middleware=middleware))

    def chunks(count: int) -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(count):
            yield bytes(50_000)
        yield b"\r\n--b--\r\n"

    def send(content: Any) -> int:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        return client.post(UPLOAD, content=content, headers=headers).status_code

    assert send(chunks(10)) == 200
    assert send(b"".join(chunks(12))) == 413, "by the size it states"
    assert send(chunks(1000)) == 413, "by what came, where none is stated"
    assert send(chunks(20)) == 413
    assert passed < 1_100_000
    empty = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n\r\n'
    other = TestClient(Starlette(routes=[Route(UPLOAD, there, methods=["POST"])], middleware=middleware))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answers = [other.post(UPLOAD, content=empty * 200 + b"--b--\r\n", headers=headers).status_code for _ in range(3)]
    assert answers[-1] == 413, "a file of nothing takes room as well"


def test_no_upload_fills_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("plugins.panels.kit.serving.uploads.SPARE", 10**18)

    async def there(request: Request) -> PlainTextResponse:
        return PlainTextResponse("here")

    client = TestClient(
        Starlette(routes=[Route(UPLOAD, there, methods=["POST"])], middleware=[Middleware(Uploads, limit=None)])
    )
    answer = client.post(UPLOAD, files={"files": b"x"})
    assert (answer.status_code, "too little room" in answer.text) == (413, True)


def test_what_lies_in_the_folder_of_uploads_is_swept(tmp_path: Path) -> None:
    now = time.time()
    ages = {"cut off": 700, "growing": 5, "a/old.jpg": 4000, "b/new.jpg": 700, "models/x/old.zip": 4000, "lock": 9000}
    for name, age in ages.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
        os.utime(file, (now - age, now - age))
    (tmp_path / "empty").mkdir()
    os.utime(tmp_path / "empty", (now - 700, now - 700))
    sweep(tmp_path, 3500)
    kept = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert kept == {"growing", "b/new.jpg", "lock"}
    assert not (tmp_path / "empty").exists()


def test_the_folder_of_a_killed_app_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    make = "import plugins.panels.kit.serving.temporary as t; print(t.upload_folder(), flush=True); input()"
    env = os.environ | {"TMPDIR": str(tmp_path)}
    apps = [
        subprocess.Popen(
            [sys.executable, "-c", make], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT
        )
        for _ in range(2)
    ]
    killed, alive = (Path(app.stdout.readline().strip()) for app in apps)  # type: ignore[union-attr]
    mine = tmp_path / "presize-uploads-of-mine"
    mine.mkdir()
    for folder in (killed, alive, mine):
        (folder / "photo.jpg").write_bytes(b"x")
    apps[0].kill()
    apps[0].wait()
    for folder in (killed, alive, mine):
        os.utime(folder, (time.time() - 100,) * 2)
    try:
        new = upload_folder()
        assert not killed.exists()
        assert (alive / "photo.jpg").exists() and (mine / "photo.jpg").exists() and new.is_dir()
    finally:
        apps[1].kill()
        apps[1].wait()


@pytest.mark.parametrize("mode", ["served", "local"])
def test_a_photo_is_answered_as_by_the_engine_in_every_mode(apps: dict[str, App], mode: str, model: Run) -> None:
    learner, visitor = load_model(model.folder), apps[mode].visitor()
    expected = learner.logits(learner.prepare(jpeg(seed=5))[None])[0].softmax(0).tolist()
    found = visitor.predict(jpeg(seed=5)).values["answer"]["probabilities"]
    assert found == pytest.approx(dict(zip(learner.vocab, expected, strict=True)), abs=1e-6)


def test_strangers_may_bring_fewer_pixels_than_the_owner(local: App, served: App) -> None:
    large = png(7500, 7500)
    assert local.visitor().predict(large, "large.png").error is None
    assert "pixels are more than 50,000,000" in served.visitor().predict(large, "large.png").said


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; who is dead may wait for its parent."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_stranger_s_photo_is_decoded_outside_of_the_app(served: App) -> None:
    visitor, app = served.visitor(), psutil.Process(served.process.pid)
    children = [p for p in app.children(recursive=True) if is_alive(p) and "core.data.decoder" in p.cmdline()]
    assert len(children) == 2
    for child in children:
        child.kill()
    while any(map(is_alive, children)):  # on a busy machine they may still take the next photo
        time.sleep(0.05)
    assert visitor.predict(jpeg()).error is None
    assert (
        visitor.drop("predict-many", (jpeg(), "a.jpg"), (b"no photo", "b.jpg")).values["predict-table"].count("<tr")
        == 3
    )
