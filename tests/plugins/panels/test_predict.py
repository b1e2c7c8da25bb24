"""The page Predict: what can be done with an answer, by whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from core.errors import BadInput
from plugins.panels import predict as module
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.labels import labels_now, listed, photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.predictions import guess, predictions
from plugins.panels.predict import PredictPanel

ANSWER = {
    "label": "red", "probability": 0.9, "probabilities": {"red": 0.9, "blue": 0.1},
    "outputs": {"red": 2.0, "blue": 0.0}, "note": "", "sure": True, "stranger": False, "milliseconds": 1.0,
}  # fmt: skip


@pytest.fixture
def panel(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PredictPanel]:
    """The panel of the owner, whose model says red of every photo; what lies in `tmp_path` counts as uploaded."""
    monkeypatch.setattr(module, "predicted", lambda *_: iter([(ANSWER, Image.new("RGB", (8, 8)))]))
    monkeypatch.setattr(module, "predictor", lambda folder: None)
    monkeypatch.setattr(PredictPanel, "_folder", lambda self, project, name="": tmp_path)
    monkeypatch.setattr("plugins.panels.kit.views.drop.get_upload_folder", lambda: str(tmp_path))
    with gr.Blocks():
        yield PredictPanel(Page(Mode("local", project.folder)))


def sent(tmp_path: Path, **more: Any) -> dict[str, Any]:
    """A photo that was just uploaded, as a button of its answer carries it."""
    file = tmp_path / "new.png"
    Image.new("RGB", (40, 40), (9, 200, 90)).save(file)
    return {"file": str(file), "name": "new.png", "member": "-1", **more}


def test_a_wrong_answer_adds_the_photo_with_the_right_label(
    project: Project, panel: PredictPanel, tmp_path: Path
) -> None:
    before = len(photos_of(project).files)
    asked = panel._one(project, {"files": [{"path": sent(tmp_path)["file"], "rel": "new.png"}]})
    assert "Add to my photos" in asked
    with pytest.raises(BadInput):
        panel._again(project, sent(tmp_path, do="add", value=" "))
    said = panel._again(project, sent(tmp_path, do="add", value="green"))
    assert "Added to your photos as green" in said and "Add to my photos" not in said
    assert len(photos_of(project).files) == before + 1 and "green" in listed(project)["vocab"]


def test_a_photo_of_the_project_is_compared_with_its_label(
    project: Project, panel: PredictPanel, tmp_path: Path, photos: Path
) -> None:
    project.open({"name": "folder", "path": str(photos)})
    blue = sorted(photos.glob("blue*.jpg"))[0]
    file = tmp_path / "dropped.jpg"
    file.write_bytes(blue.read_bytes())
    dropped = {"file": str(file), "name": file.name, "member": "-1"}
    at = photos_of(project).names.index(blue.name)
    said = panel._again(project, dropped)
    assert "Wrong: this is one of your photos, with the label blue" in said and "Add to my photos" not in said
    said = panel._again(project, {**dropped, "do": "correct", "value": "red"})
    assert "Its label is red now" in said and labels_now(project)[at] == "red"
    assert "Right: this is one of your photos, with the label red" in panel._again(project, dropped)


def test_photos_are_not_added_where_files_stay_as_they_are(
    project: Project, panel: PredictPanel, tmp_path: Path, photos: Path
) -> None:
    project.open({"name": "folder", "path": str(photos)})
    assert "the files of this data set" in panel._again(project, sent(tmp_path))
    with pytest.raises(BadInput):
        panel._again(project, sent(tmp_path, do="add", value="green"))


def test_a_frame_of_the_camera_is_answered_and_does_not_stay(
    project: Project, panel: PredictPanel, tmp_path: Path
) -> None:
    photo = sent(tmp_path)
    said = panel._live(project, {"files": [{"path": photo["file"], "rel": "live.jpg"}]})
    assert '<p class="guess">red</p>' in said and "data:image" not in said
    assert not Path(photo["file"]).exists()


def test_strangers_can_neither_add_nor_look_inside(project: Project, panel: PredictPanel, tmp_path: Path) -> None:
    with gr.Blocks():
        page = Page(Mode("shared", project.folder, tmp_path))
        panel = PredictPanel(page)
    assert {"Add to my photos", "Where it looks"}.isdisjoint(panel._answer(project, module.photo_of(sent(tmp_path))))
    acts = {answer.act.__name__ for answer in page._answered}
    assert acts == {"_one", "_live", "_many", "_open"}


def test_strangers_may_look_inside_where_the_owner_said_so(
    project: Project, panel: PredictPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    monkeypatch.setattr(module, "where_it_looks", lambda *_: looked.append(1) or Image.new("RGB", (8, 8)))
    monkeypatch.setattr(module, "prepared", lambda *_: SimpleNamespace(pixels=None))
    monkeypatch.setattr(module, "predictor", lambda folder: SimpleNamespace(vocab=["red", "blue"]))
    before = len(photos_of(project).files)
    for explains in (False, True):
        with gr.Blocks():
            panel = PredictPanel(Page(Mode("shared", project.folder, tmp_path, explain=explains)))
        said = panel._again(project, sent(tmp_path, do="why"))
        assert bool(looked) == explains == ("Show the photo" in said)
        panel._again(project, sent(tmp_path, do="add", value="green"))
        assert len(photos_of(project).files) == before
        with pytest.raises(BadInput, match="not uploaded"):
            panel._again(project, {"file": "/etc/hostname", "name": "x.jpg", "member": "-1", "do": "why"})


def test_no_confidence_is_said_to_be_certain(project: Project, panel: PredictPanel, tmp_path: Path) -> None:
    certain = ANSWER | {"probability": 1.0, "probabilities": {"red": 1.0, "blue": 0.0}}
    said = guess(certain) + predictions([{"file": "a.jpg", "true": "", "told": {}, **certain}], ["red", "blue"])
    assert said.count("over 99%") == 3 and ">100.0%<" not in said
