"""The results of a run from its predictions on validation photos or on a test set, and the confusion matrix."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import BadInput
from core.model.file_names import HASHES
from core.runs.run import Run
from plugins.panels.kit.views.html import Html, joined

if TYPE_CHECKING:  # imports torch, which takes seconds, and the page must not wait for it
    from core.runs.evaluate import Scored
    from core.training.interpretation import ClassificationInterpretation

VALIDATION, TEST = "validation", "test"  # the sets of photos on which a run has predictions
MAX_LABELS = 60  # labels in the table
ROOMY = 12  # labels up to which its cells are large


@dataclass(frozen=True)
class Seen:
    """A photo with its prediction; `true` and `predicted` are indices into the vocabulary."""

    row: int  # of the logits
    file: Path
    true: int
    predicted: int
    loss: float
    confidence: float  # the probability of the prediction

    @property
    def wrong(self) -> bool:
        """Whether the prediction is wrong."""
        return self.true != self.predicted


class Results:
    """What a page shows of a run's predictions on one set of photos; `key` changes when they do.

    `scored` says more of the photos if they are a test set.
    """

    def __init__(
        self, run: Run, found: ClassificationInterpretation, key: str = "", scored: Scored | None = None
    ) -> None:
        self._shares = found.logits.softmax(1)
        confidence, predicted = self._shares.max(1)
        columns = (found.targets, predicted, found.losses(), confidence)
        rows = zip(range(len(found.items)), found.items, *(column.tolist() for column in columns), strict=True)
        self.name, self.set, self.scored = run.name, TEST if scored else VALIDATION, scored
        self.key = f"{run.name} {self.set} {key}"
        self.vocab = found.vocab
        self.photos = sorted((Seen(*row) for row in rows), key=lambda seen: -seen.loss)
        self.counts: list[list[int]] = found.confusion_matrix().tolist()
        self.classes = found.per_class()
        self.total, self.right = len(self.photos), sum(row[i] for i, row in enumerate(self.counts))
        self.accuracy, self.interval = self.right / self.total, found.interval

    @cached_property
    def cells(self) -> dict[tuple[int, int], list[Seen]]:
        """The photos of each (true, predicted), largest loss first."""
        cells = defaultdict(list)
        for seen in self.photos:
            cells[seen.true, seen.predicted].append(seen)
        return dict(cells)

    @cached_property
    def mistakes(self) -> list[Seen]:
        """The photos with a wrong prediction, largest loss first."""
        return [seen for seen in self.photos if seen.wrong]

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Each (true, predicted) of two different labels, most frequent first."""
        return sorted((c for c in self.cells if c[0] != c[1]), key=lambda c: (-len(self.cells[c]), c))

    def probabilities(self, seen: Seen) -> list[tuple[str, float]]:
        """The labels of a photo with their probabilities, largest first."""
        pairs = zip(self.vocab, self._shares[seen.row].tolist(), strict=True)
        return sorted(pairs, key=lambda pair: -pair[1])

    def photo(self, data: Mapping[str, Any]) -> Seen:
        """The photo that was clicked, from its place in `photos`; raises BadInput."""
        try:
            return self.photos[int(data["photo"])]
        except (KeyError, TypeError, ValueError, IndexError):
            raise BadInput("This photo is no longer there; reload the page.") from None

    def cell(self, data: Mapping[str, Any]) -> tuple[int, int]:
        """The cell that was clicked, from the attributes of `cell_data`; raises BadInput if it has no photos."""
        try:
            cell = int(data["true"]), int(data["predicted"])
        except (KeyError, TypeError, ValueError):
            cell = -1, -1
        if cell not in self.cells:
            raise BadInput("This cell has no photos; choose another.")
        return cell

    def said(self, cell: tuple[int, int]) -> str:
        """A cell in words, such as `rose taken for tulip`."""
        true, predicted = (self.vocab[i] for i in cell)
        return f"{true} recognised" if cell[0] == cell[1] else f"{true} taken for {predicted}"

    def cell_data(self, cell: tuple[int, int]) -> Html:
        """The attributes of a button that opens the photos of a cell."""
        n = len(self.cells[cell])
        return Html(
            'type="button" data-do="photos" data-run="{run}" data-set="{set}" data-true="{true}" '
            'data-predicted="{predicted}" title="{label}" aria-label="{label}"'
        ).format(
            run=self.name,
            set=self.set,
            true=cell[0],
            predicted=cell[1],
            label=f"{self.said(cell)}: {n:,} photo{'s' * (n > 1)}",
        )

    @cached_property
    def shown(self) -> list[int]:
        """The indices of the labels in the table; if there are too many, those with the most mistakes."""
        if len(self.vocab) <= MAX_LABELS:
            return list(range(len(self.vocab)))
        errs = [0] * len(self.vocab)
        for seen in self.mistakes:
            errs[seen.true] += 1
            errs[seen.predicted] += 1
        worst = sorted((i for i, n in enumerate(errs) if n), key=lambda i: -errs[i])
        return sorted(worst[:MAX_LABELS])

    @cached_property
    def left_out(self) -> str:
        """A sentence on the labels that are not in the table; empty if all are."""
        shown, labels = set(self.shown), len(self.vocab)
        if len(shown) == labels:
            return ""
        beyond = sum(seen.true not in shown or seen.predicted not in shown for seen in self.mistakes)
        which = "those with the most mistakes" if len(shown) == MAX_LABELS else "those with mistakes"
        rest = f"; {beyond:,} of the {len(self.mistakes):,} mistakes involve the others" if beyond else ""
        return f"{len(shown)} of {labels} labels are shown, {which}{rest}."

    @cached_property
    def matrix(self) -> Html:
        """The confusion matrix, rows true and columns predicted, each cell with photos a button."""
        column = Html('<th scope="col" title="{name}"><span>{name}</span></th>')
        return Html(
            '<div class="matrix-box" style="--columns:{columns}">'
            '<p class="note sideways" aria-hidden="true">Scroll sideways for all {columns} columns →</p>'
            '<div class="matrix {size}" tabindex="0" role="region" aria-label="Confusion matrix">'
            "<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div></div>"
        ).format(
            size="roomy" if len(self.shown) <= ROOMY else "dense",
            columns=len(self.shown),
            head=joined(column.format(name=self.vocab[i]) for i in self.shown),
            rows=joined(map(self._row, self.shown)),
        )

    def _row(self, true: int) -> Html:
        photos = sum(self.counts[true])
        cells = joined(self._cell((true, predicted), photos) for predicted in self.shown)
        return Html('<tr><th scope="row" title="{name}">{name}</th>{cells}</tr>').format(
            name=self.vocab[true], cells=cells
        )

    def _cell(self, cell: tuple[int, int], photos: int) -> Html:
        n = self.counts[cell[0]][cell[1]]
        if not n:
            return Html("<td>·</td>")
        share = n / photos
        if cell[0] != cell[1]:
            kind, ink = "wrong", 10 + 62 * math.sqrt(share)  # so that small shares are visible too
        else:
            kind, ink = ("right deep", 70 + 30 * share) if share > 0.5 else ("right", 12 + 70 * share)
        return Html('<td><button class="{}" style="--ink-share:{:.0f}%" {}>{:,}</button></td>').format(
            kind, ink, self.cell_data(cell), n
        )


def results_of(run: Run, set_of: str = VALIDATION) -> Results:
    """The results of a run on a set, cached until its files change; raises BadInput if it has no predictions."""
    from core.runs.predictions import PREDICTIONS, predictions_of
    from plugins.panels.kit.project.tested import TESTED

    try:
        stamps = tuple((run.folder / name).stat() for name in (TESTED if set_of == TEST else PREDICTIONS, HASHES))
    except OSError:
        if set_of == TEST:
            raise BadInput(f"{run.name!r} has not been scored on a test set; drop one on the Results page.") from None
        return Results(run, predictions_of(run))  # raises BadInput with the reason
    return _read(run.folder, set_of, tuple((s.st_mtime_ns, s.st_size) for s in stamps))


@lru_cache(maxsize=8)
def _read(folder: Path, set_of: str, stamps: tuple[tuple[int, int], ...]) -> Results:
    from core.runs.predictions import predictions_of
    from plugins.panels.kit.project.tested import scored_of

    run = Run(folder)
    if set_of == TEST:
        scored = scored_of(run)
        return Results(run, scored.results, str(stamps), scored)
    return Results(run, predictions_of(run), str(stamps))
