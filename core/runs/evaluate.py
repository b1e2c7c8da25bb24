"""Evaluation of a trained run on labelled photos."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.data.alike import alike
from core.data.labelled import read_labels
from core.data.leftovers import relocated
from core.data.photo import BadPhoto
from core.data.propose import names_of, propose, source_of
from core.errors import BadInput, quoted
from core.events import Checked, drain
from core.model.folder import load_model
from core.model.predictor import Predictor
from core.recipe import Choice, path_options
from core.registry import labellers, sources
from core.runs.history import History
from core.runs.run import Run
from core.settings import parse_choice
from core.training.interpretation import ClassificationInterpretation


@dataclass(frozen=True)
class Scored:
    """The predictions of a model on labelled photos below `root`, and what there is to say of these photos.

    `skipped` says why photos were not scored. `trained_on` is how many of the others are training photos, or None if
    the run does not list these. `labels` is the reason why they were labelled in another way than the run's photos.
    """

    results: ClassificationInterpretation
    root: Path
    skipped: dict[str, str]
    trained_on: int | None = None
    labels: str = ""


def evaluate(run: Run, workspace: Path, source: str | None = None, labeller: str | None = None) -> dict[str, Any]:
    """Accuracy, its 95 % interval, figures per class, and n, with what `Scored` says of the photos."""
    found = drain(score(run, workspace, source_of(source) if source else None, labeller))
    return {
        "accuracy": found.results.accuracy,
        "interval": list(found.results.interval),
        "n": len(found.results.items),
        "trained_on": found.trained_on,
        "per_class": found.results.per_class(),
        "labels": found.labels,
        "skipped": found.skipped,
    }


def score(
    run: Run,
    workspace: Path,
    source: Choice | None = None,
    labeller: str | None = None,
    read: Callable[[Predictor, Path], Tensor] | None = None,
) -> Generator[Checked, None, Scored]:
    """Predict the photos of a source, or again the run's validation photos, and yield the progress; raises BadInput.

    Labels are read through the journal of the workspace. Photos without a label, left out by a person, of a class that
    the model does not know, unreadable or gone are skipped. `read` makes a model's input of a file, if not the model.
    """
    predictor, history = load_model(run.folder), _history(run, required=not source)
    labelled, skipped, labels, root = _labelled(run, history, workspace, source, labeller)
    _drop_unknown(labelled, skipped, predictor.vocab)
    logits: dict[Path, Tensor] = {}
    prepare = (lambda file: read(predictor, file)) if read else None
    for done, (path, found) in enumerate(predictor.predict_many(list(labelled), prepare=prepare), 1):
        if isinstance(found, BadPhoto):
            skipped[str(path)] = str(found)
        else:
            logits[path] = found
        yield Checked(done, len(labelled))
    readable = list(logits)
    if not readable:
        first = next(iter(skipped.items()), None)
        raise BadInput(
            f"None of these photos can be scored{f'; the first is {first[0]}: {first[1]}' if first else ''}."
        )
    targets = torch.tensor([predictor.vocab.index(labelled[path]) for path in readable])
    results = ClassificationInterpretation(torch.stack(list(logits.values())), targets, readable, predictor.vocab)
    return Scored(results, root, skipped, history.trained_on(readable) if history else None, labels)


def _drop_unknown(labelled: dict[Path, str], skipped: dict[str, str], vocab: list[str]) -> None:
    """Move photos of classes that the model does not know to `skipped`; raises BadInput if it only spells them so."""
    unknown = {path: label for path, label in labelled.items() if label not in vocab}
    meant = _meant(set(unknown.values()), vocab)
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


def _history(run: Run, required: bool) -> History | None:
    try:
        return History.of(run)
    except BadInput:
        if required:
            raise
        return None


def _labelled(
    run: Run, history: History | None, workspace: Path, source: Choice | None, labeller: str | None
) -> tuple[dict[Path, str], dict[str, str], str, Path]:
    """The photos with their labels, why others are skipped, why they were labelled in another way, and their root."""
    found = sources.build(source or run.recipe.source, workspace)
    items, root = found(), Path(found.root)
    skipped = {}
    if history and not source:
        own, gone = history.validation(found.root, items)
        skipped = dict.fromkeys(map(str, gone), "it is gone, and no other photo here has its content")
        if not labeller:
            return own, skipped, "", root
        items = list(own)
    choice, reason = (parse_choice(labeller), "") if labeller else _own_labeller(run, workspace, found, items)
    photos = drain(read_labels(items, labellers.build(choice), workspace, getattr(found, "original", None)))
    labelled = {photos.items[i]: photos.labels[i] for i in photos.kept(range(len(photos.items)))}
    return labelled, skipped | photos.unused, reason, root


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
