"""A test set of one's own: its photos stay in the workspace, and what a run says of them in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.decoder import decoders
from core.data.propose import source_of
from core.errors import BadInput
from core.events import Checked
from core.recipe import Choice
from core.runs.run import Run
from plugins.panels.kit.project.bring import drop_kept, kept
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.drop import received, total

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from core.model.predictor import Predictor

SOURCE, SHOWN = "test_set", "results_of"  # of the draft: the photos, and the set that Results shows
LONGEST = 300.0  # seconds for the test set of a visitor

Scoring = Generator[Checked, None, None]


def score_upload(project: Project, data: Mapping[str, Any]) -> Scoring:
    """Keep dropped photos in the workspace as the test set, and score the selected run on them; raises BadInput."""
    _require_model(project)
    files = received(data)
    project.check_room(total(files))
    source = kept(project, files)
    try:
        yield from _score(project, source)
    except BadInput:  # do not keep files that cannot be used
        drop_kept(project, source)
        raise


def score_place(project: Project, text: str) -> Scoring:
    """Score the selected run on the photos at a path or name that was typed; raises BadInput."""
    if not text.strip():
        raise BadInput("The field is empty; give the folder of the test set.")
    source = source_of(text.strip())
    if "path" in source:
        source = source | {"path": str(Path(source["path"]).expanduser().absolute())}
    yield from _score(project, source)


def score_again(project: Project) -> Scoring:
    """Score the selected run on the test set that another run was scored on; raises BadInput."""
    source = project.draft.read().get(SOURCE)
    if not source:
        raise BadInput("There is no test set yet; drop one on the Results page.")
    yield from _score(project, source)


def _require_model(project: Project) -> Run:
    if (run := project.run) is None or not run.has_model:
        raise BadInput("There is no model to score yet; train one first.")
    return run


def _score(project: Project, source: Choice) -> Scoring:
    from core.runs.evaluate import score  # imports torch, which takes seconds
    from plugins.panels.kit.project.tested import keep_scored

    run = _require_model(project)
    project.admit({"source": source})
    project.check_tables(Path(project.build("source", replace(run.recipe, source=source)).root))
    found = yield from score(run, project.folder, source, read=_reader() if project.confined else None)
    keep_scored(run, found)
    project.draft.write(**{SOURCE: source, SHOWN: "test"})


def _reader() -> Any:
    """What makes a model's input of a visitor's photo: a process that can be killed, for so long in all."""
    until = time.monotonic() + LONGEST

    def read(model: Predictor, file: Path) -> Tensor:
        if time.monotonic() > until:
            raise BadInput(f"These photos take more than {LONGEST / 60:.0f} minutes; send fewer.")
        return model.tensor(decoders().prepare(file, model.views, 1).pixels)

    return read
