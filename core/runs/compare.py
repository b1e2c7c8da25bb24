"""The comparison of two runs on the validation photos that both have, found by content, under the same labels."""

from __future__ import annotations

from dataclasses import replace

from core.insight.compare import Comparison, compare
from core.runs.history import History
from core.runs.predictions import named_predictions
from core.runs.run import Run


def compare_runs(run: Run, other: Run) -> Comparison:
    """Compare a run with another under the run's labels; raises BadInput if one has no predictions."""
    predicted, labels = _predicted(run)
    theirs, their_labels = _predicted(other)
    relabelled = sum(labels[photo] != their_labels[photo] for photo in predicted.keys() & theirs.keys())
    return replace(compare(predicted, theirs, labels), relabelled=relabelled)


def _predicted(run: Run) -> tuple[dict[str, str], dict[str, str]]:
    """The predicted and the true labels of a run's validation photos, by content."""
    known, (results, names) = History.of(run).known, named_predictions(run)
    predicted, labels = {}, {}
    guesses = zip(results.logits.argmax(1).tolist(), results.targets.tolist(), strict=True)
    for name, (guess, target) in zip(names, guesses, strict=True):
        if name in known:  # a photo that was renamed while the run was interrupted is not
            _, content = known[name]
            predicted[content], labels[content] = results.vocab[guess], results.vocab[target]
    return predicted, labels
