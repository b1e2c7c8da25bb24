"""Predicting photos that were sent to the app, within the limits of who sent them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from PIL import Image

from core.data.decoder import Prepared, decoders, prepare
from core.data.photo import BadPhoto
from core.errors import BadInput
from core.runs.run import Run
from plugins.panels.kit.project.labels import ListedPhoto, are_being_read, listed_photo
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.sent_photos import SentPhoto

if TYPE_CHECKING:  # torch takes seconds to import, and the page must not wait for it
    from torch import Tensor

    from core.model.predictor import Predictor

MANY = 500  # photos in one request
LONGEST_MANY = 120.0  # seconds for one request of a visitor
TOGETHER = 8  # photos in a batch; a visitor's time limit is checked once per batch

Found = tuple[dict[str, Any], Image.Image] | BadPhoto


def predicted(model: Predictor, photos: Sequence[SentPhoto], side: int, local: bool) -> Iterator[Found]:
    """For each photo its label, outputs, probabilities and mean milliseconds with its image, or why it is bad.

    Raises BadInput if the photos of a visitor take too long; the owner of this computer, `local`, may wait.
    """
    if len(photos) > MANY:
        raise BadInput(
            f"{len(photos):,} photos are more than the limit of {MANY}; `python -m core predict` takes any number."
        )
    images: dict[int, Image.Image] = {}
    reading = nullcontext() if local else Lock()  # one large photo of a visitor in memory at a time

    def read(item: tuple[int, SentPhoto]) -> Tensor:
        with reading:
            pixels, images[item[0]] = prepared(model, item[1], side, local)
        return model.tensor(pixels)

    began = time.perf_counter()
    until = math.inf if local else began + LONGEST_MANY
    for (i, _), found in model.answers(list(enumerate(photos)), TOGETHER, read):
        if time.perf_counter() > until:
            raise BadInput(f"These photos take more than {LONGEST_MANY / 60:.0f} minutes; send fewer at once.")
        if isinstance(found, BadPhoto):
            yield found
            continue
        answer = found.to_dict()
        outputs = dict(zip(model.vocab, found.logits.tolist(), strict=True))
        answer["outputs"] = {name: outputs[name] for name in answer["probabilities"]}
        answer["milliseconds"] = round(1000 * (time.perf_counter() - began) / (i + 1), 1)
        yield answer, images.pop(i)


def known_photo(project: Project, run: Run | None, photo: SentPhoto) -> ListedPhoto | None:
    """The photo among those of the project, if the run's model is one of theirs."""
    if are_being_read(project) or others(project, run):
        return None
    with photo.file() as file:
        return listed_photo(project, file)


def trained_on(run: Run | None, photo: SentPhoto) -> bool | None:
    """Whether a run has trained on a photo; None if that is not known, as of a model from elsewhere."""
    from core.runs.history import History  # imports torch, as above

    with suppress(BadInput), photo.file() as file:
        return bool(History.of(run).trained_on([file])) if run else None
    return None


def prepared(model: Predictor, photo: SentPhoto, side: int, local: bool) -> Prepared:
    """The model's input from a photo and a small copy; a process that can be killed decodes visitors' photos."""
    with photo.file() as file:
        return prepare(file, model.views, side) if local else decoders().prepare(file, model.views, side)
