"""Runs side by side, and the list from which they are ticked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import BadInput
from core.events import EpochEnded, RunEnded, StageStarted, to_line
from core.runs.events_file import EVENTS
from core.runs.run import Run
from plugins.panels.kit.project.discarded import discard
from plugins.panels.kit.project.naming import describe
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.compared import MOST, compared
from plugins.panels.kit.views.runs import runs_view
from tests.plugins.panels.markup import HOSTILE, Page


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    """A project with two runs that ended."""
    project = Project(tmp_path)
    project.open({"name": "folder", "path": str(photos)})
    for right in (0.75, 0.5):
        run = Run.create(project.require_recipe(), tmp_path)
        run.write("photos.json", json.dumps({"a.jpg": ("cat", "1"), "b.jpg": ("dog", "2")}))
        epoch = EpochEnded(0, 1.0, 1 - right, {"error_rate": 1 - right}, 2.0, best=True)
        events = (StageStarted("frozen", 1, 2, [0.1]), epoch, RunEnded("completed"))
        (run.folder / EVENTS).write_text("".join(f"{to_line(event)}\n" for event in events))
    return project


def test_those_that_are_ticked_are_drawn_over_one_another(project: Project) -> None:
    names = [run.name for run in project.runs]
    describe(project.runs[0], "title", HOSTILE)
    shown = Page(compared(project, {"runs": names}))
    assert {str(tag.get("class")) for tag in shown.all("polyline")} == {"run-0", "run-1"}
    assert {"75.0%", "50.0%", HOSTILE} <= set(shown.texts) and not shown.all("img")
    assert "not comparable" in " ".join(shown.texts), "they have no predictions"
    assert compared(project, {"runs": names[:1]}) == compared(project, {}) == ""
    with pytest.raises(BadInput, match=f"at most {MOST}"):
        compared(project, {"runs": names * 4})
    with pytest.raises(BadInput, match="no run"):
        compared(project, {"runs": ["x", "../y"]})


def test_the_list_says_what_each_run_is_called_and_what_was_deleted(project: Project) -> None:
    run = project.runs[0]
    describe(run, "title", "my pets")
    describe(run, "note", HOSTILE)
    shown = Page(runs_view(project))
    assert len(shown.all("tr")) == 3 and "my pets" in shown.texts and not shown.all("img")
    assert sum("data-tick" in tag for tag in shown.all("input")) == 2
    discard(run)
    shown = Page(runs_view(project))
    assert len(shown.all("tr")) == 2 and "Deleted: my pets. " in shown.texts
    assert any(tag.get("data-do") == "restore" for tag in shown.all("button"))
