"""The predictions of a run's model on a test set, kept in the run's folder beside those on validation photos."""

from __future__ import annotations

from itertools import islice

from core.errors import BadInput
from core.runs.evaluate import Scored
from core.runs.predictions import DAMAGED, keep_predictions, kept_predictions
from core.runs.run import Run

TESTED = "tested.safetensors"
MOST_SKIPPED = 1_000  # photos that are kept with the reason why they were not scored


def keep_scored(run: Run, found: Scored) -> None:
    """Keep what `score` found of a test set; raises BadInput on a full disk."""
    skipped = dict(islice(found.skipped.items(), MOST_SKIPPED))
    if (more := len(found.skipped) - len(skipped)) > 0:
        skipped[f"{more:,} more photos"] = "skipped too"
    keep_predictions(
        run, found.results, found.root, TESTED, skipped=skipped, trained_on=found.trained_on, labels=found.labels
    )


def scored_of(run: Run) -> Scored:
    """What was kept of the run's test set; raises BadInput if nothing was, or it is of another model."""
    results, about = kept_predictions(run, TESTED)
    try:
        skipped = {str(file): str(reason) for file, reason in about["skipped"].items()}
        return Scored(results, run.workspace / about["root"], skipped, about["trained_on"], str(about["labels"]))
    except DAMAGED as error:
        raise BadInput(f"The test set of {run.name!r} is damaged ({error}); score it again.") from None
