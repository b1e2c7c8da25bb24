"""Photos with what a model says of them, its worst mistakes, and where it looks in these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.data.decoder import prepare
from core.data.photo import BadPhoto
from core.errors import BadInput
from plugins.panels.kit.project.models import predictor
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.confusion import Results, Seen, results_of
from plugins.panels.kit.views.gradcam import where_it_looks
from plugins.panels.kit.views.html import Html, button, card, empty, joined
from plugins.panels.kit.views.pictures import embedded, thumbnail

WORST = 12  # shown


def photos_said(n: int) -> str:
    """`1 photo` or `2 photos`."""
    return f"{n:,} photo{'s' * (n != 1)}"


def shots(photos: Iterable[tuple[Seen, str]]) -> Html:
    """Photos with their captions, losses and confidences."""
    return Html('<div class="shots">{}</div>').format(joined(_shot(seen, caption) for seen, caption in photos))


def _shot(seen: Seen, caption: str, more: str = "") -> Html:
    src = thumbnail(seen.file)
    lost = "cannot be read" if seen.file.is_file() else "gone or moved"
    picture = Html('<img src="{}" alt="{}" loading="lazy">').format(src, caption) if src else Html(f"<em>{lost}</em>")
    confidence = f"{seen.confidence:.0%}" if seen.confidence < 0.995 else "over 99%"
    return Html(
        '<figure>{picture}<figcaption><b title="{caption}">{caption}</b>'
        "<span>loss {loss:.2f} · confidence {confidence}</span>{more}</figcaption></figure>"
    ).format(picture=picture, caption=caption, loss=seen.loss, confidence=confidence, more=more)


def worst_mistakes(found: Results, explains: bool) -> str:
    """The worst mistakes; with `explains`, each can show where the model looks."""
    if not found.mistakes:
        return card("Worst mistakes", empty("None", f"It is correct on {photos_said(found.total)}."))
    worst = [(s, f"{found.vocab[s.true]} → {found.vocab[s.predicted]}") for s in found.mistakes[:WORST]]
    n = len(found.mistakes)
    few = "All of its mistakes" if n <= WORST else f"{WORST} of its {n:,} mistakes"
    note = f"{few}, largest loss first, as true → predicted. Often the label in the data is the one that is wrong."
    shown = joined(
        _shot(*shot, button("Where it looks", "why", {"run": found.name, "mistake": i}) if explains else "")
        for i, shot in enumerate(worst)
    )
    return card("Worst mistakes", Html('<div class="shots">{}</div>').format(shown), note)


def explained(project: Project, data: Mapping[str, Any]) -> str:
    """The photo of a mistake with what spoke for the predicted label, and for the true one."""
    run = project.find(str(data.get("run")))
    found = results_of(run)
    try:
        seen = found.mistakes[int(data["mistake"])]
    except (KeyError, TypeError, ValueError, IndexError):
        raise BadInput("This mistake is no longer there; reload the page.") from None
    model = predictor(run.folder)
    try:
        pixels = prepare(seen.file, model.views, 1).pixels
    except BadPhoto as error:
        raise BadInput(f"{seen.file.name} cannot be read as a photo: {error}.") from None
    shots = [
        Html('<figure><img src="{}" alt=""><figcaption><b>{}</b><span>{}</span></figcaption></figure>').format(
            embedded(where_it_looks(model, pixels, label), 88), found.vocab[label], said
        )
        for label, said in ((seen.predicted, "what it said"), (seen.true, "the label"))
    ]
    note = "Red is what speaks for the label; it says where, not why, and a photo without red has nothing that does."
    shown = card("Where it looks", Html('<div class="shots">{}</div>').format(joined(shots)), note)
    return Html('<div data-cell role="region" aria-label="Where it looks">{}</div>').format(shown)
