"""One run as HTML: its figures, its curves, and a table of epochs."""

from __future__ import annotations

import math

from core.events import Checked, EpochEnded, FeaturesMade, Queued, RunEnded, Validated
from core.recipe import LAST, VALID_LOSS
from core.runs.run import ALIVE, Run
from core.training.best import SHARES
from plugins.panels.kit.project.estimate import expected
from plugins.panels.kit.project.naming import LONGEST, proposed, said_of
from plugins.panels.kit.project.plain import plain
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import ALMOST, RunView
from plugins.panels.kit.views.charts import Axes, Line, chart, nice, smoothed
from plugins.panels.kit.views.html import Html, card, clock, empty, exactly, figures, joined, notes, percent, table

CHECKPOINTS = "checkpoint"  # the folder of a run's checkpoints, from which it can go on


def draw_run(shown: RunView) -> Html:
    """Progress, figures, curves, epochs and notices of a run."""
    body = Html('<div class="track"><i style="width:{:.2f}%"></i></div>').format(100 * shown.fraction)
    body += figures(_figures(shown)) + notes(_met(shown), "note")
    if shown.losses:
        body += _charts(shown)
    if shown.epochs:
        body += card("", _epochs(shown), _kept(shown))
    elif shown.status in ALIVE:
        body += card("", empty("Getting ready" if not shown.losses else "The first epoch", _doing(shown)))
    reason = shown.end.error if shown.end else shown.run.why_interrupted
    said = [plain(text, shown.run.workspace) for text in (reason, *shown.state.notices[-8:])]
    return body + notes(filter(None, said[:1]), "bad") + notes(said[1:])


def _met(shown: RunView) -> list[str]:
    """How well what was expected of a run was met, if it completed."""
    end, hoped = shown.end, expected(shown.run)
    if end is None or end.status != "completed" or hoped is None:
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
    shown = (("Name", "title", proposed(run)), ("Note", "note", "What you tried, and why"))
    fields = (field.format(label, name, LONGEST[name], said_of(run, name), hint) for label, name, hint in shown)
    return Html('<div class="options about">{}</div>').format(joined(fields))


def status_said(run: Run, status: str) -> str:
    """The status of a run in the words of the page: one that was stopped is paused if it can go on where it was."""
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
        note = f"of epoch {_best_number(shown)}, kept so far" if len(accuracies) > 1 else "on validation photos"
    alive = shown.status in ALIVE
    took = (clock(shown.elapsed), f"{done} of {shown.planned} epochs")
    so_far = " in ".join(took) if done else f"{shown.planned} epochs to come"
    left = clock(shown.left) if shown.fraction < ALMOST else "–"
    return [
        ("Accuracy", "–" if kept is None else percent(kept), note),
        ("Validation loss", f"{best.valid_loss:.3f}" if best else "–", "of the saved model"),
        ("Time left", left, so_far) if alive else ("Time", *took),
        *([("Speed", f"{speed:.0f}/s" if speed else "–", "photos per second")] if alive else []),
    ]


def accuracy_of(epoch: EpochEnded) -> float | None:
    """The accuracy of an epoch, or None if its metrics include neither accuracy nor error_rate."""
    if "accuracy" in epoch.metrics:
        return epoch.metrics["accuracy"]
    return 1 - epoch.metrics["error_rate"] if "error_rate" in epoch.metrics else None


def best_accuracy(shown: RunView) -> float | None:
    """The accuracy of the best model so far."""
    return next((accuracy_of(e) for _, _, e in reversed(shown.epochs) if e.best), None)


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


def _kept(shown: RunView) -> str:
    """Which epoch's model is kept, and why."""
    number, by = _best_number(shown), shown.recipe.training.best_by
    if by == LAST or len(shown.epochs) < 2:
        return ""
    reason = {
        VALID_LOSS: "it has the lowest validation loss.",
        **dict.fromkeys(SHARES, "of epochs whose accuracies do not differ beyond chance, it has the lowest loss."),
    }.get(by, f"it has the best {by}.")
    return f"Epoch {number} is kept: {reason}"


def _best_number(shown: RunView) -> int:
    """The number of the epoch whose model is kept."""
    return max((n for n, _, e in shown.epochs if e.best), default=0)


def _epochs(shown: RunView) -> Html:
    rows, best = [], _best_number(shown)
    for number, stage, e in shown.epochs:
        accuracy = accuracy_of(e)
        mark = Html('<span class="best">kept</span>') if number == best else ""
        rows.append(
            (
                str(number),
                "the head (frozen)" if stage == "frozen" else "everything (unfrozen)",
                f"{e.train_loss:.3f}",
                f"{e.valid_loss:.3f}",
                Html("{}{}").format("–" if accuracy is None else percent(accuracy), mark),
                clock(e.seconds),
            )
        )
    header = ["Epoch", "Trains", "Training loss", "Validation loss", "Accuracy", "Time"]
    box = Html('<div class="epochs" tabindex="0" role="region" aria-label="Epochs">{}</div>')
    return box.format(table(header, rows))
