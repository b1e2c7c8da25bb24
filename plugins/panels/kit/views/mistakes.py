"""Photos with what a model says of them, its worst mistakes, and where it looks in these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from core.data.decoder import prepare
from core.data.photo import BadPhoto
from core.errors import BadInput
from plugins.panels.kit.insight.gradcam import where_it_looks
from plugins.panels.kit.project.labels import LEFT_OUT, act, listed, photos_of
from plugins.panels.kit.project.models import predictor
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.accuracy import photos_said
from plugins.panels.kit.views.confusion import Results, Seen, results_of
from plugins.panels.kit.views.html import Html, acts, bars, button, card, confident, empty, joined
from plugins.panels.kit.views.large import dialog, photo_dialog
from plugins.panels.kit.views.pictures import embedded, thumbnail

WORST = 12  # shown
LIKELY = 6  # labels of a photo that are shown with their probabilities


def shots(found: Results, photos: Iterable[tuple[Seen, str]]) -> Html:
    """Photos with their captions, losses and confidences, each of which opens large."""
    places = {seen.row: place for place, seen in enumerate(found.photos)}
    shown = joined(_shot(found, seen, places[seen.row], caption) for seen, caption in photos)
    return Html('<div class="shots">{}</div>').format(shown)


def _shot(found: Results, seen: Seen, place: int, caption: str) -> Html:
    src = thumbnail(seen.file)
    lost = "cannot be read" if seen.file.is_file() else "gone or moved"
    picture = Html('<img src="{}" alt="" loading="lazy">').format(src) if src else Html(f"<em>{lost}</em>")
    return Html(
        '<figure><button type="button" data-do="open" data-run="{run}" data-set="{set}" data-photo="{place}" '
        'aria-label="{caption}: open">{picture}</button><figcaption><b>{caption}</b>'
        "<span>loss {loss:.2f} · confidence {confidence}</span></figcaption></figure>"
    ).format(
        run=found.name, set=found.set, place=place, picture=picture, caption=caption, loss=seen.loss,
        confidence=confident(seen.confidence),
    )  # fmt: skip


def worst_mistakes(found: Results) -> Html:
    """The worst mistakes."""
    if not found.mistakes:
        return card("Worst mistakes", empty("None", f"It is correct on {photos_said(found.total)}."))
    worst = [(s, f"{found.vocab[s.true]} → {found.vocab[s.predicted]}") for s in found.mistakes[:WORST]]
    n = len(found.mistakes)
    few = "All of its mistakes" if n <= WORST else f"{WORST} of its {n:,} mistakes"
    note = f"{few}, largest loss first, as true → predicted. Often the label in the data is the one that is wrong."
    return card("Worst mistakes", shots(found, worst), note)


def answered(project: Project, data: Mapping[str, Any], explains: bool) -> Html:
    """The opened photo after a press on one of its buttons: where the model looks in it, or with another label."""
    if data.get("do") == "why" and explains:
        return explained(project, data)
    if data.get("do") in ("label", "leave_out"):
        said = {name: data.get(name) for name in ("do", "key", "label")}
        act(project, {**said, "photos": [int(n) for n in [str(data.get("at"))] if n.isdecimal()], "right": True})
    return opened(project, data, explains)


def opened(project: Project, data: Mapping[str, Any], explains: bool) -> Html:
    """A photo, large, with its label and what the model says; with `explains`, it can show where the model looks."""
    run = project.find(str(data.get("run")))
    found = results_of(run, str(data.get("set")))
    seen = found.photo(data)
    true, said = found.vocab[seen.true], found.vocab[seen.predicted]
    verdict = f"{said}, which is right" if not seen.wrong else f"{said}, but its label is {true}"
    ranked = found.probabilities(seen)
    likely = bars((name, p, confident(p)) for name, p in ranked[:LIKELY])
    more = f"and {len(ranked) - LIKELY} more labels" if len(ranked) > LIKELY else ""
    place = {"run": found.name, "set": found.set, "photo": data["photo"]}
    mends = _mends(project, seen, found, place) if seen.wrong else []
    looks = acts(*mends, button("Where it looks", "why", place) if explains else "")
    body = Html('<p class="file">{}</p><p><b>{}</b></p><p class="note">loss {:.2f} · confidence {}</p>{}<p>{}</p>{}')
    return photo_dialog(
        seen.file, body.format(seen.file.name, verdict, seen.loss, confident(seen.confidence), likely, more, looks)
    )


def _mends(project: Project, seen: Seen, found: Results, place: Mapping[str, Any]) -> list[Html]:
    """Buttons that correct the label of a photo that is among the project's, or what a person has said of it."""
    if project.recipe is None:
        return []
    try:
        photos, rows = photos_of(project), listed(project)
    except BadInput:  # the photos are gone, which the Data page says
        return []
    at = next((i for i, file in enumerate(photos.files) if Path(file) == seen.file), None)
    if at is None:
        return []
    label = rows["vocab"][n] if (n := rows["labels"][at]) >= 0 else ""
    if rows["flags"][at] & LEFT_OUT:
        return [Html("<span>It is left out now.</span>")]
    if label != found.vocab[seen.true]:
        return [Html("<span>Its label is {} now; train again to use that.</span>").format(label)]
    data = {**place, "at": at, "key": photos.key, "label": found.vocab[seen.predicted]}
    return [button(f"It is {data['label']}", "label", data), button("Leave it out", "leave_out", data)]


def explained(project: Project, data: Mapping[str, Any]) -> Html:
    """A photo with what spoke for the predicted label, and for the true one."""
    run = project.find(str(data.get("run")))
    found = results_of(run, str(data.get("set")))
    seen = found.photo(data)
    model = predictor(run.folder)
    try:
        pixels = prepare(seen.file, model.views, 1).pixels
    except BadPhoto as error:
        raise BadInput(f"{seen.file.name} cannot be read as a photo: {error}.") from None
    looks = [(seen.predicted, "what it said")] + [(seen.true, "the label")] * seen.wrong
    shots = joined(
        Html('<figure><img src="{}" alt=""><figcaption><b>{}</b><span>{}</span></figcaption></figure>').format(
            embedded(where_it_looks(model, pixels, label), 88), found.vocab[label], said
        )
        for label, said in looks
    )
    note = "Red is what speaks for the label; it says where, not why, and a photo without red has nothing that does."
    body = Html('<p class="file">{}</p><p class="note">{}</p><div class="shots">{}</div>')
    return dialog(f"Where it looks: {seen.file.name}", body.format(seen.file.name, note, shots))
