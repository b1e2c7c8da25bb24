"""Export of a run's model by an exporter, compared with the model itself before the file is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.atomic import disk_error, write_atomic
from core.errors import BadInput
from core.model.file_names import HASHES, WEIGHTS, read_json
from core.model.hashes import add_hash
from core.runs.run import Run

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from core.model.predictor import Predictor

TOLERANCE = 1e-4  # of a probability


class Exporter(Protocol):
    """The interface of the plugins in plugins/exporters/: a model format that is one file.

    One that rounds numbers has `max_loss`, the share of validation photos that it may get wrong where the model is
    right, less those it gets right where the model is wrong, instead of equal probabilities; and it may have
    `observe(run, predictor)`, called before `convert`.

    An exporter may also have `finish(run, file) -> str`, which puts other files beside the one that was kept and
    returns a sentence about them; where it raises BadInput, the file is removed.
    """

    format: str  # its name in messages
    file: str  # the file's name, or its path, in the run's folder

    def convert(self, predictor: Predictor, about: Mapping[str, str]) -> bytes:
        """The content of the file: a model from prepared photos [N, 3, H, W] to logits [N, C], with metadata `about`.

        The network is `predictor.architecture.model`, in eval mode on the CPU, with calibrated logits; it takes photos
        of `predictor.views[-1].size` (height, width), normalised by `predictor.prepare`. Raises BadInput if a package
        is missing.
        """

    def load(self, content: bytes) -> Callable[[Tensor], Tensor]:
        """The exported model as a function from prepared photos [N, 3, H, W] to logits [N, C], using only the file."""


@dataclass(frozen=True)
class Exported:
    """The exported file, the number of photos on which it was compared, and the largest difference of a probability.

    `loss` is the validation accuracy that a format that rounds costs, and `said` what the exporter says of other files.
    """

    file: Path
    photos: int
    largest_difference: float
    seconds: float
    said: str = ""
    loss: float = 0.0


def export(run: Run, exporter: Exporter, folder: Path | None = None) -> Exported:
    """Export the run's model to its folder, or to another; raises BadInput, leaving no file.

    The file is kept only if its probabilities match the model's on every validation photo that still exists, or if it
    costs no more accuracy on them than the exporter allows.
    """
    from core.model.folder import load_model
    from core.runs.predictions import predictions_of

    began = time.perf_counter()
    run.check_has_model()
    file = (folder or run.folder) / exporter.file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # an earlier export must not be taken for this model's
    except OSError as error:
        raise disk_error(file, error) from error
    known = predictions_of(run)
    targets = {item: t for item, t in zip(known.items, known.targets.tolist(), strict=True) if item.is_file()}
    digest = str(read_json(run.folder / HASHES)[WEIGHTS])  # read before the model, which may be replaced meanwhile
    predictor = load_model(run.folder)
    predictor.architecture.model.to("cpu")
    predictor = predictor.with_temperature_inside()
    try:
        if observe := getattr(exporter, "observe", None):
            observe(run, predictor)
        content = exporter.convert(predictor, {"model": digest})
        photos, difference, loss = _compared(predictor, exporter.load(content), targets)
    except BadInput:
        raise
    except Exception as error:  # each format has its own exceptions
        cause = error.__cause__ or error
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0][:150].rstrip(" .")
        raise BadInput(
            f"The architecture of {run.name!r} cannot be exported to {exporter.format} ({reason}); "
            "use its model.safetensors."
        ) from error
    if not photos:
        raise BadInput(f"None of the validation photos of {run.name!r} is left to compare it on; put them back.")
    allowed = getattr(exporter, "max_loss", None)
    if allowed is not None and not loss <= allowed:
        raise BadInput(
            f"The exported model of {run.name!r} is not kept: it costs {loss:.1%} of accuracy on {photos} validation "
            f"photos, which is more than {allowed:.1%}; allow more with max_loss, or export to another format."
        )
    if allowed is None and not difference <= TOLERANCE:  # also refuses NaN
        raise BadInput(
            f"The exported model of {run.name!r} is not kept: a probability differs by {difference:.2g} from torch's, "
            f"which is more than {TOLERANCE}; use model.safetensors, or train another architecture."
        )
    write_atomic(file, content)
    if file.parent == run.folder and read_json(run.folder / HASHES)[WEIGHTS] == digest:
        add_hash(run.folder, file.name)
    return Exported(file, photos, difference, time.perf_counter() - began, _finished(exporter, run, file), loss)


def _finished(exporter: Exporter, run: Run, file: Path) -> str:
    finish = getattr(exporter, "finish", None)
    try:
        return str(finish(run, file)) if finish else ""
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _compared(
    predictor: Predictor, exported: Callable[[Tensor], Tensor], targets: Mapping[Path, int]
) -> tuple[int, float, float]:
    """How many photos both models predicted, the largest difference of a probability, and the accuracy lost."""
    import torch

    def both(batch: Tensor) -> Tensor:
        return torch.stack([predictor.logits(batch), exported(batch)], 1)

    count, lost, largest = 0, 0, torch.zeros((), dtype=torch.float64)
    items = list(targets)
    for some in (items[:1], items[1:]):  # so that a batch of one photo is compared too
        for item, logits in predictor.predict_many(some, logits=both):
            if isinstance(logits, torch.Tensor):
                ours, theirs = logits.double().softmax(1)
                right, still = (int(p.argmax()) == targets[item] for p in (ours, theirs))
                count, lost = count + 1, lost + right - still
                largest = torch.maximum(largest, (ours - theirs).abs().max())
    return count, float(largest), lost / max(1, count)
