"""Figures of the Results page as files: the confusion matrix, the labels and the confidence, as PNG or CSV."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence

import gradio as gr
from PIL import Image

from core.data import pictures
from core.errors import BadInput
from core.runs.run import Run
from plugins.panels.kit.views.accuracy import LABEL_COLUMNS, label_rows
from plugins.panels.kit.views.confidence import coverage, reliability_of
from plugins.panels.kit.views.confusion import Results
from plugins.panels.kit.views.files import Rows, as_csv, data_url
from plugins.panels.kit.views.html import Html

CLICKS = "watch('value', () => element.querySelector('a[download]')?.click());"


def saver(elem_id: str) -> gr.HTML:
    """A component that downloads the file of a link made with `download`, once it is shown."""
    return gr.HTML("", js_on_load=CLICKS, elem_id=elem_id, elem_classes="unseen")


def download(name: str, content: bytes, kind: str) -> Html:
    """A link that `saver` follows; it differs at each call, so that the same file can be saved again."""
    return Html('<a download="{}" href="{}" data-n="{}">{}</a>').format(
        name, data_url(content, kind), time.monotonic_ns(), name
    )


def figure(run: Run, found: Results, name: str, kind: str) -> Html:
    """The download of a figure; raises BadInput if there is none of that name and kind."""
    file = f"{name}-{found.name}-{found.set}"
    if kind == "csv" and name in TABLES:
        return download(f"{file}.csv", as_csv(TABLES[name](run, found)), "text/csv")
    if kind == "png" and name in PICTURES:
        with io.BytesIO() as stream:
            PICTURES[name](run, found).save(stream, "PNG")
            return download(f"{file}.png", stream.getvalue(), "image/png")
    raise BadInput(f"There is no figure {name!r} as {kind!r}; choose one on the page.")


def _matrix(run: Run, found: Results) -> Rows:
    yield ["true label", *found.vocab]
    yield from ([name, *row] for name, row in zip(found.vocab, found.counts, strict=True))


def _labels(run: Run, found: Results) -> Rows:
    yield [column.lower() for column in LABEL_COLUMNS if column != "95 % interval"] + ["recall from", "recall to"]
    for name, n, recall, both, *rest in label_rows(found):
        yield [name, n, recall, *rest, *(both or ("", ""))]


def _reliability(run: Run, found: Results) -> Rows:
    bins = reliability_of(run, found)
    yield ["confidence", "accuracy"]
    yield from zip(bins.confidence, bins.accuracy, strict=True)


def _coverage(run: Run, found: Results) -> Rows:
    yield ["threshold", "answered", "right, of these"]
    yield from coverage(found)


def _coverage_picture(run: Run, found: Results) -> Image.Image:
    thresholds, answered, right = zip(*coverage(found), strict=True)
    lines: dict[str, Sequence[float]] = {"answered": answered, "right": right}
    return pictures.curve(thresholds, lines, "Accuracy and coverage by threshold")


TABLES: Mapping[str, Callable[[Run, Results], Rows]] = {
    "confusion": _matrix,
    "labels": _labels,
    "reliability": _reliability,
    "coverage": _coverage,
}
PICTURES: Mapping[str, Callable[[Run, Results], Image.Image]] = {
    "confusion": lambda run, found: pictures.matrix(found.counts, found.vocab),
    "reliability": lambda run, found: reliability_of(run, found).plot(),
    "coverage": _coverage_picture,
}
