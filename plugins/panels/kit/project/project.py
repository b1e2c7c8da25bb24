"""A project: the recipe being edited in a workspace, its photos as checked, and its runs."""

from __future__ import annotations

import shutil

from core.data.check import Examined
from core.errors import BadInput
from core.runs.listing import runs_in
from core.runs.longer import create_longer
from core.runs.run import LR_FINDS, QUEUED, RUNS, Run
from core.runs.start import start
from plugins.panels.kit.project.checked import CheckedRecipe
from plugins.panels.kit.project.discarded import empty
from plugins.panels.kit.project.estimate import speed_for
from plugins.panels.kit.project.expected import expect
from plugins.panels.kit.project.run_view import run_view

RECENT = 20  # newest runs checked for being under way
SPARE = 2**30  # bytes of the disk that must stay free


class Project(CheckedRecipe):
    """The draft, the photos and the runs of a folder, from which alone pages draw everything they show."""

    seconds: float | None = None  # training time after which a run finishes early

    def check_network(self) -> None:
        """Raise BadInput if the recipe's network may not be used here; the owner may use any."""

    def check_room(self, size: int) -> None:
        """Raise BadInput if the disk has no room for `size` more bytes."""
        empty(self.folder)
        there = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        if shutil.disk_usage(there).free < size + SPARE:
            raise BadInput(f"The disk of {self.folder.name!r} has too little room for these photos; free some space.")

    @property
    def runs(self) -> list[Run]:
        """The runs, newest first."""
        return runs_in(self.folder)

    @property
    def run(self) -> Run | None:
        """The selected run, else the newest."""
        runs = self.runs
        chosen = self.draft.read().get("run")
        newest = runs[0] if runs else None
        return next((run for run in runs if run.name == chosen), newest) if chosen else newest

    def look_at(self, name: str) -> None:
        """Select the run of that name; raises BadInput."""
        self.draft.write(run=self.find(name).name)

    def find(self, name: str) -> Run:
        """The run of that name in this folder; raises BadInput if there is none."""
        for run in self.runs:
            if run.name == name:
                return run
        raise BadInput(f"There is no run {name!r} here; choose one from the list.")

    @property
    def lr_find(self) -> Run | None:
        """The newest run of the LR finder."""
        return next(iter(runs_in(self.folder, LR_FINDS)), None)

    def start(self, kind: str = RUNS) -> Run:
        """Train the recipe, or run the LR finder with it, in a process of its own; raises BadInput."""
        recipe = self.require_recipe()
        if isinstance(found := self.examined, BadInput):
            raise BadInput(str(found))
        if isinstance(found, Examined) and found.unready:
            raise BadInput(found.unready)
        speed, run = speed_for(self.folder, recipe), Run.create(recipe, self.folder, kind)
        if kind == RUNS and isinstance(found, Examined):
            expect(run, speed, len(found.split.train))
        return self._begin(run)

    def train_longer(self, run: Run, epochs: int) -> Run:
        """Train the model of a run for more epochs, in a new run and a process of its own; raises BadInput."""
        longer, started = create_longer(run, epochs), run_view(run).state.started
        expect(longer, speed_for(self.folder, longer.recipe), started.train if started else 0)
        return self._begin(longer)

    def _begin(self, run: Run) -> Run:
        trains = self.under_way
        with run.beginning():
            try:
                start(run, seconds=self.seconds, cache=self.cache)
            finally:
                if not run.is_lr_find:  # while another run trains, that one stays selected
                    self.draft.write(run=(run if trains is None or trains.is_lr_find else trains).name)
        return run

    def resume(self, run: Run) -> None:
        """Resume a run in a process of its own; raises BadInput."""
        start(run, seconds=self.seconds, cache=self.cache)

    @property
    def under_way(self) -> Run | None:
        """The run that has a live process, including LR finder runs and runs started elsewhere; queued ones last."""
        recent = (run for kind in (RUNS, LR_FINDS) for run in runs_in(self.folder, kind)[:RECENT])
        alive = [run for run in recent if run.process is not None]
        return next((run for run in alive if run.status != QUEUED), alive[0] if alive else None)
