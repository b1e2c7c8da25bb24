"""Evaluation of a trained run on labelled photos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from core.data.alike import alike
from core.data.labelled import read_labels
from core.data.leftovers import relocated
from core.data.photo import BadPhoto
from core.data.propose import names_of, propose, source_of
from core.errors import BadInput, quoted
from core.events import drain
from core.model.folder import load_model
from core.recipe import Choice, parse_choice, path_options
from core.registry import labellers, sources
from core.runs.history import History
from core.runs.run import Run
from core.training.interpretation import ClassificationInterpretation


def evaluate(run: Run, workspace: Path, source: str | None = None, labeller: str | None = None) -> dict[str, Any]:
    """Accuracy, its 95 % interval, figures per class, and n; on a folder or zip, or the run's validation photos.

    Labels are read through the journal of the workspace. Photos without a label, left out by a person, of a class that
    the model does not know, unreadable or gone are listed under `skipped`; `trained_on` is how many of the n are
    training photos, or None if the run does not list these. `labels` is the reason why they were labelled in another
    way than the run's photos, or "".
    """
    predictor, history = load_model(run.folder), _history(run, required=not source)
    labelled, skipped, labels = _labelled(run, history, workspace, source, labeller)
    unknown = {path: label for path, label in labelled.items() if label not in predictor.vocab}
    meant = _meant(set(unknown.values()), predictor.vocab)
    for path, label in unknown.items():
        hint = f"; did you mean {quoted(meant[label])}?" if label in meant else ""
        skipped[str(path)] = f"the model does not know the class {quoted(label)}{hint}"
        del labelled[path]
    if not labelled and unknown and len(set(unknown.values())) == len(set(meant.values())):
        label, name = min(meant.items())
        raise BadInput(
            f"The model knows all {len(meant)} classes of these photos in other spellings, such as {quoted(name)} for "
            f"{quoted(label)}; rename their folders, or give a table of its names with --labeller."
        )
    logits: dict[Path, torch.Tensor] = {}
    for path, found in predictor.predict_many(list(labelled)):
        if isinstance(found, BadPhoto):
            skipped[str(path)] = str(found)
        else:
            logits[path] = found
    readable = list(logits)
    if not readable:
        first = next(iter(skipped.items()), None)
        raise BadInput(
            f"None of these photos can be scored{f'; the first is {first[0]}: {first[1]}' if first else ''}."
        )
    targets = torch.tensor([predictor.vocab.index(labelled[path]) for path in readable])
    results = ClassificationInterpretation(torch.stack(list(logits.values())), targets, readable, predictor.vocab)
    return {
        "accuracy": results.accuracy,
        "interval": list(results.interval),
        "n": len(readable),
        "trained_on": history and history.trained_on(readable),
        "per_class": results.per_class(),
        "labels": labels,
        "skipped": skipped,
    }


def _history(run: Run, required: bool) -> History | None:
    try:
        return History.of(run)
    except BadInput:
        if required:
            raise
        return None


def _labelled(
    run: Run, history: History | None, workspace: Path, source: str | None, labeller: str | None
) -> tuple[dict[Path, str], dict[str, str], str]:
    found = sources.build(source_of(source) if source else run.recipe.source, workspace)
    items = found()
    skipped = {}
    if history and not source:
        own, gone = history.validation(found.root, items)
        skipped = dict.fromkeys(map(str, gone), "it is gone, and no other photo here has its content")
        if not labeller:
            return own, skipped, ""
        items = list(own)
    choice, reason = (parse_choice(labeller), "") if labeller else _own_labeller(run, workspace, found, items)
    photos = drain(read_labels(items, labellers.build(choice), workspace, getattr(found, "original", None)))
    labelled = {photos.items[i]: photos.labels[i] for i in photos.kept(range(len(photos.items)))}
    return labelled, skipped | photos.unused, reason


def _own_labeller(run: Run, workspace: Path, found: Any, items: Sequence[Path]) -> tuple[Choice, str]:
    """The run's labeller and ""; if its table is not among these photos, the proposed labeller and the reason."""
    own, root = run.recipe.labeller, Path(found.root).resolve()
    choice = relocated("labeller", own, found, elsewhere=True)
    tables = [Path(os.path.expanduser(choice[option])).resolve() for option in path_options("labeller", choice)]
    if all(table.is_relative_to(root) for table in tables):
        return choice, ""
    if _is_inside(root, run, workspace):
        return relocated("labeller", own, found), ""
    try:
        proposed, _, reasons = propose(names_of(found, items), Path(found.root))
    except BadInput as error:
        raise BadInput(
            f"The run's table {quoted(str(tables[0]))} lists other photos. {error} Or give --labeller."
        ) from None
    return proposed, reasons[0]


def _is_inside(root: Path, run: Run, workspace: Path) -> bool:
    """Whether a folder is the folder of the run's photos, or is in it."""
    try:
        return root.is_relative_to(Path(sources.build(run.recipe.source, workspace).root).resolve())
    except BadInput:  # the source no longer exists
        return False


def _meant(labels: set[str], vocab: list[str]) -> dict[str, str]:
    """For labels that are not classes, the class that each resembles, if any."""
    pairs = alike([*vocab, *sorted(labels)])
    return {label: name for name, label in reversed(pairs) if label in labels and name not in labels}
