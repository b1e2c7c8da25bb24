"""The epochs of a run: their accuracies, a table of them, and why the model of one is kept."""

from __future__ import annotations

from core.events import EpochEnded
from core.recipe import LAST, VALID_LOSS
from core.training.best import SHARES
from plugins.panels.kit.project.run_view import RunView
from plugins.panels.kit.views.html import Html, clock, percent, table

HEADER = ["Epoch", "Trains", "Training loss", "Validation loss", "Accuracy", "Time"]
SURER = "it is surer where it is right, and less sure where it is wrong"


def accuracy_of(epoch: EpochEnded) -> float | None:
    """The accuracy of an epoch, or None if its metrics include neither accuracy nor error_rate."""
    if "accuracy" in epoch.metrics:
        return epoch.metrics["accuracy"]
    return 1 - epoch.metrics["error_rate"] if "error_rate" in epoch.metrics else None


def best_accuracy(shown: RunView) -> float | None:
    """The accuracy of the best model so far."""
    return next((accuracy_of(e) for _, _, e in reversed(shown.epochs) if e.best), None)


def kept_number(shown: RunView) -> int:
    """The number of the epoch whose model is kept."""
    return max((n for n, _, e in shown.epochs if e.best), default=0)


def why_kept(shown: RunView) -> str:
    """Which epoch's model is kept, and why, with the figures."""
    by, ended = shown.recipe.training.best_by, {number: epoch for number, _, epoch in shown.epochs}
    if by == LAST or len(ended) < 2 or not (number := kept_number(shown)):
        return ""
    if by == VALID_LOSS:
        why = f"Its validation loss, {ended[number].valid_loss:.3f}, is the lowest: {SURER}."
    elif by in SHARES and (shares := {n: a for n, e in ended.items() if (a := accuracy_of(e)) is not None}):
        why = _among(ended, shares, number, shown.state.started.valid if shown.state.started else 0)
    else:
        why = f"It has the best {by}."
    return f"The model of epoch {number} is kept. {why}"


def _among(ended: dict[int, EpochEnded], shares: dict[int, float], number: int, photos: int) -> str:
    """Why an epoch is kept that is judged by how many photos are right, and where that may be chance, by its loss."""
    loss, right = ended[number].valid_loss, shares[number]
    surest = min(ended, key=lambda n: (ended[n].valid_loss, n != number))
    most = max(shares, key=lambda n: (shares[n], n == number))
    of = f"of the {photos:,} validation photos" if photos else "of the validation photos"
    if surest == number and right == shares[most]:
        return (
            f"It is right on {percent(right)} {of}, which no other epoch beats, and its validation loss, {loss:.3f}, "
            f"is the lowest: {SURER}."
        )
    if surest == number:
        return (
            f"Its validation loss, {loss:.3f}, is the lowest: {SURER}. "
            f"Epoch {most} is right on {percent(shares[most])} {of} instead of {percent(right)}, "
            "but a difference that small can be chance."
        )
    if right > shares[surest]:
        return (
            f"It is right on {percent(right)} {of}. Epoch {surest} has a lower validation loss, "
            f"{ended[surest].valid_loss:.3f} instead of {loss:.3f}, but is right on {percent(shares[surest])} only, "
            "and chance alone would hardly make that much of a difference."
        )
    return f"It is right on {percent(right)} {of}, and its validation loss is {loss:.3f}."


def epochs_table(shown: RunView) -> Html:
    """A row for each epoch; the one whose model is kept is marked."""
    rows, best = [], kept_number(shown)
    for number, stage, e in shown.epochs:
        accuracy = accuracy_of(e)
        mark = Html('<span class="best">kept</span>') if number == best else ""
        rows.append(
            (
                str(number),
                "the head (frozen)" if stage == "frozen" else "the backbone too (unfrozen)",
                f"{e.train_loss:.3f}",
                f"{e.valid_loss:.3f}",
                Html("{}{}").format("–" if accuracy is None else percent(accuracy), mark),
                clock(e.seconds),
            )
        )
    box = Html('<div class="epochs" tabindex="0" role="region" aria-label="Epochs">{}</div>')
    return box.format(table(HEADER, rows))
