"""The accuracy of a run in figures, what it confuses, and each label with its precision and recall."""

from __future__ import annotations

from pathlib import Path

from plugins.panels.kit.views.confusion import TEST, Results
from plugins.panels.kit.views.html import Html, button, card, empty, joined, notes, percent, table
from plugins.panels.kit.views.pictures import thumbnail

PAIRS = 8  # confused pairs shown
CONFIDENT = 0.9


def photos_said(n: int) -> str:
    """`1 photo` or `2 photos`."""
    return f"{n:,} photo{'s' * (n != 1)}"


def set_said(found: Results) -> str:
    """What the photos of a set are called: `validation photos` or `photos of the test set`."""
    return "photos of the test set" if found.set == TEST else "validation photos"


def key_figures(found: Results) -> list[tuple[str, str, str]]:
    """The accuracy, the labels it knows worst and best, and its confident mistakes, for `figures`."""
    low, high = found.interval
    known = [(c["recall"], c["n"], name) for c, name in zip(found.classes, found.vocab, strict=True) if c["n"]]
    ends = [("Weakest", min(known, key=lambda c: (c[0], -c[1]))), ("Strongest", max(known, key=lambda c: c[:2]))]
    if ends[0][1][0] == ends[1][1][0]:  # all are known as well
        ends = []
    confident = sum(seen.confidence > CONFIDENT for seen in found.mistakes)
    right = f"{found.right:,} of {found.total:,} correct; 95 % interval {percent(low)} to {percent(high)}"
    return [
        ("Accuracy", percent(found.accuracy), right),
        *((f"{kind} label", name, _found_said(known, recall, n)) for kind, (recall, n, name) in ends),
        ("Confident mistakes", f"{confident:,}", f"with over 90 % confidence, of {_mistakes(len(found.mistakes))}"),
    ]


def _mistakes(n: int) -> str:
    return "1 mistake" if n == 1 else f"{n:,} mistakes"


def _found_said(known: list[tuple[float, int, str]], recall: float, n: int) -> str:
    others = sum(one == recall for one, _, _ in known) - 1
    more = f"; so are {others:,} others" if others > 1 else "; so is 1 other" if others else ""
    return f"{round(recall * n):,} of {n:,} found, {percent(recall)}{more}"


def what_is_not_known(found: Results) -> Html:
    """Notes on labels without photos in the set, and on an accuracy that cannot rise."""
    complete, unknown = [], []
    if not found.mistakes:
        low, _ = found.interval
        complete.append(
            f"All {photos_said(found.total)} are right, so more training cannot be seen to help. The accuracy on other "
            f"photos is between {percent(low)} and 100%; more photos, or a test set, would narrow it."
        )
    none = [name for c, name in zip(found.classes, found.vocab, strict=True) if not c["n"]]
    if none:
        names = " and ".join(none) if len(none) < 3 else f"{none[0]} and {len(none) - 1} other labels"
        are = "it is" if len(none) == 1 else "they are"
        unknown.append(f"There are no {set_said(found)} of {names}, so nothing is known of how well {are} recognised.")
    return notes(complete, "good") + notes(unknown)


def confused_pairs(found: Results) -> Html:
    """The pairs of labels that are most often taken for one another, each a button that opens its photos."""
    if not found.pairs:
        return card("Most confused", empty("None", "No label was taken for another."))
    line = Html("<li><button {}>{}<span><b>{}</b> taken for <b>{}</b></span><i>{:,}</i></button></li>")
    lines = joined(
        line.format(found.cell_data(cell), _small(photos[0].file), *(found.vocab[label] for label in cell), len(photos))
        for cell in found.pairs[:PAIRS]
        if (photos := found.cells[cell])
    )
    more = f"The first {PAIRS} of {len(found.pairs):,} pairs." if len(found.pairs) > PAIRS else ""
    return card("Most confused", Html('<ul class="confused">{}</ul>').format(lines), more)


def _small(file: Path) -> Html:
    src = thumbnail(file)
    return Html('<img src="{}" alt="" loading="lazy">').format(src) if src else Html("<em></em>")


LABEL_COLUMNS = ("Label", "Photos", "Recall", "95 % interval", "Precision", "F1")


def label_rows(
    found: Results,
) -> list[tuple[str, int, float | None, tuple[float, float] | None, float | None, float | None]]:
    """A row of LABEL_COLUMNS for each label, lowest recall first; None where there is nothing to divide by."""
    from core.training.metrics import wilson_interval  # imports torch, which takes seconds

    rows = [
        (name, c["n"], c["recall"], wilson_interval(c["recall"], c["n"]) if c["n"] else None, c["precision"], c["f1"])
        for c, name in zip(found.classes, found.vocab, strict=True)
    ]
    return sorted(rows, key=lambda row: (row[2] is None, row[2], row[0]))


def label_table(found: Results) -> Html:
    """Each label with how many photos it has, recall with its interval, precision and F1, to sort."""
    cells = (
        [
            name,
            f"{n:,}",
            _share(recall),
            f"{percent(both[0])} to {percent(both[1])}" if both else "–",
            *map(_share, rest),
        ]
        for name, n, recall, both, *rest in label_rows(found)
    )
    said = (
        "Recall: the share of a label's photos that are predicted as it. Precision: the share of the photos predicted "
        "as a label that have it. F1 is their harmonic mean. Press a heading to sort."
    )
    shown = table(LABEL_COLUMNS, cells, sorts=True)
    return card("Every label", shown + saves(found, "labels", ("csv",)), said)


def saves(found: Results, figure: str, kinds: tuple[str, ...] = ("png", "csv")) -> Html:
    """Buttons that save a figure, as a picture or a table."""
    data = {"run": found.name, "set": found.set, "figure": figure}
    return Html('<p class="acts saves">{}</p>').format(
        joined(button(f"Save as {kind.upper()}", "save", data | {"kind": kind}) for kind in kinds)
    )


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value)
