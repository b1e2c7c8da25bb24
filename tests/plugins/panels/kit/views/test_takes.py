"""Beside each button that trains stands how long that takes, or when that will be known."""

from __future__ import annotations

import json

from core.data.check import Examined
from core.events import drain
from core.lock import ProcessLock
from core.runs.run import LR_FINDS, RUNS, Run
from plugins.panels.kit.project.estimate import speed_file
from plugins.panels.kit.project.expected import START
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import duration
from plugins.panels.kit.views.recipe_form import presets
from plugins.panels.kit.views.takes import takes_line
from tests.plugins.panels.markup import Page


def line(project: Project, here: bool = False) -> str:
    """What a person reads there."""
    return "".join(Page(takes_line(project, here)).texts)


def test_the_expected_time_stands_at_the_button(project: Project) -> None:
    assert line(project) == "", "the photos have not been read"
    drain(project.examine())
    assert "first seconds" in line(project)
    file = speed_file(project.folder, project.require_recipe())
    file.parent.mkdir()
    file.write_text(json.dumps({"frozen": 0.1, "unfrozen": 1.0, "memory": 900.0}))
    training, found = project.require_recipe().training, project.examined
    assert isinstance(found, Examined)
    seconds = START + len(found.split.train) * (0.1 * training.freeze_epochs + 1.0 * training.epochs)
    assert duration(seconds) in line(project)


def test_what_is_under_way_comes_first(project: Project) -> None:
    drain(project.examine())
    for kind, said in ((LR_FINDS, "LR finder"), (RUNS, "run under way")):
        lock = ProcessLock(Run.create(project.require_recipe(), project.folder, kind).folder / "lock")
        assert lock.take()
        lock.announce()
        try:
            assert said in line(project)
            assert bool(line(project, here=True)) == (kind == LR_FINDS), "there is no such button on Train"
            assert "under way has ended" in "".join(Page(presets(project)).texts), "when the presets will have times"
        finally:
            lock.release()
