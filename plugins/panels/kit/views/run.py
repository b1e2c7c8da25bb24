"""One run as HTML: its figures, its curves, and a table of epochs."""

from __future__ import annotations

import math
import time

from core.events import Checked, FeaturesMade, Queued, RunEnded, Validated
from core.runs.run import ALIVE, CREATED, Run
from plugins.panels.kit.project.naming import LONGEST, said_of
from plugins.panels.kit.project.plain import plain
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import ALMOST, RunView
from plugins.panels.kit.views.charts import Axes, Line, chart, nice, smoothed
from plugins.panels.kit.views.epochs import accuracy_of, best_accuracy, epochs_table, kept_number, why_kept
from plugins.panels.kit.views.html import (
    Html,
    card,
    clock,
    duration,
    empty,
    exactly,
    figures,
    joined,
    notes,
    percent,
)

STARTS = 120.0  # seconds within which the process of a run begins, also on a busy machine
CHECKPOINTS = "checkpoint"  # the folder of a run's checkpoints, from which it can go on


def draw_run(shown: RunView) -> Html:
    """Progress, figures, curves, epochs and notices of a run."""
    body = Html('<div class="track"><i style="width:{:.2f}%"></i></div>').format(100 * shown.fraction)
    body += figures(_figures(shown)) + notes(_met(shown), "note")
    if shown.losses:
        body += _charts(shown)
    if shown.epochs:
        body += card("", epochs_table(shown), why_kept(shown))
    elif shown.status in ALIVE:
        body += card("", empty("Getting ready" if not shown.losses else "The first epoch", _doing(shown)))
    reason = shown.end.error if shown.end else shown.run.why_interrupted
    said = [plain(text, shown.run.workspace) for text in (reason, *shown.state.notices[-8:])]
    return body + notes(filter(None, said[:1]), "bad") + notes(said[1:])


def _met(shown: RunView) -> list[str]:
    """How well what was expected of a run was met, if it trained all of its epochs."""
    end, hoped = shown.end, shown.hoped
    if end is None or end.status != "completed" or hoped is None or len(shown.epochs) < shown.planned:
        return []
    took, was = f"It took {exactly(shown.elapsed)}", f"{exactly(hoped.seconds)} were expected"
    if end.memory and hoped.memory:
        took += f" and {end.memory / 1000:.1f} GB of memory"
        was = f"{exactly(hoped.seconds)} and {hoped.memory / 1000:.1f} GB were expected"
    return [f"{took}; {was}."]


def about_form(project: Project) -> Html:
    """Fields for the name of the selected run and a note about it."""
    if (run := project.run) is None:
        return Html()
    field = Html(
        '<label class="option"><span>{}</span><input type="text" data-path="{}" maxlength="{}" value="{}" '
        'placeholder="{}" autocomplete="off"></label>'
    )
    shown = (("Name", "title", "A name of your own"), ("Note", "note", "What you tried, and why"))
    fields = (field.format(label, name, LONGEST[name], said_of(run, name), hint) for label, name, hint in shown)
    return Html('<div class="options about">{}</div>').format(joined(fields))


def about_left(shown: RunView) -> str:
    """The time left of a run, rounded as an estimate deserves, or "" if it is not known."""
    if shown.fraction >= ALMOST:
        return "a few seconds" if shown.status in ALIVE else ""
    return "" if shown.left is None else f"about {duration(shown.left)}"


def is_starting(run: Run) -> bool:
    """Whether its process has just been started, and has not begun yet."""
    log = run.folder / "log.txt"
    return run.status == CREATED and log.exists() and time.time() - log.stat().st_mtime < STARTS


def status_said(run: Run, status: str) -> str:
    """The status of a run in the words of the page: one that was stopped is paused if it can go on where it was."""
    if status == CREATED:
        return "starting" if is_starting(run) else "not started"
    if status != "stopped":
        return status
    return "paused" if (run.folder / CHECKPOINTS).is_dir() else "cancelled"


def preparing(shown: RunView, then: str) -> str:
    """What a run does before it trains, or nothing; `then` says what follows the features."""
    match shown.last:
        case Queued(place, behind):
            return f"It is waiting for {behind}, at place {place} of the queue."
        case Checked(done, total):
            return f"Reading photos: {done:,} of {total:,}."
        case FeaturesMade(done, total):
            return f"Extracting features with the frozen backbone: {done:,} of {total:,} batches; then {then}."
    return ""


def _doing(shown: RunView) -> str:
    if said := preparing(shown, "the head trains"):
        return said
    match shown.last:
        case Validated(done, total):
            return f"Validating: {done} of {total} batches."
    return "The first figures appear after the first epoch." if shown.losses else "The network is being built."


def _figures(shown: RunView) -> list[tuple[str, str, str]]:
    epochs = [e for _, _, e in shown.epochs]
    done = len(epochs)
    accuracies = [a for e in epochs if (a := accuracy_of(e)) is not None]
    best, kept = next((e for e in reversed(epochs) if e.best), None), best_accuracy(shown)
    speed, end = shown.speed, shown.end
    if isinstance(end, RunEnded) and "low" in end.metrics:
        note = f"{percent(end.metrics['low'])} to {percent(end.metrics['high'])}, 95 % interval"
    else:
        note = f"of epoch {kept_number(shown)}, kept so far" if len(accuracies) > 1 else "on validation photos"
    alive = shown.status in ALIVE
    took = (clock(shown.elapsed), f"{done} of {shown.planned} epochs")
    so_far = " in ".join(took) if done else f"{shown.planned} epochs to come"
    so_far = "saving the model" if done == shown.planned else so_far
    left = about_left(shown)
    return [
        ("Accuracy", "–" if kept is None else percent(kept), note),
        ("Validation loss", f"{best.valid_loss:.3f}" if best else "–", "of the saved model"),
        ("Time left", left or "–", so_far if left or done else "known in a few seconds") if alive else ("Time", *took),
        *([("Speed", f"{speed:.0f}/s" if speed else "–", "photos per second")] if alive else []),
    ]


def _charts(shown: RunView) -> Html:
    losses, epochs = shown.losses, shown.epochs
    mean = smoothed(losses)
    valid = [(float(n), e.valid_loss) for n, _, e in epochs]
    values = [y for _, y in (*losses, *valid) if math.isfinite(y)] or [1.0]
    span = (0.0, float(max(1, shown.planned)))
    top = nice(0.0, min(max(values), 3 * max(y for _, y in (mean or [(0.0, 1.0)]))))[-1]
    loss = chart(
        "Loss by epoch",
        Axes(span, (0.0, top), x_name="epoch", width=640),
        [
            Line("each batch", losses, "batch"),
            Line("training loss", mean, "training"),
            Line("validation loss", valid, "validation", dots=True),
        ],
    )
    right = [(float(n), a) for n, _, e in epochs if (a := accuracy_of(e)) is not None]
    accuracy = chart(
        "Accuracy by epoch",
        Axes(span, (0.0, 1.0), y_percent=True, x_name="epoch", width=440),
        [Line("accuracy on validation photos", right, "accuracy", dots=True)],
    )
    return Html('<div class="charts">{}{}</div>').format(card("", loss), card("", accuracy))
