"""Training the model of a run for more epochs, in a run of its own that names its parent."""

from __future__ import annotations

import json
from pathlib import Path

from core.errors import BadInput
from core.runs.photos import CORRECTED, PHOTOS, SPLITS
from core.runs.run import LABELS, Run

PARENT = "parent.json"


def create_longer(parent: Run, epochs: int) -> Run:
    """Create a run that trains the parent's model for `epochs` more, on the same photos; raises BadInput."""
    parent.check_has_model()
    if epochs < 1:
        raise BadInput(f"{epochs} more epochs would train nothing; give 1 or more.")
    recipe = parent.recipe
    seed = (recipe.training.seed + 1) % 2**32  # or its photos would come in the same order, with the same crops
    more = {"epochs": epochs, "freeze_epochs": 0, "seed": seed}
    longer = recipe.with_settings(f"training.{name}={value}" for name, value in more.items())
    run = Run.create(longer, parent.workspace)
    with run.beginning():
        (run.folder / LABELS).unlink(missing_ok=True)
        if corrections := parent.corrections:
            run.write(LABELS, corrections.text())
        run.write(PARENT, json.dumps({"run": parent.name}))
        about = [CORRECTED] if (parent.folder / CORRECTED).exists() else []  # earlier versions wrote none
        for name in (SPLITS, *about, PHOTOS):  # so that no validation photo of one is a training photo of the other
            run.write(name, parent.read(name))
    return run


def parent_of(run: Run) -> Run | None:
    """The run whose model this one trains further, or None; raises BadInput if that is not known."""
    if not (run.folder / PARENT).exists():
        return None
    try:
        name = str(json.loads(run.read(PARENT))["run"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"The {PARENT} of {run.name!r} is damaged ({error}); train a new run.") from None
    return Run(run.folder.parent / Path(name).name)
