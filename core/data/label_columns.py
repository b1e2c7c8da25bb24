"""Which columns of a table hold the labels: one of texts that repeat, or one a class with a mark in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

from core.data.tables import FALSE, MISSING, TRUE
from core.data.text import some
from core.data.words import LABELS, tokens

REPEATED = 0.8  # share of the labels that another photo must have too
ONE_MARK = 0.9  # share of the marked rows that must mark one class
PLAIN = frozenset(  # words that mean labels in a longer name too, if they are its last: `animal_label`
    "breed category class classes classname diagnosis disease dx genus label labels species".split()  # noqa: SIM905
)
ENDINGS = frozenset(("id", "name", "names"))  # that may stand after them
SURE = 3  # rank from which a column is surely called so


@dataclass(frozen=True)
class Labels:
    """The columns that could hold the labels, the best first, or the columns of classes, or why there is none."""

    ranked: list[int] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    unusable: str = ""


def find_labels(
    names: Sequence[str], cells: Mapping[int, Sequence[str]], counts: Mapping[int, Counter[str]], among: Sequence[int]
) -> Labels:
    """The labels `among` some columns; `cells` are those of each column, `counts` how often a text is in it."""
    marks = [i for i in among if _are_marks(counts[i])]
    fit = [i for i in among if _repeat(counts[i], REPEATED if label_rank(names[i]) < SURE else 0)]
    plain = {i: i in marks or _are_numbers(counts[i]) for i in fit}
    ranked = sorted(fit, key=lambda i: (-label_rank(names[i]), plain[i], i))
    if len(marks) > 1 and not (ranked and label_rank(names[ranked[0]])):
        each = _marked(cells, counts, marks)
        several = sum(n for number, n in each.items() if number > 1)
        texts = bool(ranked) and not plain[ranked[0]]  # beside which marks are attributes, unless every row has one
        least = REPEATED * each.total() if texts else ONE_MARK * (each[1] + several)
        if each[1] and each[1] >= least:
            return Labels(classes=marks)
        if several and not texts:
            of = some([names[i] for i in marks])
            return Labels(unusable=f"{several} rows mark several of the classes {of}, but a photo has one")
    if ranked:
        return Labels(ranked)
    for i in among:
        if len(counts[i].keys() - {""}) == 1 and label_rank(names[i]):
            one = max(counts[i])
            return Labels(unusable=f"the column {names[i]!r} has one label, {one!r}; one more is needed")
    splitting = [names[i] for i in cells if i not in among and _repeat(counts[i], REPEATED)]
    but = f" beside {some(splitting)}, which tells how photos are split" if splitting else ""
    return Labels(unusable=f"no column has labels, which are few values that repeat{but}")


def label_rank(name: str) -> int:
    """How surely a column is one of labels by its name: 4 as a whole, 3 as its last word; 1 and 2 in vaguer words."""
    words = tokens(name)
    exact = "".join(words) in LABELS
    last = next((word for word in reversed(words) if word not in ENDINGS), "")
    if last in PLAIN:
        return SURE + exact
    return exact + (not LABELS.isdisjoint(words))


def _marked(
    cells: Mapping[int, Sequence[str]], counts: Mapping[int, Counter[str]], marks: Sequence[int]
) -> Counter[int]:
    """How many rows have each number of marks."""
    marked = [0] * len(cells[marks[0]])
    for i in marks:
        true = {text for text in counts[i] if text.casefold() in TRUE}
        for row in compress(range(len(marked)), map(true.__contains__, cells[i])):
            marked[row] += 1
    return Counter(marked)


def _are_marks(counts: Counter[str]) -> bool:
    return 0 < len(counts) <= len(TRUE | FALSE) + 1 and {text.casefold() for text in counts} <= TRUE | FALSE | {""}


def _repeat(counts: Counter[str], least: float) -> bool:
    """Whether there are several texts, in at least half of the rows, and a share of them in another row too."""
    labelled = {text: n for text, n in counts.items() if text.casefold() not in MISSING}
    total = sum(labelled.values())
    repeated = sum(n for n in labelled.values() if n > 1)
    return len(labelled) > 1 and 2 * total >= counts.total() and repeated >= least * total


def _are_numbers(counts: Counter[str]) -> bool:
    """Whether they are numbers, dates or times."""
    return all(re.fullmatch(r"[+-]?[\d.,:/T -]+Z?", text) for text in counts if text)
