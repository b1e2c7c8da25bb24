"""Runs side by side: their curves over one another, a table, and whether they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.model.file_names import HASHES
from core.runs.compare import compare_runs
from core.runs.run import Run
from plugins.panels.kit.project.naming import photos_of_run, titles_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import RunView, run_view
from plugins.panels.kit.views.charts import Axes, Line, Point, chart, nice
from plugins.panels.kit.views.epochs import accuracy_of, best_accuracy
from plugins.panels.kit.views.html import Html, card, clock, notes, percent, rate, table

MOST = 6  # runs at once, as each is read and paired with the first


def compared(project: Project, data: Mapping[str, Any]) -> Html:
    """The runs that are ticked, nothing for fewer than two; raises BadInput."""
    names = list(map(str, data.get("runs") or ()))
    if len(names) < 2:
        return Html()
    if len(names) > MOST:
        raise BadInput(f"{len(names)} runs are too many to compare at once; tick at most {MOST}.")
    shown = [run_view(project.find(name)) for name in names]
    titles = titles_of([each.run for each in shown])
    return card("Compared", notes(_differ(shown, titles), "note") + _charts(shown, titles) + _table(shown, titles))


def _charts(shown: Sequence[RunView], titles: Sequence[str]) -> Html:
    losses = [[(float(n), e.valid_loss) for n, _, e in each.epochs] for each in shown]
    right = [[(float(n), a) for n, _, e in each.epochs if (a := accuracy_of(e)) is not None] for each in shown]
    last = max((x for line in losses for x, _ in line), default=1.0)
    values = [y for line in losses for _, y in line if math.isfinite(y)] or [1.0]
    top = nice(0.0, max(values))[-1]
    pictures = (
        chart(
            "Validation loss by epoch", Axes((0.0, last), (0.0, top), x_name="epoch", width=540), _lines(titles, losses)
        ),
        chart(
            "Accuracy by epoch",
            Axes((0.0, last), (0.0, 1.0), y_percent=True, x_name="epoch", width=540),
            _lines(titles, right),
        ),
    )
    names = ("Validation loss", "Accuracy on validation photos")
    return Html('<div class="charts even">{}{}</div>').format(*map(card, names, pictures))


def _lines(titles: Sequence[str], lines: Sequence[Sequence[Point]]) -> list[Line]:
    return [
        Line(title, points, f"run-{i}", dots=True) for i, (title, points) in enumerate(zip(titles, lines, strict=True))
    ]


def _table(shown: Sequence[RunView], titles: Sequence[str]) -> Html:
    rows = []
    for each, title in zip(shown, titles, strict=True):
        kept, end, recipe = best_accuracy(each), each.end, each.recipe
        low_high = (end.metrics["low"], end.metrics["high"]) if end and "low" in end.metrics else ()
        best = next((e for _, _, e in reversed(each.epochs) if e.best), None)
        rows.append(
            (
                title,
                "–" if kept is None else percent(kept),
                " to ".join(map(percent, low_high)) or "–",
                f"{best.valid_loss:.3f}" if best else "–",
                str(photos_of_run(each.run)),
                f"{recipe.training.freeze_epochs} + {recipe.training.epochs}",
                rate(recipe.training.base_lr),
                clock(each.elapsed),
            )
        )
    header = ["Run", "Accuracy", "95 % interval", "Validation loss", "Photos", "Epochs", "Rate", "Time"]
    return table(header, rows)


def _differ(shown: Sequence[RunView], titles: Sequence[str]) -> list[str]:
    """Whether each run differs from the first, on the validation photos that both have."""
    first = shown[0].run
    return [
        _sentence(first, each.run, (_stamp(first), _stamp(each.run)), (titles[0], title))
        for each, title in zip(shown[1:], titles[1:], strict=True)
    ]


@lru_cache(maxsize=256)
def _sentence(first: Run, other: Run, stamps: tuple[int, int], titles: tuple[str, str]) -> str:
    try:
        return compare_runs(first, other).sentence(*titles)
    except BadInput as error:
        return f"{titles[0]} and {titles[1]} are not comparable: {error}"


def _stamp(run: Run) -> int:
    file: Path = run.folder / HASHES
    return file.stat().st_mtime_ns if file.exists() else 0
