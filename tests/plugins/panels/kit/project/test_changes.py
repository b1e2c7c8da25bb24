"""The browser gets what changed in the list of photos, and has then what it would get as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.panels.kit.project import changes as module
from plugins.panels.kit.project.changes import changes, renumbered
from plugins.panels.kit.project.known import Known

N = 2_000


@pytest.fixture(autouse=True)
def nothing_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No list was sent before."""
    monkeypatch.setattr(module, "SENT", Known())


def rows(labels: list[int], vocab: list[str], **more: Any) -> dict[str, Any]:
    """A list of photos as the grid gets it."""
    columns = {"labels": labels, "sets": [1] * N, "flags": [0] * N}
    return {"key": "k", "names": [f"{i}.jpg" for i in range(N)], "vocab": vocab, **columns, **more}


def applied(shown: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    """What the script of the grid has then."""
    if "since" not in news:
        return news
    assert news["since"] == shown["token"]
    whole = {**shown, **{name: value for name, value in news.items() if name not in ("since", "changed")}}
    if "vocab" in news and "labels" not in news:
        whole["labels"] = renumbered(shown["labels"], shown["vocab"], news["vocab"])
    for name, (at, values) in news["changed"].items():
        column = list(whole[name])
        for i, value in zip(at, values, strict=True):
            column[i] = value
        whole[name] = column
    return whole


def test_a_new_label_sends_only_the_photos_that_have_it(tmp_path: Path) -> None:
    labels = [i % 2 for i in range(N)]
    first = rows(labels, ["cat", "dog"])
    shown = changes(tmp_path, first, "None")
    assert shown["names"] == first["names"]
    later = rows(
        [0 if i < 3 else n + 1 for i, n in enumerate(labels)], ["ant", "cat", "dog"], flags=[1] * 3 + [0] * (N - 3)
    )
    news = changes(tmp_path, later, shown["token"])
    assert len(json.dumps(news)) < 300 and news["changed"]["labels"] == [[0, 1, 2], [0, 0, 0]]
    shown = applied(shown, news)
    assert {name: shown[name] for name in later} == later
    merged = rows([0 if n < 2 else 1 for n in later["labels"]], ["ant", "dog"])  # cat is called ant
    shown = applied(shown, changes(tmp_path, merged, shown["token"]))
    assert {name: shown[name] for name in merged} == merged
    assert len(json.dumps(changes(tmp_path, merged, shown["token"]))) < 100


def test_the_whole_list_is_sent_where_it_is_another_or_has_other_columns(tmp_path: Path) -> None:
    shown = changes(tmp_path, rows([-1] * N, []), "")
    with_map = rows([-1] * N, [], map=[5] * 2 * N)
    assert "since" not in changes(tmp_path, with_map, shown["token"])
    assert "since" not in changes(tmp_path, with_map | {"key": "other"}, shown["token"])
    assert "since" not in changes(tmp_path / "other", with_map, shown["token"])
    news = changes(tmp_path, rows([0] * N, ["cat"]), shown["token"])
    assert news["labels"] == [0] * N and news["vocab"] == ["cat"] and "flags" not in news
