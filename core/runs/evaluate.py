"""A trained run, scored on labelled photos."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from core.data import photo
from core.data.check import label_all
from core.data.propose import source_of
from core.errors import BadInput
from core.model.folder import load_model
from core.model.predictor import Predictor
from core.registry import labellers, sources
from core.runs.run import Run
from core.training.interpretation import ClassificationInterpretation

AT_ONCE = 32


def evaluate(run: Run, workspace: Path, source: str | None = None, labeller: str | None = None) -> dict[str, Any]:
    """Accuracy, its 95 % interval, figures per class, and n; on a folder or zip, or the run's validation photos.

    Photos without a label, of a class that the model does not know, or unreadable are listed under `skipped`.
    """
    predictor = load_model(run.folder)
    labelled, skipped = _labelled(run, workspace, source, labeller)
    for path in [p for p, label in labelled.items() if label not in predictor.vocab]:
        skipped[str(path)] = f"the model does not know the class {labelled.pop(path)!r}"
    logits, readable = _logits(predictor, list(labelled), skipped)
    if not readable:
        first = next(iter(skipped.items()), None)
        raise BadInput(
            f"None of these photos can be scored{f'; the first is {first[0]}: {first[1]}' if first else ''}."
        )
    targets = torch.tensor([predictor.vocab.index(labelled[path]) for path in readable])
    results = ClassificationInterpretation(logits, targets, readable, predictor.vocab)
    return {
        "accuracy": results.accuracy,
        "interval": list(results.interval),
        "n": len(readable),
        "per_class": results.per_class(),
        "skipped": skipped,
    }


def _labelled(
    run: Run, workspace: Path, source: str | None, labeller: str | None
) -> tuple[dict[Path, str], dict[str, str]]:
    found = sources.build(source_of(source) if source else run.recipe.source, workspace)
    items = found()
    if not source:
        own = _own_validation(run)
        items = [i for i in items if i.relative_to(found.root).as_posix() in own]
    label = labellers.build(_choice(labeller) if labeller else run.recipe.labeller)
    return label_all(items, label, getattr(found, "original", Path))


def _own_validation(run: Run) -> set[str]:
    try:
        return set(json.loads(run.read("splits.json"))["valid"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"splits.json of {str(run.folder)!r} cannot be read ({error}); give --source.") from None


def _choice(labeller: str) -> dict[str, Any]:
    if not labeller.lstrip().startswith("{"):
        return {"name": labeller}
    try:
        return dict(json.loads(labeller))
    except ValueError as error:
        raise BadInput(f"--labeller is neither a name nor JSON: {error}.") from None


def _logits(predictor: Predictor, files: list[Path], skipped: dict[str, str]) -> tuple[torch.Tensor, list[Path]]:
    def prepared(file: Path) -> torch.Tensor | None:
        try:
            return predictor.prepare(file)
        except photo.BadPhoto as error:
            skipped[str(file)] = str(error)
            return None

    logits = [torch.empty(0, len(predictor.vocab))]
    readable: list[Path] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "photos") as pool:
        for start in range(0, len(files), AT_ONCE):
            part = files[start : start + AT_ONCE]
            inputs = {file: x for file, x in zip(part, pool.map(prepared, part), strict=True) if x is not None}
            if inputs:
                logits.append(predictor.logits(torch.stack(list(inputs.values()))))
                readable += inputs
    return torch.cat(logits), readable
