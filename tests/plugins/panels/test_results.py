"""The page Results says what the predictions of a run say: totals that agree, nothing unescaped, no photo invented."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
from html import unescape
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import BadInput
from core.events import Checked
from core.model.doubt import read_threshold
from core.model.folder import load_model
from core.recipe import Recipe
from core.runs.predictions import PREDICTIONS, keep_predictions, predictions_of
from core.runs.run import Run
from core.runs.train import train
from core.training.interpretation import ClassificationInterpretation
from plugins.panels import results as panel_module
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.labels import labels_now
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.test_set import score_again, score_place
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.confusion import results_of
from plugins.panels.kit.views.test_set import show_set
from plugins.panels.results import ResultsPanel
from tests.cpu import takes_at_most

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A real run of two epochs on noise of three colours, one of which has a hostile name."""
    photos, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    lines = ["file,label"]
    for i in range(30):
        name = ("blue", "red", HOSTILE)[i % 3]
        pixels = rng.integers(0, 160, (40, 48, 3)).astype(np.uint8)
        pixels[..., i % 3] += 90
        Image.fromarray(pixels).save(photos / f"{i:02}.jpg")
        lines.append(f"{i:02}.jpg,{name}")
    (photos / "labels.csv").write_text("\n".join(lines))
    document = {
        "version": 1,
        "source": {"name": "folder", "path": str(photos)},
        "labeller": {"name": "csv", "path": str(photos / "labels.csv")},
        "splitter": {"name": "stratified", "valid_pct": 0.4},
        "item_tfms": [{"name": "resize", "size": 40}],
        "batch_tfms": [{"name": "aug_transforms", "size": 32, "min_scale": 0.75}],
        "architecture": {"name": "timm", "model": "test_resnet", "pretrained": False},
        "training": {"epochs": 1, "freeze_epochs": 1, "batch_size": 6, "base_lr": 0.01},
    }
    torch.set_num_threads(1)
    run = Run.create(Recipe.from_dict(document), tmp_path_factory.mktemp("workspace"))
    list(train(run))
    return run


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    """A copy of that run, in a workspace that a test may change."""
    return Run(Path(shutil.copytree(trained.folder, tmp_path / "w" / "runs" / trained.name)))


class Shown:
    """The panel, built as the app builds it, on a workspace."""

    def __init__(self, workspace: Path) -> None:
        self.project, page = Project(workspace), Page(Mode("local", workspace))
        with gr.Blocks():
            self.panel = ResultsPanel(page)
        self.drawn = {drawn.component.elem_id: drawn.draw for drawn in page._drawn}
        acts = {(answer.redraw.elem_id, answer.busy): answer.act for answer in page._answered}
        self.click, self.compare = acts["results-photos", "Opening the photos"], acts["results-compared", "Comparing"]
        self.open, self.why = acts["results-large", "Opening the photo"], acts["results-large", "Looking"]
        self.save = acts["results-saved", "Drawing the figure"]
        self.choose = next(h.act for h in page._handlers if getattr(h.trigger, "event_name", "") == "edit")

    def __call__(self, name: str) -> str:
        """What a component shows."""
        return str(self.drawn[f"results-{name}"](self.project))

    @property
    def all(self) -> str:
        """All that is shown, the photos of each cell with it."""
        clicks = re.findall(r'data-run="([^"]*)" data-set="\w+" data-true="(\d+)" data-predicted="(\d+)"', self("body"))
        cells = [self.photos(true, predicted, run) for run, true, predicted in clicks]
        return "".join((self("head"), self("body"), self("confidence"), self("labels"), self("more"), *cells))

    def photos(self, true: object, predicted: object, run: str = "") -> str:
        """What a click on a cell shows."""
        name = run or self.project.run.name  # type: ignore[union-attr]
        cell = {"set": "validation", "true": true, "predicted": predicted}
        return str(self.click(self.project, {"do": "photos", "run": name, **cell}))

    def place(self, photo: object, set_of: str = "validation") -> dict[str, object]:
        """What a click on a photo carries."""
        return {"run": self.project.run.name, "set": set_of, "photo": photo}  # type: ignore[union-attr]


def fake(run: Run, vocab: list[str], seen: list[tuple[int, int, float]], root: Path | None = None) -> None:
    """Give a run the predictions (true, predicted, logit of the predicted) of photos 0.jpg, 1.jpg, ..."""
    root = root or run.workspace / "photos"
    logits = torch.zeros(len(seen), len(vocab))
    for i, (_, predicted, height) in enumerate(seen):
        logits[i, predicted] = height
    items = [root / f"{i}.jpg" for i in range(len(seen))]
    targets = torch.tensor([true for true, _, _ in seen])
    keep_predictions(run, ClassificationInterpretation(logits, targets, items, vocab), root)


def told(html: str, do: str) -> dict[str, str]:
    """What the button that does this carries."""
    found = re.search(rf'<button[^>]*data-do="{do}"[^>]*>', html)
    assert found, html
    return {name: unescape(value) for name, value in re.findall(r'data-([a-z]+)="([^"]*)"', found[0])}


def figure(html: str, name: str) -> tuple[str, str]:
    """The number and the note of a figure."""
    found = re.search(rf"<span>{name}</span><b>(.*?)</b><small>(.*?)</small>", html)
    assert found, html
    return found[1], found[2]


def test_all_totals_agree(run: Run) -> None:
    shown, found = Shown(run.workspace), predictions_of(run)
    n, right = len(found.targets), int((found.logits.argmax(1) == found.targets).sum())
    body, labels = shown("body"), shown("labels")
    accuracy, note = figure(body, "Accuracy")
    assert note.startswith(f"{right} of {n} correct") and accuracy == f"{100 * right / n:.1f}%"
    buttons = re.findall(r'<td><button class="(right|wrong).*?>(\d+)</button>', body)
    assert sum(int(c) for _, c in buttons) == n
    assert sum(int(c) for kind, c in buttons if kind == "right") == right
    assert figure(body, "Confident mistakes")[1].endswith(f"of {n - right} mistakes")
    assert sum(map(int, re.findall(r"<tr><td>.*?</td><td>(\d+)</td>", labels))) == n
    assert f"Checked on {n} photos" in shown("head") and "The best of 2 epochs was chosen by them" in shown("head")
    assert shown.panel.status(shown.project) == ("done", f"{accuracy} on {n} photos")


def test_each_cell_opens_its_photos(run: Run) -> None:
    shown, found = Shown(run.workspace), predictions_of(run)
    cells = set(zip(found.targets.tolist(), found.logits.argmax(1).tolist(), strict=True))
    said = [shown.photos(str(true), str(predicted)) for true, predicted in cells]
    assert sum(html.count("<figure>") for html in said) == len(found.targets)
    assert all("data:image/jpeg" in html and "loss " in html and "confidence " in html for html in said)


def test_what_is_no_cell_is_refused(run: Run) -> None:
    shown = Shown(run.workspace)
    for true, predicted in (("0", "99"), ("x", "0"), (None, None), ("-1", "-1")):
        with pytest.raises(BadInput):
            shown.photos(true, predicted)
    with pytest.raises(BadInput):
        shown.photos("0", "0", "../elsewhere")


def test_a_label_that_is_html_is_escaped_everywhere(run: Run) -> None:
    shown = Shown(run.workspace)
    assert "<img src=x" not in shown.all and "&lt;img src=x" in shown.all
    fake(run, [HOSTILE, 'a" onclick="alert(1)'], [(0, 1, 3.0), (1, 0, 3.0), (1, 1, 2.0)], run.workspace / HOSTILE)
    assert results_of(run).total == 3
    for html in (shown.all, shown("photos")):
        assert "<img src=x" not in html and 'onclick="' not in html


def test_a_photo_that_is_gone_says_so(run: Run, tmp_path: Path) -> None:
    shown, root = Shown(run.workspace), tmp_path / "photos"
    root.mkdir()
    Image.new("RGB", (20, 30)).save(root / "0.jpg")
    (root / "1.jpg").write_bytes(b"no photo")
    fake(run, ["cat", "dog"], [(0, 1, 3.0), (0, 1, 2.0), (0, 1, 1.0), (1, 1, 1.0)], root)
    html = shown.photos(0, 1)
    assert html.count("<figure>") == 3 and html.count("<img") == 1
    assert html.count("cannot be read") == 1 and html.count("gone or moved") == 1
    assert "gone or moved" in shown("more") and "cat taken for dog: 3 photos" in shown("body")


def test_without_predictions_a_sentence_says_why(run: Run) -> None:
    (run.folder / PREDICTIONS).unlink()
    shown = Shown(run.workspace)
    with pytest.raises(BadInput) as caught:
        predictions_of(run)
    sentence = str(caught.value).replace("'", "&#39;")
    assert sentence in shown("head") and sentence in shown("body") and shown("more") == ""
    assert shown.panel.status(shown.project)[1].endswith("so far")


def test_without_a_run_nothing_is_claimed(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    assert "Nothing has been trained yet" in shown("head") and shown("more") == shown("photos") == ""
    assert shown.panel.status(shown.project) == ("todo", "Nothing yet")


def test_a_run_in_training_shows_its_best_epoch(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.folder / PREDICTIONS).unlink()
    monkeypatch.setattr(Run, "status", "running")
    shown = Shown(run.workspace)
    assert re.search(r"Best so far: \d+\.\d% correct, in epoch \d of 2\.", shown("head"))
    assert "Still training" in shown("body")


def test_new_predictions_are_seen_and_close_the_photos_of_the_old(run: Run) -> None:
    shown = Shown(run.workspace)
    before = shown("body"), shown("photos")
    assert before == (shown("body"), shown("photos"))  # so that nothing is sent again, and open photos stay
    fake(run, ["a", "b"], [(0, 0, 1.0)] * 3)
    assert shown("photos") != before[1] and figure(shown("body"), "Accuracy")[1].startswith("3 of 3 correct")
    assert "No label was taken for another." in shown("body") and "correct on 3 photos" in shown("more")
    assert "no validation photos of b" in shown("body")


def test_confident_mistakes_and_the_ends(run: Run) -> None:
    sure, unsure = 9.0, 0.5
    fake(run, ["a", "b", "c"], [(0, 1, sure), (0, 1, unsure), (0, 0, sure), (1, 1, sure), (2, 2, sure)])
    body = Shown(run.workspace)("body")
    assert figure(body, "Confident mistakes") == ("1", "with over 90 % confidence, of 2 mistakes")
    assert figure(body, "Weakest label") == ("a", "1 of 3 found, 33.3%")
    assert figure(body, "Strongest label")[1] == "1 of 1 found, 100.0%; so is 1 other"


def test_of_many_labels_those_with_mistakes_are_shown(run: Run) -> None:
    right = [(i, i, 3.0) for i in range(120)]
    fake(run, [f"label {i}" for i in range(120)], [*right, (3, 5, 3.0), (3, 5, 2.0), (7, 3, 1.0)])
    body = Shown(run.workspace)("body")
    assert "3 of 120 labels are shown, those with mistakes." in body and body.count("<tr>") == 4
    fake(run, [f"label {i}" for i in range(120)], [*right, *((i, (i + 1) % 120, 3.0) for i in range(120))])
    body = Shown(run.workspace)("body")
    assert "60 of 120 labels are shown, those with the most mistakes" in body and body.count("<tr>") == 61
    hidden = re.search(r"; (\d+) of the 120 mistakes involve the others", body)
    assert hidden and int(hidden[1]) == 120 - len(re.findall(r'<button class="wrong', body))


def test_many_photos_of_a_cell_are_counted_and_some_shown(run: Run) -> None:
    fake(run, ["a", "b"], [(0, 1, 0.1 + 0.1 * i) for i in range(30)] + [(1, 1, 1.0)])
    html = Shown(run.workspace).photos(0, 1)
    assert "a taken for b: 30 photos, the 24 with the largest losses shown" in html and html.count("<figure>") == 24
    losses = [float(x) for x in re.findall(r"loss (\d+\.\d+)", html)]
    assert losses == sorted(losses, reverse=True)


def test_a_draw_costs_little_once_the_predictions_are_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    seen = [(true, predicted, 3.0) for true, predicted in rng.integers(0, 40, (1000, 2)).tolist()]
    fake(run, [f"label {i}" for i in range(40)], seen)
    shown = Shown(run.workspace)
    names = ("head", "sets", "body", "photos", "labels", "more", "confidence", "tested")
    first = [shown(name) for name in names]
    monkeypatch.setattr("core.runs.predictions.predictions_of", pytest.fail)
    with takes_at_most(1):  # 20 ms each
        assert [shown(name) for name in names] == first


def test_a_model_without_its_recipe_has_results_too(run: Run) -> None:
    document = json.loads((run.folder / "recipe.json").read_text())
    document["training"]["best_by"] = "last"
    (run.folder / "recipe.json").write_text(json.dumps(document))
    assert "was chosen on them" not in Shown(run.workspace)("head")
    (run.folder / "recipe.json").write_text("{")
    assert "the model never trained on" in panel_module._title(Shown(run.workspace).project)[1]


def test_a_threshold_is_chosen_on_the_curve_and_kept_with_the_model(run: Run) -> None:
    fake(run, ["a", "b"], [(0, 0, 4.0)] * 6 + [(0, 1, 0.5)] * 4)  # unsure of what is wrong
    shown = Shown(run.workspace)
    assert "answers every photo, and 60.0% are right" in shown("confidence") and "99% right" in shown("confidence")
    assert 'class="chart pick"' in shown("confidence") and "a guess" in shown("confidence")
    shown.choose(shown.project, {"x": "90.3"})
    assert read_threshold(run.folder) == 0.9 == load_model(run.folder).not_sure_below
    assert "answers 60.0%, and 100.0% of these are right" in shown("confidence")
    shown.choose(shown.project, {"x": "0"})
    assert read_threshold(run.folder) == 0
    for wrong in ({}, {"x": "much"}, {"x": None}):
        with pytest.raises(BadInput):
            shown.choose(shown.project, wrong)


def test_another_run_is_compared_and_a_mistake_explained(run: Run) -> None:
    shutil.copytree(run.folder, run.folder.with_name("other"))
    shown = Shown(run.workspace)
    names = re.findall(r'data-do="compare" data-run="(.*?)"', shown("compare"))
    assert len(names) == 1
    assert "not comparable: they have 12 validation photos in common" in shown.compare(shown.project, {"run": names[0]})
    with pytest.raises(BadInput):
        shown.compare(shown.project, {"run": "../elsewhere"})
    mistake = next(i for i, seen in enumerate(results_of(shown.project.run).photos) if seen.wrong)  # type: ignore[arg-type]
    assert "Where it looks" in shown.open(shown.project, shown.place(mistake))
    looked = shown.why(shown.project, {**shown.place(mistake), "do": "why"})
    assert looked.count("data:image/jpeg") == 2 and "what it said" in looked
    for wrong in (99, -99, "x", None):
        with pytest.raises(BadInput):
            shown.why(shown.project, {**shown.place(wrong), "do": "why"})


def test_the_label_of_a_mistake_is_corrected_where_it_is_seen(run: Run) -> None:
    shown = Shown(run.workspace)
    photos = results_of(run).photos
    mistake = next(place for place, seen in enumerate(photos) if seen.wrong)
    assert 'data-do="label"' not in shown.open(shown.project, shown.place(mistake)), "its photos are not the project's"
    shown.project.use(run.recipe)
    html = shown.open(shown.project, shown.place(mistake))
    assert 'data-do="leave_out"' in html
    before = labels_now(shown.project)
    again = shown.why(shown.project, told(html, "label"))
    changed = {(b, a) for b, a in zip(before, labels_now(shown.project), strict=True) if b != a}
    vocab, seen = results_of(run).vocab, photos[mistake]
    assert changed == {(vocab[seen.true], vocab[seen.predicted])}
    assert f"Its label is {unescape(vocab[seen.predicted])} now" in unescape(again)
    assert "Train again with 1 correction" in again and "data-changed" in again
    assert f"now labelled {unescape(vocab[seen.predicted])}" in unescape(shown("more"))
    back = shown.why(shown.project, told(again, "label"))
    assert labels_now(shown.project) == before and "but its label is" in back and "Train again" not in back
    out = shown.why(shown.project, told(back, "leave_out"))
    assert "It is left out now" in out and "left out now" in shown("more")
    shown.why(shown.project, told(out, "take_back"))
    assert labels_now(shown.project) == before and "left out now" not in shown("more")


def test_a_photo_opens_large_with_its_name_its_label_and_the_probabilities(run: Run) -> None:
    shown = Shown(run.workspace)
    found = results_of(run)
    html = shown.open(shown.project, shown.place(0))
    seen = found.photos[0]
    ranked = found.probabilities(seen)
    assert seen.file.name in html and "data:image/jpeg" in html and "its label is" in html
    assert [f"{100 * p:.1f}%" for _, p in ranked] == re.findall(r"<b>(\d+\.\d%)</b>", html)
    assert sum(p for _, p in ranked) == pytest.approx(1)
    assert html != shown.open(shown.project, shown.place(0))  # so that it opens a second time


def test_figures_are_saved_as_png_and_csv(run: Run) -> None:
    fake(run, ["=cat", "dog"], [(0, 0, 3.0)] * 6 + [(0, 1, 2.0)] * 2 + [(1, 1, 1.0)] * 4)
    shown = Shown(run.workspace)

    def saved(figure: str, kind: str) -> bytes:
        html = shown.save(shown.project, {**shown.place(0), "figure": figure, "kind": kind})
        return base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])  # type: ignore[index]

    rows = list(csv.reader(saved("confusion", "csv").decode("utf-8-sig").splitlines()))
    assert rows == [["true label", "'=cat", "dog"], ["'=cat", "6", "2"], ["dog", "0", "4"]]
    names, cat, dog = csv.reader(saved("labels", "csv").decode("utf-8-sig").splitlines())
    assert names == ["label", "photos", "recall", "precision", "f1", "recall from", "recall to"]
    assert (cat[:2], float(cat[2]), dog[:2], float(dog[2])) == (["'=cat", "8"], 0.75, ["dog", "4"], 1)
    assert all(float(row[5]) < float(row[2]) < float(row[6]) or float(row[2]) == 1 for row in (cat, dog))
    assert len(saved("coverage", "csv").splitlines()) > 2 and b"confidence" in saved("reliability", "csv")
    for figure in ("confusion", "coverage", "reliability"):
        assert saved(figure, "png").startswith(b"\x89PNG")
    for figure, kind in (("confusion", "exe"), ("labels", "png"), ("../recipe", "csv")):
        with pytest.raises(BadInput):
            saved(figure, kind)


def test_a_test_set_is_scored_beside_validation(run: Run, tmp_path: Path) -> None:
    photos, rng = tmp_path / "test set", np.random.default_rng(1)
    photos.mkdir()
    lines = ["file,label"]
    for i in range(6):
        pixels = rng.integers(0, 160, (40, 48, 3)).astype(np.uint8)
        pixels[..., i % 3] += 90
        Image.fromarray(pixels).save(photos / f"{i}.png")
        lines.append(f"{i}.png,{('blue', 'red', 'green')[i % 3]}")
    (photos / "labels.csv").write_text("\n".join(lines))
    shown = Shown(run.workspace)
    validation = shown("body")
    assert shown("sets") == "" and "A test set of your own" in shown("tested")
    steps = list(score_place(shown.project, str(photos)))
    assert steps[-1] == Checked(4, 4)
    assert figure(shown("tested"), "Photos")[0] == "4" and "does not know the class &#39;green&#39;" in shown("tested")
    assert "Scored on 4 photos of your test set" in shown("head") and shown("body") != validation
    assert shown("sets").count('aria-pressed="true"') == 1 and 'data-set="test"' in shown("more")
    opened = [shown.open(shown.project, shown.place(i, "test")) for i in range(4)]
    assert sorted(name for html in opened for name in re.findall(r"\d\.png", html)[:1]) == [
        "0.png",
        "1.png",
        "3.png",
        "4.png",
    ]
    show_set(shown.project, "validation")
    assert shown("body") == validation
    shutil.copytree(run.folder, run.folder.with_name("9_newer"), ignore=shutil.ignore_patterns("tested*"))
    assert shown.project.run.name == "9_newer" and shown("sets") == ""  # type: ignore[union-attr]
    list(score_again(shown.project))
    assert "Scored on 4 photos" in shown("head")
    with pytest.raises(BadInput):
        list(score_place(shown.project, str(tmp_path / "nothing")))


def test_a_run_that_is_right_on_every_photo_says_so_and_offers_to_finish(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(run, ["a", "b"], [(0, 0, 1.0)] * 3)
    assert "All 3 photos are right, so more training cannot be seen to help" in Shown(run.workspace)("body")
    (run.folder / PREDICTIONS).unlink()
    monkeypatch.setattr(Run, "status", "running")
    monkeypatch.setattr(panel_module, "accuracy_of", lambda epoch: 1.0)
    shown = Shown(run.workspace)
    assert "it can finish now" in shown("head") and shown.drawn["results-finish"](shown.project)["visible"]
    monkeypatch.setattr(panel_module, "accuracy_of", lambda epoch: 0.99)
    assert not shown.drawn["results-finish"](shown.project)["visible"]
