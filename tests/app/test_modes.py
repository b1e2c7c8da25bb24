"""Which page is served to whom, and what the command line says."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import httpx
import pytest

import app
from core.errors import BadInput
from core.runs.run import Run
from plugins.panels.kit.serving import mode
from plugins.panels.kit.serving.mode import Mode
from tests.app.running import OTHER, PASSWORD, USER, App, Visitor, answers, begin, jpeg

PREDICTION = {"predict", "predict_many"}


def options(*given: str) -> object:
    return app._parser().parse_args(list(given))


def test_predictions_alone_have_no_other_event(served: App, local: App) -> None:
    visitor = served.visitor()
    who = {str(name).split("-")[0] for name, _ in visitor.events}
    assert not who & {"data", "rate", "train", "results", "publish", "drawer"}
    assert {d["api_name"] for d in visitor.config["dependencies"] if d["api_visibility"] == "public"} == PREDICTION
    ids = [name for name in visitor.names.values() if isinstance(name, str)]
    assert not [
        name
        for name in ids
        if name.startswith(("data", "rate", "train", "results", "publish", "page-data", "page-publish", "drawer"))
    ]
    names = {d["api_name"] for d in local.visitor().config["dependencies"]} - {
        d["api_name"] for d in visitor.config["dependencies"]
    }
    assert "recipe" in names
    for name in names:
        answer = httpx.post(f"{served.url}/gradio_api/call/{name}", json={"data": []})  # a 500 closes the connection
        assert answer.status_code >= 400, name
    last = max(d["id"] for d in visitor.config["dependencies"])
    for index in range(last + 1, last + 30, 4):
        body = {"fn_index": index, "data": [], "event_data": {}, "session_hash": visitor.session}
        assert httpx.post(f"{served.url}/gradio_api/queue/join", json=body).status_code >= 400, index


def test_predictions_alone_are_of_the_one_model(served: App, model: Run) -> None:
    visitor = served.visitor()
    for name in ("", "other", "../other", str(model.folder)):
        assert visitor.predict(jpeg(), run=name).values["answer"]["label"]
    assert not served.workspace.exists()


def test_predictions_alone_say_nothing_of_the_owner(model: Run) -> None:
    for kind in ("local", "shared", "space"):
        project = Mode(kind, model.workspace, model.folder).project(
            gr.Request(session_hash="x", cookies={}, headers={}, client=None)
        )
        assert project.confined and not project.runs and project.recipe is None


@pytest.mark.parametrize("given", [["--host", "0.0.0.0"], ["--share"], ["--host", "192.168.1.5"], ["--host", "::"]])
def test_others_get_predictions_alone(
    model: Run, tmp_path: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    mode = app.mode_of(options("--workspace", str(model.workspace), *given))  # type: ignore[arg-type]
    assert mode.model == model.folder and not mode.local
    assert "predictions" in capsys.readouterr().out
    with pytest.raises(BadInput, match="no model yet"):
        app.mode_of(options("--workspace", str(tmp_path), *given))  # type: ignore[arg-type]
    mode = app.mode_of(options("--workspace", str(tmp_path), "--auth", USER, *given))  # type: ignore[arg-type]
    assert (mode.kind, mode.model, mode.local) == ("shared", None, False)


def test_a_spaces_storage_bucket_keeps_the_workspaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mode, "BUCKET", tmp_path)
    assert app.mode_of(options()).workspace == Path("workspace")  # type: ignore[arg-type]
    monkeypatch.setenv("SPACE_ID", "anna/presize")
    kept = app.mode_of(options())  # type: ignore[arg-type]
    assert kept.workspace == tmp_path / "workspace" and "restarts" not in kept.place
    monkeypatch.setattr(mode, "BUCKET", tmp_path / "none")
    lost = app.mode_of(options())  # type: ignore[arg-type]
    assert lost.workspace == Path("workspace") and "until it restarts" in lost.place


def test_a_model_is_all_that_is_served(model: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ([], ["--auth", USER], ["--share"]):
        mode = app.mode_of(options("--model", str(model.folder), *given))  # type: ignore[arg-type]
        assert mode.model == model.folder and not mode.local
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(BadInput, match="has no model"):
        app.mode_of(options("--model", str(tmp_path)))  # type: ignore[arg-type]
    assert app.mode_of(options()).local  # type: ignore[arg-type]
    assert app.mode_of(options("--host", "localhost")).local  # type: ignore[arg-type]
    monkeypatch.setenv("SPACE_ID", "someone/presize")
    mode = app.mode_of(options())  # type: ignore[arg-type]
    assert (mode.kind, mode.local) == ("space", False)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of uvicorn
def test_what_is_wrong_is_a_sentence(
    tmp_path: Path, served: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    monkeypatch.setattr(app.getpass, "getpass", nobody)
    monkeypatch.delenv("PRESIZE_AUTH", raising=False)
    workspace = ["--workspace", str(tmp_path)]
    for given, said in (
        (["--host", "0.0.0.0"], "there is no model yet"),
        (["--share"], "there is no model yet"),
        (["--auth", USER], "The password is empty"),
        (["--model", "nowhere"], "There is no run"),
        (["--port", str(served.port), "--host", OTHER], "cannot be served at"),
    ):
        assert app.main([*workspace, *given]) == 2, given
        error = capsys.readouterr().err[-300:].splitlines()[-1]  # uvicorn says something of the port before
        assert error.startswith("error: ") and said in error, given


def nobody(prompt: str) -> str:
    raise EOFError


def test_a_password_is_no_argument() -> None:
    assert not [action.dest for action in app._parser()._actions if "pass" in action.dest]


def test_it_ends_with_two_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    begun = begin(tmp_path / "none", ["--share"], {"TMPDIR": str(temporary)})
    assert begun.process.wait(120) == 2
    said = begun.log.read_text()
    assert said.startswith("error: ") and said.count("\n") == 1
    assert not list(temporary.iterdir()) and not begun.workspace.exists()


def test_a_password_for_predictions_alone(model: Run, tmp_path: Path) -> None:
    started = begin(
        tmp_path / "workspace",
        ["--model", str(model.folder), "--auth", USER],
        {"PRESIZE_AUTH": PASSWORD, "TMPDIR": str(tmp_path)},
    )
    try:
        answers(started)
        assert httpx.get(f"{started.url}/config").status_code == 401
        visitor = Visitor(started.url, (USER, PASSWORD))
        assert visitor.predict(jpeg()).values["answer"]["label"]
        assert not [name for name, _ in visitor.events if str(name).startswith(("data", "train"))]
        assert list(tmp_path.glob("presize-*"))
    finally:
        started.end()
    assert not list(tmp_path.glob("presize-*"))
