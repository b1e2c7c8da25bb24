"""Labels that may be wrong: suspects, copies and strangers, each with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import gradio as gr

from core.errors import BadInput
from plugins.panels.kit.insight.insight import Insight
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.known import Known
from plugins.panels.kit.project.labels import LEFT_OUT, NOT_TRAINED, RIGHT, SETS, act, are_being_read, listed, photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.corrections import counted, made_and_new, undo
from plugins.panels.kit.views.html import DELEGATE, Html, acts, button, card, doing, empty, joined, notes, percent

SCRIPT = (Path(__file__).parent / "suspects.js").read_text(encoding="utf-8")
SHOWN = 20  # findings in a tab
WAITS = "It waits for the run under way"
DRAWN: Known[Html] = Known()  # a tick where nothing has changed does not look at every photo again
LONGEST_NUMBER = 12  # digits
TITLE = "Labels that may be wrong"
FIRST = "Every photo is compared with the others, by a network that never saw it. A person decides; no file is changed."


class Now:
    """The photos as they are labelled now, to leave out findings that have been dealt with."""

    def __init__(self, project: Project) -> None:
        self.photos, rows = photos_of(project), listed(project)
        self.key, self.sets, self.flags = self.photos.key, rows["sets"], rows["flags"]
        self.labels = [rows["vocab"][n] if n >= 0 else "" for n in rows["labels"]]

    def is_open(self, photo: int, label: str | None = None) -> bool:
        """Whether a finding about a photo still asks for a decision; `label` is the one that was doubted."""
        settled = self.flags[photo] & (LEFT_OUT | RIGHT | NOT_TRAINED)
        return not settled and label in (None, self.labels[photo])


def suspects(page: Page) -> None:
    """Add the section, with its buttons, to a panel."""
    shown = gr.HTML(
        "",
        html_template=f'<div role="region" aria-label="{TITLE}">${{value}}</div>',
        js_on_load=DELEGATE + SCRIPT,
        elem_id="results-suspects",
    )
    page.shows(shown, _drawn, "tick")
    page.does(shown.click, _on_click, trigger_mode="multiple")  # people decide faster than pages are drawn


def _on_click(project: Project, data: Mapping[str, Any]) -> None:
    match data.get("do"):
        case "look":
            insight = Insight(project)
            insight.look()
            if not insight.looking and not insight.found:
                raise BadInput("A run is under way, or other photos are being compared; look again when that is done.")
        case "undo":
            undo(project, data)
        case do:
            numbers = [int(n) for n in str(data.get("photo")).split(",") if n.isdecimal() and len(n) < LONGEST_NUMBER]
            act(
                project,
                {"do": do, "key": data.get("key"), "photos": numbers, "label": data.get("label"), "right": True},
            )


def _drawn(project: Project) -> Html:
    if project.recipe is None:
        return Html()
    insight = Insight(project)
    if insight.looking:
        done, total = insight.progress
        share = done / total if total else None
        said = f"Looking at photos: {done:,} of {total:,}" if total else "Looking at the photos"
        return card(TITLE, doing(said, share), FIRST)
    if are_being_read(project):
        return Html()
    try:
        return _looked_at(project, insight)
    except BadInput:  # the photos are gone, or the labeller is wrong, which the Data page says
        return Html()


def _looked_at(project: Project, insight: Insight) -> Html:
    """What was found so far; raises BadInput."""
    found, run = insight.found, project.run
    key = f"{project.version} {insight.version} {insight.current} {run.name if run else ''} {bool(project.under_way)}"
    if found and "error" not in found:
        return DRAWN.made(project.folder, key, lambda: _findings(project, insight))
    why = notes([project.plain(BadInput(found["error"]))], "bad") if found else Html()
    return DRAWN.made(
        project.folder, key, lambda: card(TITLE, why + _decided(project, insight, "Look for them"), FIRST)
    )


def _findings(project: Project, insight: Insight) -> Html:
    found, now = insight.found, Now(project)
    tabs = {
        "May be wrong": _wrong(found["suspects"], now),
        "Copies": _copies([pair for pair in found["twins"] if pair["kind"] != "alike"], now),
        "Also in validation": _copies([pair for pair in found["twins"] if set(pair["sets"]) == {1, 2}], now),
        "Unlike the rest": _strangers(found["strangers"], now),
    }
    chip = Html('<button type="button" class="chip" role="tab" data-tab="{n}">{title} <i>{count:,}</i></button>')
    chips = joined(chip.format(n=n, title=title, count=len(rows)) for n, (title, rows) in enumerate(tabs.items()))
    since = "You have decided on photos since: look again, as that may show others."
    none = empty("None", "Nothing of this kind was found.") if insight.current else empty("None left", since)
    lists = joined(
        Html('<div class="suspects" role="tabpanel" aria-label="{}" data-list="{}">{}</div>').format(
            title, n, Html("<ol>{}</ol>").format(joined(rows[:SHOWN])) if rows else none
        )
        for n, (title, rows) in enumerate(tabs.items())
    )
    of = crc32(repr(project.require_recipe().source).encode())  # other photos open on another tab
    head = Html('<div class="suspects-top" data-of="{}"><div class="chips" role="tablist">{}</div>{}</div>')
    return card(TITLE, head.format(of, chips, _decided(project, insight)) + lists, FIRST)


def _decided(project: Project, insight: Insight, looks: str = "Look again") -> Html:
    """How many corrections the shown run learned from and undo, unless the bar has both, and looking again."""
    look = Html() if insight.current else button(looks, "look", off=WAITS if project.under_way else "")
    made, new = made_and_new(project)
    if new or not project.corrections:
        return acts(look)
    said = f"{counted(made)} in this run · " if made else ""
    back = Html('<span>{}<button type="button" class="link" data-do="undo">undo the last decision</button></span>')
    return acts(back.format(said), look)


def _wrong(found: Sequence[Mapping[str, Any]], now: Now) -> list[Html]:
    alike = Html("<p><b>{}</b> is its label; the photos most like it are <b>{}</b>.</p>")
    copied = Html("<p><b>{}</b> is its label; a copy of it has the label <b>{}</b>.</p>")
    return [
        _row(
            now,
            s["photo"],
            (copied if s["copy"] else alike).format(s["label"], s["better"]),
            "" if s["copy"] else f"{percent(s['own'])} likely to be {s['label']}",
            s["near"],
            _do(now, [s["photo"]], f"It is {s['better']}", "label", "", s["better"])
            + _do(now, [s["photo"]], "The label is right", "right")
            + _do(now, [s["photo"]], "Leave it out", "leave_out"),
        )
        for s in found
        if now.is_open(s["photo"], s["label"])
    ]


def _copies(found: Sequence[Mapping[str, Any]], now: Now) -> list[Html]:
    rows = []
    for pair in found:
        first, second = pair["photos"]
        if not (now.is_open(first) and now.is_open(second)):
            continue
        labels = now.labels[first], now.labels[second]
        differ = labels[0] != labels[1]
        said = Html("<p>{}: <b>{}</b> and <b>{}</b>.</p>" if differ else "<p>{}, both <b>{}</b>.</p>")
        more = (
            _do(now, [first, second], f"Both are {labels[0]}", "label", "primary", labels[0])
            + _do(now, [first, second], f"Both are {labels[1]}", "label", "", labels[1])
            if differ
            else Html()
        )
        leaks = {now.sets[first], now.sets[second]} == {1, 2}
        leave = first if leaks and now.sets[first] == 1 else second
        out = (
            _do(now, [leave], "Leave one out of training", "leave_out_of_training", "" if differ else "primary")
            if leaks
            else _do(now, [leave], "Leave one out", "leave_out")
        )
        acts = more + out + _do(now, [first, second], "Keep both", "right")
        said = said.format(pair["kind"].capitalize(), *labels)
        rows.append(_row(now, first, said, _where(now, second), [second], acts))
    return rows


def _strangers(found: Sequence[Mapping[str, Any]], now: Now) -> list[Html]:
    said = Html("<p><b>{}</b>: it looks like none of the other photos.</p>")
    return [
        _row(
            now,
            s["photo"],
            said.format(now.labels[s["photo"]] or "No label"),
            "",
            s["near"],
            _do(now, [s["photo"]], "Leave it out", "leave_out") + _do(now, [s["photo"]], "It belongs here", "right"),
        )
        for s in found
        if now.is_open(s["photo"])
    ]


def _row(now: Now, photo: int, said: Html, remark: str, near: Sequence[int], acts: Html) -> Html:
    where = " · ".join(filter(None, (_where(now, photo), remark)))
    large = Html('<button type="button" class="large" data-photo="{}" aria-label="Enlarge {}"></button>')
    return Html(
        '<li>{}<div class="suspect">{}<small>{}</small><div class="near">{}</div></div>'
        '<div class="decide">{}</div></li>'
    ).format(
        large.format(photo, now.photos.names[photo]),
        said,
        where,
        joined(large.format(i, now.photos.names[i]) for i in near),
        acts,
    )


def _where(now: Now, photo: int) -> str:
    return f"{now.photos.names[photo]} ({SETS[now.sets[photo]] or 'neither set'})"


def _do(now: Now, photos: Sequence[int], text: str, do: str, kind: str = "", label: str = "") -> Html:
    return button(text, do, {"photo": ",".join(map(str, photos)), "key": now.key, "label": label}, kind)
