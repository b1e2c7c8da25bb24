"""The pictures of a card: reliability, confusion matrix and curves, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from core.data import pictures
from core.events import EpochEnded
from core.insight.calibration import ENOUGH, cross_fitted, reliability
from core.model.calibration import Calibration
from core.training.interpretation import ClassificationInterpretation

MAX_CLASSES = 100  # in the picture of the confusion matrix


def card_pictures(
    results: ClassificationInterpretation, epochs: Sequence[EpochEnded], calibration: Calibration
) -> dict[str, bytes]:
    """The pictures by file name; none of what too few photos or too many classes make unreadable."""
    drawn = {}
    if calibration.photos >= ENOUGH:
        bins = reliability(*cross_fitted(results.logits * calibration.temperature, results.targets))
        drawn["reliability.png"] = _png(bins.plot())
    if len(results.vocab) <= MAX_CLASSES:
        drawn["confusion.png"] = _png(results.plot_confusion_matrix())
    if len(epochs) > 1:  # one point does not make a line
        drawn["curves.png"] = _png(_curves(epochs))
    return drawn


def _curves(epochs: Sequence[EpochEnded]) -> Image.Image:
    xs = [float(number) for number, _ in enumerate(epochs, 1)]
    losses: dict[str, Sequence[float]] = {
        "training": [e.train_loss for e in epochs],
        "validation": [e.valid_loss for e in epochs],
    }
    scores = {name: [e.metrics[name] for e in epochs] for name in epochs[0].metrics}
    if errors := scores.pop("error_rate", None):
        scores["accuracy"] = [1 - error for error in errors]
    charts = [pictures.curve(xs, losses, "Loss by epoch, nats")]
    charts += [pictures.curve(xs, {name: line}, f"{name.capitalize()} by epoch") for name, line in scores.items()]
    sheet = Image.new("RGB", (charts[0].width, sum(chart.height for chart in charts)))
    for number, chart in enumerate(charts):
        sheet.paste(chart, (0, number * chart.height))
    return sheet


def _png(image: Image.Image) -> bytes:
    with io.BytesIO() as stream:
        image.save(stream, "PNG")
        return stream.getvalue()
