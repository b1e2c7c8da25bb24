"""A run's model in the format of an exporter, compared with the model itself before it is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.atomic import disk_error, sha256, write_atomic
from core.errors import BadInput
from core.model.file_names import HASHES, WEIGHTS, read_json
from core.runs.run import Run

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from core.model.predictor import Predictor

TOLERANCE = 1e-4  # of a probability


class Exporter(Protocol):
    """What a plugin in plugins/exporters/ returns: a format of a model, which one file holds."""

    format: str  # as it is called in a sentence
    file: str  # its name in the run's folder

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The file's content, from prepared photos [N, 3, H, W] to logits [N, C]; `about` is for its metadata.

        The network is `predictor.architecture.model`, in eval mode on the CPU; it takes photos of
        `predictor.views[-1].size` (height, width), normalised by `predictor.prepare`. Raises BadInput where a package
        is missing.
        """

    def load(self, content: bytes) -> Callable[[Tensor], Tensor]:
        """What a program that has nothing but the file computes: prepared photos [N, 3, H, W] to logits [N, C]."""


@dataclass(frozen=True)
class Exported:
    """The file, on how many photos it was compared with the model, and by how much a probability differed."""

    file: Path
    photos: int
    largest_difference: float
    seconds: float


def export(run: Run, exporter: Exporter, folder: Path | None = None) -> Exported:
    """Write the run's model to its folder, or to another; raises BadInput, leaving no file.

    It is not kept unless its probabilities are the model's on every validation photo that is still there.
    """
    from core.model.folder import load_model
    from core.runs.predictions import predictions_of

    began = time.perf_counter()
    run.check_has_model()
    file = (folder or run.folder) / exporter.file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # from here on it is the one of this model or none
    except OSError as error:
        raise disk_error(file, error) from error
    items = [item for item in predictions_of(run).items if item.is_file()]
    digest = str(read_json(run.folder / HASHES)[WEIGHTS])  # before the model, which may be replaced meanwhile
    predictor = load_model(run.folder)
    predictor.architecture.model.to("cpu")
    try:
        content = exporter.convert(predictor, {"model": digest})
        photos, difference = _compared(predictor, exporter.load(content), items)
    except BadInput:
        raise
    except Exception as error:  # each format has exceptions of its own
        cause = error.__cause__ or error
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0][:150].rstrip(" .")
        raise BadInput(
            f"The architecture of {run.name!r} cannot be exported to {exporter.format} ({reason}); "
            "use its model.safetensors."
        ) from error
    if not photos:
        raise BadInput(f"None of the validation photos of {run.name!r} is still there to try it on; put them back.")
    if not difference <= TOLERANCE:  # nor where it is no number
        raise BadInput(
            f"The exported model of {run.name!r} is not kept: a probability differs by {difference:.2g} from torch's, "
            f"which is more than {TOLERANCE}; use model.safetensors, or train another architecture."
        )
    write_atomic(file, content)
    hashes = read_json(run.folder / HASHES)
    if file.parent == run.folder and hashes[WEIGHTS] == digest:
        write_atomic(run.folder / HASHES, json.dumps(hashes | {file.name: sha256(file)}, indent=2))
    return Exported(file, photos, difference, time.perf_counter() - began)


def _compared(predictor: Predictor, exported: Callable[[Tensor], Tensor], items: list[Path]) -> tuple[int, float]:
    """On how many photos both were asked, and the largest difference of a probability."""
    import torch

    def both(batch: Tensor) -> Tensor:
        return torch.stack([predictor.logits(batch), exported(batch)], 1)

    count, largest = 0, torch.zeros((), dtype=torch.float64)
    for some in (items[:1], items[1:]):  # a batch of one photo is tried as well
        for _, logits in predictor.predict_many(some, logits=both):
            if isinstance(logits, torch.Tensor):
                ours, theirs = logits.double().softmax(1)
                count, largest = count + 1, torch.maximum(largest, (ours - theirs).abs().max())
    return count, float(largest)
