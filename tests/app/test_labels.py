"""The grid of photos behind the login: each visitor sees and labels only own photos, by their numbers."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from tests.app.running import App, Visitor, jpeg, photos, zipped

ROUTE = "/gradio_api/component_server/"
COLOURS = {
    f"{label}/{i}.jpg": jpeg(c, seed=i) for label, c in {"a": (1, 2, 200), "b": (2, 200, 3)}.items() for i in range(6)
}


def asked(visitor: Visitor, name: str, **data: Any) -> httpx.Response:
    """Call a function of the grid as its script does."""
    grid = next(number for number, known in visitor.names.items() if known == "data-grid")
    body = {"component_id": grid, "fn_name": name, "session_hash": visitor.session, "data": data}
    return visitor.http.post(ROUTE, json=body)


def test_a_visitor_labels_own_photos_and_sees_no_others(shared: App) -> None:
    one, other = shared.visitor(), shared.visitor()
    assert asked(one, "photos").json()["names"] == []  # no photos yet
    one.drop("data-drop", (zipped(photos()), "photos.zip"))
    other.drop("data-drop", (zipped(COLOURS), "photos.zip"))
    mine, theirs = asked(one, "photos").json(), asked(other, "photos").json()
    assert mine["key"] != theirs["key"] and len(mine["names"]) == 12
    assert not any(str(shared.workspace) in name or name.startswith("/") for name in mine["names"])

    jpegs = asked(one, "thumbs", key=mine["key"], photos=[0, 11]).json()["jpegs"]
    assert all(base64.b64decode(each)[:2] == b"\xff\xd8" for each in jpegs)
    for name in ("thumbs", "large", "alike", "say"):
        said = {"do": "label", "label": "x"} if name == "say" else {}
        for key, numbers in ((theirs["key"], [0]), (mine["key"], [12]), (mine["key"], ["../../x.jpg"]), (None, None)):
            answer = asked(one, name, key=key, photos=numbers, **said)
            assert set(answer.json()) == {"error"} and str(shared.workspace) not in answer.text
    assert "at most" in asked(one, "thumbs", key=mine["key"], photos=list(range(12)) * 6).json().get("error", "at most")

    answer = asked(one, "say", key=mine["key"], photos=[0, 1], do="label", label="<b>new</b>").json()
    assert answer["said"] == "2 photos labelled <b>new</b>." and answer["vocab"][0] == "<b>new</b>"
    assert (one.folder(shared) / "journal.jsonl").is_file() and not (other.folder(shared) / "journal.jsonl").exists()
    assert asked(other, "photos").json() == theirs
    assert "Undone" in asked(one, "say", do="undo").json()["said"]


def test_the_grid_answers_nobody_without_the_password(shared: App) -> None:
    body = {"component_id": 1, "fn_name": "photos", "session_hash": "x", "data": {}}
    with httpx.Client(base_url=shared.url) as http:
        assert http.post(ROUTE, json=body).status_code == 401


def test_a_visitor_cannot_hide_or_stretch_the_name_of_a_session(shared: App) -> None:
    visitor = shared.visitor()
    visitor.session = "x" * 1000
    assert asked(visitor, "photos").status_code == 422  # gradio would remember it
    body = {"component_id": "1", "fn_name": "photos", "session_hash": "x" * 1000, "data": "{}"}
    assert visitor.http.post(ROUTE, data=body, files={"f": b"x"}).status_code == 422


def test_what_strangers_say_makes_no_folder_and_no_line_without_photos(shared: App) -> None:
    visitor = shared.visitor()
    for said in ({"do": "rename", "old": "a", "label": "b"}, {"do": "undo"}, {"do": "label", "label": "x" * 10**6}):
        asked(visitor, "say", photos=[0], **said)
    assert not visitor.folder(shared).exists()


def test_no_other_function_can_be_called(shared: App) -> None:
    visitor = shared.visitor()
    for name in ("postprocess", "__init__", "get_config", "absent"):
        assert asked(visitor, name).status_code == 404


def test_a_served_model_has_no_grid(served: App) -> None:
    assert "data-grid" not in served.visitor().names.values()
