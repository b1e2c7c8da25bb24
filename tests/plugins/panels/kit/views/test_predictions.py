"""The table of many predictions: scored where folders give labels, to filter, and safe in a page and a spreadsheet."""

from __future__ import annotations

import base64
import csv
import re
from pathlib import Path, PurePosixPath
from typing import Any

from plugins.panels.kit.project.sent_photos import SentPhoto
from plugins.panels.kit.views.predictions import mending, predictions
from tests.plugins.panels.markup import HOSTILE, Page


def row(name: str, label: str = "", probability: float = 0.5, true: str = "", note: str = "") -> dict[str, Any]:
    """A photo of the table; without a label it could not be read."""
    told = SentPhoto(Path("x.zip"), PurePosixPath(name), 3).told()
    if not label:
        return {"file": name, "told": told, "true": true, "error": "no photo"}
    shares = {label: probability, "other": 1 - probability}
    more = {"probabilities": shares, "note": note, "src": "data:image/jpeg;base64,AA=="}
    return {"file": name, "told": told, "true": true, "label": label, "probability": probability, **more}


def test_folders_that_are_labels_score_the_photos() -> None:
    rows = [
        row("boat/1.jpg", "boat", 0.9, "boat"),
        row("boat/2.jpg", "fish", 0.6, "boat"),
        row("boat/3.jpg", true="boat"),
    ]
    html = predictions([*rows, row("4.jpg", "fish", 0.3, note="Unsure.")], ["boat", "fish"])
    assert "<b>50.0%</b>" in html and "1 of 2 as their folders say" in html
    kinds = re.findall(r'<tr data-kind="(.*?)" data-confidence="(.*?)">', html)
    assert kinds == [("", "90.0"), ("wrong", "60.0"), ("unsure", "0"), ("unsure", "30.0")]
    plain = predictions([row("1.jpg", "boat")], ["boat", "fish"])
    assert "Accuracy" not in plain and "Folder" not in plain and "wrong" not in plain


def test_names_and_labels_are_escaped_in_the_page_and_quoted_in_the_csv() -> None:
    html = predictions([row(HOSTILE, HOSTILE, 0.5, HOSTILE), row("=1+1.jpg", "@x", 0.1, note="-n")], [HOSTILE, "@x"])
    images = Page(str(html)).all("img")
    assert len(images) == 2 and all(set(image) == {"src", "alt"} for image in images)
    found = base64.b64decode(re.search(r"base64,([^\"]+)\" *>Download|href=\"data:text/csv[^,]*,([^\"]+)", html)[2])  # type: ignore[index]
    header, first, second = csv.reader(found.decode("utf-8-sig").splitlines())
    assert header == ["file", "label", "probability", "note", "error", HOSTILE, "'@x", "folder"]
    assert second[:4] == ["'=1+1.jpg", "'@x", "0.1", "'-n"] and first[-1] == HOSTILE


def test_a_wrong_answer_can_be_mended_or_says_why_not() -> None:
    photo, answer = SentPhoto(Path("x.jpg"), PurePosixPath(HOSTILE.replace("/", ""))), {"probabilities": {HOSTILE: 1.0}}
    html = str(mending(photo, answer, ""))
    page = Page(html)
    assert page.all("option") == [{"value": HOSTILE}] and page.all("button")[0]["data-with"] == "#predict-label"
    assert not Page(str(mending(photo, answer, "Because."))).all("button")
