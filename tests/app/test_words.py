"""Names from elsewhere are text on the page, patterns take no forever, and nothing shows a stack trace."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import markupsafe
import pytest

from core.runs.run import Run
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.html import DELEGATE
from tests.app.running import EVIL, App, jpeg, photos, zipped
from tests.matrix import thinned

RAW, ESCAPED = re.compile("<img src=x", re.IGNORECASE), str(markupsafe.escape(EVIL))
KEY = re.search(r"told = field => \(\{\s*(\w+):", DELEGATE)[1]  # type: ignore[index]  # what a form calls the place of an option
TRACE = re.compile(r'Traceback|File \\?"|\.py\b.{0,20}line \d', re.IGNORECASE)
CLICKED = ("train-runs", "results-body", "rate-chart", "data-seen")
JUNK: tuple[Any, ...] = (
    None,
    5,
    "x",
    [],
    {},
    {"files": 5},
    {"files": [{"path": "x"}]},
    {KEY: "labeller.pattern", "value": {"a": 1}},
    {KEY: "source", "value": "pets"},
    {KEY: "training.epochs", "value": "many"},
    {KEY: 7, "value": None},
    {"do": "look", "run": ["a"]},
    {"do": "delete", "run": {"a": "b"}},
    {"do": "pick", "x": "nan"},
    {"do": "seen", "draw": "x", "photo": "-5"},
    {"do": "photos", "run": 1, "true": "a"},
)
PARTS = 4  # of the junk


@pytest.mark.parametrize("how", ["zip", "folder"])
def test_a_label_is_text_everywhere(local: App, model: Run, how: str) -> None:
    visitor = local.visitor()
    files = photos() | {f"{EVIL}/{EVIL}.txt": b"", f"{EVIL}/{EVIL}.jpg": b"broken"}
    if how == "zip":
        texts = [visitor.drop("data-drop", (zipped(files), f"{EVIL.replace('/', '')}.zip"))]
    else:
        texts = [visitor.drop("data-drop", *((content, name) for name, content in files.items()))]
    texts += [
        visitor.do("data-seen", "click", {"do": "seen"}),
        visitor.do("train-draws", "click", {"do": "draws"}),
        visitor.do("data-forms", "typed", {KEY: "labeller.pattern", "value": EVIL}),
        visitor.do("train-runs", "click", {"do": "results", "run": model.name}),
        visitor.do("results-body", "click", {"do": "photos", "run": model.name, "true": 0, "predicted": 0}),
        visitor.do("results-body", "click", {"do": "photos", "run": EVIL, "true": 0, "predicted": 0}),
        visitor.do("train-runs", "click", {"do": "look", "run": EVIL}),
        visitor.drop("predict-drop", (jpeg(), f"{EVIL}.jpg")),
        visitor.drop("predict-drop", (b"broken", f"{EVIL}.jpg")),
        visitor.drop("predict-many", (jpeg(), f"{EVIL}/{EVIL}.jpg"), (b"broken", f"{EVIL}.jpg")),
    ]
    loading = next(d for d in visitor.config["dependencies"] if any(what == "load" for _, what in d["targets"]))
    texts.append(visitor.send(loading))
    for answer in texts:
        for name in visitor.html & set(answer.values):
            assert not RAW.search(str(answer.values[name])), name
        assert not RAW.search(answer.said)
    assert ESCAPED in str(texts[-1].values["results-body"])
    if how == "zip":
        assert ESCAPED in str(texts[-1].values["data-found"])


@pytest.fixture
def many_as(local: App) -> Iterator[Any]:
    """A visitor whose photos have names on which some patterns take forever."""
    visitor = local.visitor()
    files = {f"{'a' * 60}{label}{i}!.jpg": jpeg(seed=i) for label in "bc" for i in range(6)}
    visitor.drop("data-drop", (zipped({f"{name[60]}/{name}": content for name, content in files.items()}), "a.zip"))
    visitor.do("data-forms", "select", {KEY: "labeller", "value": "regex"})
    yield visitor
    visitor.do("data-forms", "select", {KEY: "labeller", "value": "folder"})


@pytest.mark.parametrize("pattern", thinned(["(a+)+$", "^((a|aa)+)$", "(.*a){25}x"], {"(a+)+$"}.__contains__))
def test_a_pattern_takes_no_forever(many_as: Any, pattern: str) -> None:
    for what in ("typed", "edit"):
        answer = many_as.do("data-forms", what, {KEY: "labeller.pattern", "value": pattern})
        said = html.unescape(str(answer.values))
        assert "takes too long" in said or ("aa" not in pattern and "does not match" in said), what
    assert many_as.http.get("/config").status_code == 200


@pytest.mark.parametrize("part", thinned(range(PARTS), {0}.__contains__))
def test_junk_gets_no_stack_trace(local: App, part: int) -> None:
    """Each event gets some of it, the next event other pieces."""
    visitor = local.visitor()
    visitor.drop("data-drop", (zipped(photos()), "photos.zip"))
    private = [d for d in visitor.config["dependencies"] if d["api_visibility"] == "private" and not d["inputs"]]
    skipped = {"data-train", "rate-train", "rate-test", "train-start", "train-resume", "data-sample"}  # they begin work
    for number, dependency in enumerate(private):
        targets = {(visitor.names.get(n, n), what) for n, what in dependency["targets"]}
        if {who for who, _ in targets} & skipped or not dependency["backend_fn"]:
            continue
        takes = {what for _, what in targets} & {"upload", "edit", "select", "typed"}
        is_read = takes or any(who in CLICKED for who, _ in targets)
        for junk in JUNK[(number + part) % PARTS :: PARTS] if is_read else JUNK[-1:]:
            answer = visitor.send(dependency, junk)
            assert not TRACE.search(answer.text), (targets, junk)
    assert visitor.http.get("/config").status_code == 200


def test_what_nobody_expected_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def act(project: Project) -> None:
        raise RuntimeError(f"of {tmp_path}")

    page = Page(Mode("local", tmp_path))
    with gr.Blocks() as demo:
        button = gr.Button(elem_id="button")
        page.does(button.click, act)
        page.wire(demo)
    handle = next(f for f in demo.fns.values() if f.name == "handle")
    said = str(list(handle.fn(gr.Request(), gr.EventData(None, None))))
    assert "Something went wrong" in said
    assert not TRACE.search(said) and str(tmp_path) not in said
    assert "RuntimeError" in capsys.readouterr().err


def test_no_event_of_gradio_changes_the_app(local: App) -> None:
    http = local.visitor().http
    for path in ("vibe-edit", "vibe-code", "undo-vibe-edit"):
        assert http.post(f"/gradio_api/{path}", json={"prompt": "x", "code": "import os"}).status_code >= 400, path
    for path in ("/monitoring", "/gradio_api/vibe-code", "/gradio_api/profiling/traces", "/gradio_api/runs"):
        assert http.get(path).status_code >= 400, path
