"""With a password: nothing without it, a workspace for each visitor, and nothing of the owner's but the computer."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from core.events import StepEnded
from core.model.file_names import HASHES
from core.runs.run import Run
from plugins.panels.kit.serving.mode import COOKIE
from tests.app.running import SECRETS, Answer, App, Visitor, jpeg, photos, tiny, zipped


def recipe_of(visitor: Visitor) -> dict[str, Any]:
    """What the visitor edits."""
    found: dict[str, Any] = json.loads(visitor.api("recipe", "").values["answer"])
    return found


def load(visitor: Visitor, recipe: dict[str, Any]) -> Answer:
    """Put a recipe in its place."""
    return visitor.api("recipe", json.dumps(recipe))


@pytest.fixture(scope="module")
def busy(shared: App) -> Iterator[Visitor]:
    """A visitor who trains."""
    visitor = shared.visitor()
    visitor.drop("data-drop", (zipped(photos()), "photos.zip"))
    assert not load(visitor, tiny(recipe_of(visitor)["source"], epochs=1000)).error
    assert not visitor.do("train-start", "click").said
    (run,) = runs_of(shared, visitor)
    end = time.monotonic() + 120
    while not any(isinstance(event, StepEnded) for event in run.events()):
        assert time.monotonic() < end, run.read("log.txt")
        time.sleep(0.1)
    assert run.process
    process = psutil.Process(run.process)
    process.suspend()  # it keeps its lock, and takes no processor
    yield visitor
    process.kill()


def runs_of(app: App, visitor: Visitor) -> list[Run]:
    """The runs in a visitor's workspace."""
    return [Run(folder) for folder in (visitor.folder(app) / "runs").glob("[!.]*")]


def test_nothing_without_a_login(shared: App) -> None:
    with httpx.Client(base_url=shared.url) as http:
        page = http.get("/").text
        assert "data-drop" not in page and "predict-drop" not in page
        for path in (
            "/config",
            "/gradio_api/info",
            "/gradio_api/file=/etc/passwd",
            "/gradio_api/queue/data?session_hash=x",
        ):
            assert http.get(path).status_code == 401, path
        assert http.post("/gradio_api/upload", files={"files": jpeg()}).status_code == 401
        body = {"fn_index": 0, "data": [], "session_hash": "x"}
        for path in ("queue/join", "run/predict", "api/predict", "call/predict", "call/recipe", "call/handle"):
            assert http.post(f"/gradio_api/{path}", json=body).status_code in (401, 404), path
        for name in ("access-token-unsecure-x", "access-token-x"):
            assert http.get("/config", headers={"Cookie": f"{name}=forged"}).status_code == 401


def test_the_cookie_of_a_visitor(shared: App, space: App, local: App) -> None:
    for app, wanted, unwanted in (
        (shared, ("HttpOnly", "SameSite=Lax"), ("Secure", "Partitioned")),
        (space, ("HttpOnly", "SameSite=None", "Secure", "Partitioned"), ()),
    ):
        cookie = httpx.get(app.url).headers["set-cookie"]
        assert re.match(rf"{COOKIE}=[0-9a-f]{{32}}; ", cookie)
        assert all(word in cookie for word in wanted) and not any(word in cookie for word in unwanted)
    assert "set-cookie" not in httpx.get(local.url).headers
    forged = httpx.get(shared.url, headers={"Cookie": f"{COOKIE}=../../x"})
    assert re.match(rf"{COOKIE}=[0-9a-f]{{32}}; ", forged.headers["set-cookie"])


def test_a_forged_cookie_opens_no_folder(shared: App) -> None:
    around = {file.name for file in shared.workspace.parent.iterdir()}
    for forged in ("../../x", "/tmp/x", "..", "x", "A" * 32, "0" * 31, "%2e%2e%2fx"):
        visitor = shared.visitor()
        visitor.http.cookies.delete(COOKIE)
        visitor.http.headers["Cookie"] = f"{COOKIE}={forged}; " + "; ".join(
            f"{k}={v}" for k, v in visitor.http.cookies.items()
        )
        assert not visitor.drop("data-drop", (zipped(photos()), "photos.zip")).said
    assert {file.name for file in shared.workspace.parent.iterdir()} == around
    assert all(re.fullmatch("[0-9a-f]{40}", folder.name) for folder in (shared.workspace / "visitors").iterdir())


def test_visitors_do_not_see_each_other_nor_the_owner(shared: App, model: Run, busy: Visitor) -> None:
    other = shared.visitor()
    assert other.cookie != busy.cookie
    (run,) = runs_of(shared, busy)
    assert run.name in loaded(busy).text and model.name not in loaded(busy).text
    assert run.name not in loaded(other).text and model.name not in loaded(other).text
    assert "no photos yet" in other.api("recipe", "").said
    for name in (
        run.name,
        model.name,
        f"../../{busy.folder(shared).name}/runs/{run.name}",
        str(run.folder),
        str(model.folder),
    ):
        for do in ("look", "results", "recipe", "delete"):
            assert "There is no run" in other.do("train-runs", "click", {"do": do, "run": name}).said, (do, name)
        assert "There is no run" in other.predict(jpeg(), run=name).said, name
    assert "There is no model yet" in other.predict(jpeg()).said
    assert "There is no run" in other.do("train-keep", "click").said
    assert model.has_model and run.process


def loaded(visitor: Visitor) -> Answer:
    """What a fresh page shows."""
    loading = next(d for d in visitor.config["dependencies"] if any(what == "load" for _, what in d["targets"]))
    return visitor.another().send(loading)


def test_programs_without_a_session_share_nothing(shared: App) -> None:
    first, second = shared.visitor(), shared.visitor()
    for visitor in (first, second):
        visitor.http.cookies.delete(COOKIE)
    first.drop("data-drop", (zipped(photos()), "photos.zip"))
    assert "no photos yet" not in first.api("recipe", "").said
    assert "no photos yet" in second.api("recipe", "").said
    for name in ("run", "api"):  # past the queue, and with no session
        assert first.http.post(f"/gradio_api/{name}/recipe", json={"data": [""]}).status_code in (404, 500)


def test_secrets_are_nowhere(shared: App, local: App, space: App, busy: Visitor) -> None:
    (run,) = runs_of(shared, busy)
    assert run.process
    child = psutil.Process(run.process)
    environment = child.environ()
    assert environment["OMP_NUM_THREADS"] == "1"
    assert not {"PRESIZE_AUTH", "HF_TOKEN"} & set(environment)
    texts = [str(environment), str(child.cmdline()), str(shared.process.args)]
    for visitor in (busy, local.visitor(), space.visitor()):
        texts += [visitor.http.get(path).text for path in ("/", "/config", "/gradio_api/info")]
        texts.append(loaded(visitor).text)
    texts += [app.log.read_text() for app in (shared, local, space)]
    texts += [
        f.read_text(errors="replace") for f in shared.workspace.rglob("*") if f.is_file() and f.stat().st_size < 10**6
    ]
    for text in texts:
        assert not any(secret in text for secret in SECRETS)


@pytest.fixture(scope="module")
def outside(model: Run) -> Path:
    """A folder of the owner's, beside the workspace, with photos, a table and a list."""
    folder = model.workspace.parent / "of the owner"
    for name, content in photos().items():
        label, _, file = name.partition("/")
        place = folder / ("red" if label != "blue" else label)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{place.name}_{file}").write_bytes(content)
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.jpg"))
    (folder / "table.csv").write_text("".join(f"{name},{name.split('/')[0]}\n" for name in ["name", *names]))
    (folder / "valid.txt").write_text("\n".join(names[::4]))
    (folder / "photos.zip").write_bytes(zipped(photos()))
    return folder


def changes(outside: Path) -> dict[str, dict[str, Any]]:
    """What a recipe may name: fine for the owner, not for a visitor."""
    return {
        "a folder": {"source": {"name": "folder", "path": str(outside)}},
        "a zip": {"source": {"name": "zip", "path": str(outside / "photos.zip")}},
        "a table": {"labeller": {"name": "csv", "path": str(outside / "table.csv")}},
        "a list": {"splitter": {"name": "file", "path": str(outside / "valid.txt")}},
    }


@pytest.mark.parametrize("what", ["a folder", "a zip", "a table", "a list"])
def test_a_recipe_of_a_visitor_leads_nowhere_else(shared: App, local: App, outside: Path, what: str) -> None:
    visitor = shared.visitor()
    visitor.drop("data-drop", (zipped(photos()), "photos.zip"))
    mine = recipe_of(visitor)
    answer = load(visitor, mine | changes(outside)[what])
    assert "outside your workspace" in str(answer.error)
    assert recipe_of(visitor) == mine
    answer = visitor.do("drawer-load", "click", data=[json.dumps(mine | changes(outside)[what])])
    assert "outside your workspace" in answer.said
    owner = {"version": 1} | tiny({"name": "folder", "path": str(outside)}) | changes(outside)[what]
    assert not load(local.visitor(), owner).error


def test_odd_paths_of_a_visitor(shared: App) -> None:
    visitor = shared.visitor()
    visitor.drop("data-drop", (zipped(photos()), "photos.zip"))
    mine = recipe_of(visitor)
    plugins = (("source", "folder"), ("source", "zip"), ("labeller", "csv"), ("splitter", "file"))
    for path, (key, name) in product(("/", "/etc", "~", "~/x", "..", "../..", "photos/../../x"), plugins):
        refused = str(load(visitor, mine | {key: {"name": name, "path": path}}).error)
        assert "outside your workspace" in refused, (key, path)
    assert recipe_of(visitor) == mine


def test_other_ways_out_of_a_visitors_workspace(shared: App, outside: Path) -> None:
    visitor = shared.visitor()
    visitor.drop("data-drop", (zipped(photos()), "photos.zip"))
    mine = recipe_of(visitor)
    here = visitor.folder(shared)
    (here / "link").symlink_to(outside)
    for source in (
        {"name": "folder", "path": str(here / "link")},
        {"name": "folder", "path": f"{here}/../../photos"},
        {"name": "folder", "path": str(shared.workspace / "visitors")},
        {"name": "folder", "path": f"{here}x"},
    ):
        assert "outside your workspace" in str(load(visitor, mine | {"source": source}).error), source
    (here / "link").unlink()
    assert "not open to visitors" in str(load(visitor, mine | {"source": {"name": "pets"}}).error)
    hub = {"architecture": {"name": "timm", "model": "hf-hub:someone/model"}}
    assert load(visitor, mine | hub).error
    assert recipe_of(visitor) == mine
    assert ("results-more", "click") not in visitor.events  # Grad-CAM is for the owner
    assert ("data-path", "submit") not in visitor.events and ("data-open", "click") not in visitor.events


SECRET_FILES = ["/proc/self/environ", "/proc/self/cmdline", "/etc/passwd", "/dev/zero", "PIPE", "../draft.json"]


@pytest.mark.parametrize("what", ["typed", "edit"])
def test_no_value_on_its_way_reads_a_file_of_the_host(shared: App, tmp_path: Path, what: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    visitor = shared.visitor()
    visitor.drop("data-drop", (zipped(photos()), "photos.zip"))
    assert not visitor.do("data-forms", "select", {"option": "labeller", "value": "csv"}).error
    for path, option in product(SECRET_FILES, ("labeller.path", "splitter.path", "source.path")):
        value = path.replace("PIPE", str(tmp_path / "pipe"))
        answer = visitor.do("data-forms", what, {"option": option, "value": value})
        assert re.search("outside your workspace|no option", answer.text), (option, path)
        assert not any(secret in answer.text for secret in (*SECRETS, "root:", "HOME=", "it has:"))


def test_what_a_visitor_shares_tells_no_cookie(shared: App, busy: Visitor) -> None:
    texts = [busy.api("recipe", "").text, loaded(busy).text]
    for folder in shared.workspace.rglob("*"):
        texts.append(str(folder))
        if folder.is_file() and folder.stat().st_size < 10**6:
            texts.append(folder.read_text(errors="replace"))
    for process in psutil.process_iter(["cmdline"]):
        texts.append(" ".join(process.info["cmdline"] or []))
    assert not any(busy.cookie in text for text in texts)
    for text in texts[:2]:
        assert busy.folder(shared).name not in text and str(shared.workspace) not in text
    assert recipe_of(busy)["source"]["path"].startswith("photos/")


def test_folders_of_visitors_are_private(shared: App, busy: Visitor) -> None:
    for folder in (busy.folder(shared).parent, busy.folder(shared), *busy.folder(shared).rglob("*")):
        assert not folder.stat().st_mode & 0o077, folder


def downloaded(visitor: Visitor) -> str:
    """Where the zip of the visitor's model lies."""
    return str(visitor.do("predict-download", "click").values["predict-zip"]["value"]["path"])


def test_the_zip_of_a_visitor_s_model_cannot_be_guessed(shared: App, model: Run) -> None:
    """Uploads are served to whoever knows their path."""
    paths = []
    for visitor in (shared.visitor(), shared.visitor()):
        folder = visitor.folder(shared) / "runs" / model.name
        shutil.copytree(model.folder, folder)
        first, again = downloaded(visitor), downloaded(visitor)
        assert first == again
        guess = shared.temporary / "models" / str((folder / HASHES).stat().st_mtime_ns) / f"{model.name}.zip"
        for path, status in ((first, 200), (guess, 403)):
            assert visitor.http.get(f"/gradio_api/file={path}").status_code in (status, status + 1), path
        paths.append(Path(first))
    assert len({path.parent for path in paths}) == 2
    assert all(path.name == f"{model.name}.zip" and re.fullmatch("[0-9a-f]{40,}", path.parent.name) for path in paths)
    os.utime(folder / HASHES)
    assert downloaded(visitor) != str(paths[1]) and paths[0].exists() and not paths[1].exists()
