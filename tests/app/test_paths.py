"""No path from a client leads to a file that is not its own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from core.runs.run import Run
from plugins.panels.kit.views.drop import received
from tests.app.running import App, jpeg, photos, zipped

REFUSED = re.compile("was not uploaded here|not in the cache folder")  # ours, or gradio's where it looks as well


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of the owner, in no folder of the app."""
    file = tmp_path_factory.mktemp("private") / "own.jpg"
    file.write_bytes(jpeg())
    return file


def kept(app: App) -> set[Path]:
    """All that was put into the workspace's photos."""
    return {file for file in (app.workspace / "photos").rglob("*") if file.is_file()}


def test_no_file_is_served_but_uploads(local: App, model: Run, own: Path) -> None:
    visitor = local.visitor()
    visitor.drop("data-drop", (zipped(photos()), "photos.zip"))
    assert (local.workspace / "draft.json").is_file()
    temporary = local.temporary
    for path in (
        "/etc/passwd",
        own,
        local.workspace,
        local.workspace / "draft.json",
        local.workspace / "photos.sqlite",
        model.folder / "recipe.json",
        model.folder / "model.safetensors",
        temporary,
        f"{temporary}/../{own.parent.name}/own.jpg",
        f"{temporary}/{os.path.relpath(own, temporary)}",
        "app.py",
        "../checkout/app.py",
        "%2e%2e/%2e%2e/etc/passwd",
        "file:///etc/passwd",
        f"{local.url}/config",
    ):
        for place in ("file=", "file/", "proxy="):
            found = visitor.http.get(f"/gradio_api/{place}{path}")
            assert found.status_code in (400, 403, 404), (place, path)


@pytest.mark.parametrize("where", ["data-drop", "predict-drop", "predict-many"])
def test_a_drop_takes_no_path_that_was_not_uploaded(local: App, own: Path, where: str) -> None:
    visitor, before = local.visitor(), kept(local)
    temporary = local.temporary
    (temporary / "link.jpg").unlink(missing_ok=True)
    (temporary / "link.jpg").symlink_to(own)
    wrong: list[Any] = [
        str(own),
        "/etc/passwd",
        str(local.workspace / "draft.json"),
        f"{temporary}/{os.path.relpath(own, temporary)}",
        os.path.relpath(own),
        str(temporary / "link.jpg"),
        str(temporary),
        "photo\0.jpg",
        "x" * 5000,
        "",
        None,
        7,
        ["a"],
        {"path": str(own)},
    ]
    for path in wrong:
        answer = visitor.do(where, "upload", {"files": [{"path": path, "rel": "photo.jpg"}]})
        assert answer.error == "None" or REFUSED.search(answer.said), path  # gradio stumbles over some itself
        assert "Traceback" not in answer.text
    for files in (None, [], 5, "abc", {}, [None], [5], ["x"], [[]]):
        answer = visitor.do(where, "upload", {"files": files})
        assert "drop" in answer.said, files
    assert kept(local) == before
    assert own.is_file()


def test_a_dropped_name_stays_in_the_workspace(local: App, own: Path) -> None:
    visitor = local.visitor()
    outside = {file for file in local.workspace.parent.rglob("*") if not file.is_relative_to(local.workspace)}
    for rel in ("../../x.jpg", "/x.jpg", "a/../../../../x.jpg", "..\\..\\x.jpg", "C:\\x.jpg", f"{own.parent}/new.jpg"):
        before = kept(local)
        others = [(jpeg(), f"{label}/{i}.jpg") for label in ("a", "b") for i in range(6)]
        answer = visitor.drop("data-drop", (jpeg(), rel), *others)
        assert "Something went wrong" not in answer.said, rel
        assert len(kept(local) - before) == 13, rel
    for bad in ("a\0b.jpg", "\ud800.jpg", "con.jpg", "x" * 500 + ".jpg", "a/" * 500 + "x.jpg"):
        path = visitor.upload(jpeg())
        answer = visitor.do(
            "data-drop", "upload", {"files": [{"path": path, "rel": bad.encode(errors="replace").decode()}]}
        )
        assert "Something went wrong" not in answer.said, bad
    for rel in (5, ["x"], {"a": 1}):
        answer = visitor.do("data-drop", "upload", {"files": [{"path": visitor.upload(jpeg()), "rel": rel}]})
        assert "was not uploaded here" in answer.said, rel
    assert {f for f in local.workspace.parent.rglob("*") if not f.is_relative_to(local.workspace)} == outside
    assert [file.name for file in own.parent.iterdir()] == [own.name]
    assert not Path("/x.jpg").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "draft.json", "app.py", "http://127.0.0.1/x.jpg"])
def test_a_program_sends_no_path(local: App, path: str) -> None:
    answer = local.visitor().api("predict", {"path": path, "meta": {"_type": "gradio.FileData"}}, "")
    assert answer.values["answer"] is None
    assert "root:" not in answer.text


def test_a_run_of_another_place_is_not_known(local: App, model: Run) -> None:
    visitor = local.visitor()
    file = {"path": visitor.upload(jpeg()), "meta": {"_type": "gradio.FileData"}}
    names = ("../other", "..", ".", "/etc", "runs", "", "x\0", "x" * 5000)
    for run in {*names, *(f"{name}/{model.name}" for name in names), str(model.folder)}:
        if run:
            assert "There is no run" in visitor.api("predict", file, run).said, run
        for do in ("look", "results", "recipe", "delete"):
            answer = visitor.do("train-runs", "click", {"do": do, "run": run})
            assert "There is no run" in answer.said, (do, run)
        answer = visitor.do("results-body", "click", {"do": "photos", "run": run, "true": 0, "predicted": 0})
        assert "There is no run" in answer.said, run
    assert model.has_model
    assert visitor.predict(jpeg(), run=model.name).values["answer"]["label"]


def test_what_a_drop_takes(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gradio's own look at the paths, which it takes at some events only."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    inside = tmp_path / "a" / "photo.jpg"
    inside.parent.mkdir()
    inside.write_bytes(jpeg())
    (tmp_path / "link.jpg").symlink_to(own)
    assert received({"files": [{"path": str(inside)}]})[0].path == inside.resolve()
    for path in (
        own,
        "/etc/passwd",
        tmp_path,
        tmp_path / "link.jpg",
        tmp_path / "gone.jpg",
        f"{tmp_path}/../x",
        "a\0b",
        None,
        7,
    ):
        with pytest.raises(BadInput, match="was not uploaded here"):
            received({"files": [{"path": str(path) if isinstance(path, Path) else path}]})
    for rel in ("../../x.jpg", "/x.jpg", "..\\x.jpg", "C:\\x.jpg", "a\0b.jpg", "~/x.jpg", ".."):
        name = received({"files": [{"path": str(inside), "rel": rel}]})[0].name
        assert not name.is_absolute() and ".." not in name.parts and "\0" not in str(name), rel
