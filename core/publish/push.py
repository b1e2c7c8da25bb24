"""Pushing a trained run to the Hugging Face Hub: its model and, once rehearsed, a Space that shows it."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.photo import BadPhoto
from core.discovery import discover
from core.hub import checked_repo_id
from core.publish.hub import Hardware, Hub
from core.publish.model_files import model_files
from core.publish.onnx import export_onnx, onnx_is_current
from core.publish.options import PushOptions
from core.publish.rehearsal import Rehearsal, rehearse
from core.publish.space import space_files
from core.runs.card import hub_card
from core.runs.predictions import predictions_of
from core.runs.run import Run

SAMPLE = 32  # validation photos that the rehearsed Space predicts
EXAMPLES = 6


@dataclass(frozen=True)
class Pushed:
    """The URLs of the model and the Space, and the rehearsal of the Space."""

    model: str
    space: str = ""
    rehearsal: Rehearsal | None = None


def push(
    run: Run, repo: str, options: PushOptions, hub: Hub, python: Path | None = None
) -> Generator[str, None, Pushed]:
    """Push a run as OWNER/NAME, yielding messages about progress; nothing is pushed unless the Space works here first.

    `python` is an interpreter for the rehearsal, by default of a new environment. Raises BadInput.
    """
    checked_repo_id(repo)
    run.check_has_model()
    discover()  # the architecture may be a third-party plugin
    yield f"Signed in as {hub.user()}"
    hub.validate_card(hub_card(run.read("README.md"), repo, options.license))
    rehearsal, space = None, None
    hardware: Hardware | None = None if options.space == "none" else options.space
    if hardware:
        if not onnx_is_current(run):
            yield "Exporting the model as ONNX"
            export_onnx(run)
        space = space_files(run, repo, hardware, options.license or None, EXAMPLES if options.examples else 0)
        photos, expected = _sample(run)
        rehearsal = yield from rehearse(space, photos, expected, python)
        yield (
            f"Rehearsed: {rehearsal.megabytes:.0f} MB installed, ready in {rehearsal.ready_seconds:.1f} s, "
            f"{rehearsal.memory_mb:.0f} MB of memory, {rehearsal.first_ms:.0f} ms for the first answer and "
            f"{rehearsal.median_ms:.0f} for the median one; no probability differs from the engine's by more than "
            f"{rehearsal.largest_difference:.1e} on {len(photos)} photos"
        )
        hub.create(repo, options.private, hardware)  # before the model is pushed, as this may be refused
    yield f"Pushing the model to {repo}"
    address = hub.push(repo, model_files(run, repo, options.license), options.private)
    if not space:
        return Pushed(address)
    yield f"Pushing the Space to {repo}"
    return Pushed(address, hub.push(repo, space, options.private, hardware), rehearsal)


def _sample(run: Run) -> tuple[list[Path], np.ndarray[Any, Any]]:
    """A sample of validation photos that still exist, with the engine's probabilities [N, C] on the CPU."""
    from core.model.folder import load_model

    predictor = load_model(run.folder)
    predictor.architecture.model.to("cpu")
    items = predictions_of(run).items
    sample = items[:: math.ceil(len(items) / SAMPLE)]
    found = {
        item: logits.softmax(0).tolist()
        for item, logits in predictor.predict_many(sample)
        if not isinstance(logits, BadPhoto)  # it is gone or has changed
    }
    return list(found), np.array(list(found.values()))
