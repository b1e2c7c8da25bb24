"""Photos with what a model says of them, its worst mistakes, and where it looks in these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.data.decoder import prepare
from core.data.photo import BadPhoto
from core.errors import BadInput
from plugins.panels.kit.insight.gradcam import where_it_looks
from plugins.panels.kit.project.labels import ListedPhoto, act, are_being_read, listed_photo
from plugins.panels.kit.project.models import predictor
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.accuracy import photos_said
from plugins.panels.kit.views.confusion import Results, Seen, results_of
from plugins.panels.kit.views.corrections import again, made_and_new
from plugins.panels.kit.views.html import Html, acts, bars, button, card, confident, empty, joined
from plugins.panels.kit.views.large import dialog, photo_dialog
from plugins.panels.kit.views.pictures import embedded, thumbnail

WORST = 12  # shown
LIKELY = 6  # labels of a photo that are shown with their probabilities


def shots(project: Project, found: Results, photos: Iterable[tuple[Seen, str]]) -> Html:
    """Photos with their captions, losses and confidences, and what was said of them since; each opens large."""
    places = {seen.row: place for place, seen in enumerate(found.photos)}
    decided = bool(project.corrections) and not are_being_read(project)
    shown = joined(
        _shot(found, seen, places[seen.row], caption, _since(project, found, seen) if decided else "")
        for seen, caption in photos
    )
    return Html('<div class="shots">{}</div>').format(shown)


def _since(project: Project, found: Results, seen: Seen) -> str:
    """What a person has said of a photo since the model was trained, or ""."""
    now, true = listed_photo(project, seen.file), found.vocab[seen.true]
    if now and now.left_out:
        return "left out now"
    return f"now labelled {now.label}" if now and now.label and now.label != true else ""


def _shot(found: Results, seen: Seen, place: int, caption: str, since: str) -> Html:
    src = thumbnail(seen.file)
    lost = "cannot be read" if seen.file.is_file() else "gone or moved"
    picture = Html('<img src="{}" alt="" loading="lazy">').format(src) if src else Html(f"<em>{lost}</em>")
    return Html(
        '<figure><button type="button" data-do="open" data-run="{run}" data-set="{set}" data-photo="{place}" '
        'aria-label="{caption}: open">{picture}</button><figcaption><b>{caption}</b>'
        '<span>loss {loss:.2f} · confidence {confidence}</span><span class="since">{since}</span></figcaption></figure>'
    ).format(
        run=found.name, set=found.set, place=place, picture=picture, caption=caption, loss=seen.loss,
        confidence=confident(seen.confidence), since=since,
    )  # fmt: skip


def worst_mistakes(project: Project, found: Results) -> Html:
    """The worst mistakes."""
    if not found.mistakes:
        return card("Worst mistakes", empty("None", f"It is correct on {photos_said(found.total)}."))
    worst = [(s, f"{found.vocab[s.true]} → {found.vocab[s.predicted]}") for s in found.mistakes[:WORST]]
    n = len(found.mistakes)
    few = "All of its mistakes" if n <= WORST else f"{WORST} of its {n:,} mistakes"
    note = f"{few}, largest loss first, as true → predicted. Often the label in the data is the one that is wrong."
    return card("Worst mistakes", shots(project, found, worst), note)


def answered(project: Project, data: Mapping[str, Any], explains: bool) -> Html:
    """The opened photo after a press on one of its buttons: where the model looks in it, or with another label."""
    if data.get("do") == "why" and explains:
        return explained(project, data)
    if data.get("do") not in ("label", "leave_out", "take_back"):
        return opened(project, data, explains)
    said = {name: data.get(name) for name in ("do", "key", "label")}
    right = "back" not in data  # who takes a correction back does not say that the earlier label is right
    act(project, {**said, "photos": [int(n) for n in [str(data.get("at"))] if n.isdecimal()], "right": right})
    return opened(project, data, explains) + Html("<i hidden data-changed></i>")


def opened(project: Project, data: Mapping[str, Any], explains: bool) -> Html:
    """A photo, large, with its label and what the model says; with `explains`, it can show where the model looks."""
    run = project.find(str(data.get("run")))
    found = results_of(run, str(data.get("set")))
    seen = found.photo(data)
    now, place = listed_photo(project, seen.file), {"run": found.name, "set": found.set, "photo": data["photo"]}
    ranked = found.probabilities(seen)
    likely = bars((name, p, confident(p)) for name, p in ranked[:LIKELY])
    more = f"and {len(ranked) - LIKELY} more labels" if len(ranked) > LIKELY else ""
    mends = _mends(project, seen, found, now, place) if now else []
    looks = acts(*mends, button("Where it looks", "why", place) if explains else "")
    body = Html('<p class="file">{}</p><p role="status"><b>{}</b></p><p class="note">{}</p>{}<p>{}</p>{}')
    verdict, note = _verdict(found, seen, now)
    return photo_dialog(seen.file, body.format(seen.file.name, verdict, note, likely, more, looks))


def _verdict(found: Results, seen: Seen, now: ListedPhoto | None) -> tuple[str, str]:
    """What the model says of a photo and whether that is right, or what a person has said of it since; and a note."""
    true, said = found.vocab[seen.true], found.vocab[seen.predicted]
    measured = f"loss {seen.loss:.2f} · confidence {confident(seen.confidence)}"
    if now and now.left_out:
        return "It is left out now", f"Its label was {true}, and the model says {said} · {measured}"
    if now and now.label != true:
        return f"Its label is {now.label or 'taken away'} now", f"It was {true}; the model says {said} · {measured}"
    if seen.wrong:
        return f"The model says {said}, but its label is {true}", measured
    return f"The model says {said}, which is right", measured


def _mends(project: Project, seen: Seen, found: Results, now: ListedPhoto, place: Mapping[str, Any]) -> list[Html]:
    """Buttons that correct the label of a photo of the project, or take that back and train."""
    true, said = found.vocab[seen.true], found.vocab[seen.predicted]
    data = {**place, "at": now.number, "key": now.key}
    if now.left_out:
        back = button("Undo: use it again", "take_back", data | {"back": ""})
    elif now.label != true:
        back = button(f"Undo: it is {true}", "label", data | {"label": true, "back": ""})
    elif seen.wrong:
        return [button(f"It is {said}", "label", data | {"label": said}), button("Leave it out", "leave_out", data)]
    else:
        return []
    return [again(made_and_new(project)[1]), back]


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
