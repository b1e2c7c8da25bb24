"""Predictions of one photo or many: labels with their confidence, how it is computed, and a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plugins.panels.kit.project.labels import ListedPhoto
from plugins.panels.kit.project.sent_photos import SentPhoto
from plugins.panels.kit.views.files import as_csv, data_url
from plugins.panels.kit.views.html import (
    SORTS,
    Html,
    acts,
    bars,
    button,
    confident,
    figures,
    joined,
    notes,
    percent,
    table,
)

TOP = 10  # classes with a bar


def guess(answer: Mapping[str, Any]) -> Html:
    """The predicted label, its confidence, and the most probable labels."""
    probabilities = answer["probabilities"]
    rows = [(name, p, confident(p)) for name, p in list(probabilities.items())[:TOP]]
    rest = len(probabilities) - len(rows)
    others = percent(sum(list(probabilities.values())[TOP:]))
    more = Html('<p class="note">and {} other labels with {} together</p>').format(rest, others) if rest else ""
    trusted = answer["sure"] and not answer["stranger"]
    doubtful = "" if trusted else Html('<p class="note">Not sure, perhaps</p>')
    doubt = notes([answer["note"]] * bool(answer["note"]))
    return Html('{}<p class="guess">{}</p>{}<p class="note">{} confident · {:.0f} ms</p>{}{}').format(
        doubtful, answer["label"], doubt, confident(answer["probability"]), answer["milliseconds"], bars(rows), more
    )


def numbers(answer: Mapping[str, Any]) -> Html:
    """A table from the network's outputs to probabilities by softmax, and the loss for each label."""
    outputs = answer["outputs"]
    high = max(outputs.values())
    total = sum(math.exp(o - high) for o in outputs.values())
    rows = []
    for name, output in outputs.items():
        share = math.exp(output - high) / total
        loss = math.log(total) + high - output
        rows.append((name, f"{output:.4f}", f"{math.exp(output):.4g}", f"{share:.6f}", f"{loss:.4f}"))
    rows.append(("sum", "", f"{total * math.exp(high):.4g}", "1.000000", ""))
    said = (
        "The network has one output per label, here divided by the model's temperature, which makes confidence match "
        "accuracy. exp makes them positive; divided by their sum they are probabilities, "
        "which is softmax. −log of the probability is the loss if that label is the true one."
    )
    body = table(["Label", "Output", "exp", "softmax", "−log"], rows)
    title = "How the confidence is computed"
    return Html('<details class="numbers"><summary>{}</summary><p class="note">{}</p>{}</details>').format(
        title, said, body
    )


def known_answer(photo: SentPhoto, answer: Mapping[str, Any], known: ListedPhoto, trained: bool | None) -> Html:
    """Whether the answer is right for a photo of the project, by its label, and a field to correct that label."""
    which = "a photo that you left out" if known.left_out else "one of your photos"
    if not known.label:
        said = notes([f"This is {which}; it has no label yet."], "note")
    elif known.label == answer["label"]:
        said = notes([f"Right: this is {which}, with the label {known.label}."], "good")
    else:
        said = notes([f"Wrong: this is {which}, with the label {known.label}."], "bad")
    if trained is not None:
        learned = "It has learned from this photo: one that it has not seen is a better test."
        said += notes([learned if trained else "It has not learned from this photo."], "note")
    ask = f"Is it not {known.label}?" if known.label else "What is it?"
    return said + _asking(ask, photo, answer, "correct", "Correct the label" if known.label else "Label it")


def mending(photo: SentPhoto, answer: Mapping[str, Any], why_not: str) -> Html:
    """A field for the right label of a photo, to add it to the photos that the model learns from, or why not."""
    if why_not:
        return _folded("Is it wrong?", notes([why_not], "note"))
    return _asking("Is it wrong?", photo, answer, "add", "Add to my photos")


def trained_next(said: str) -> Html:
    """What was done with the label of a photo, and the way to training with it."""
    go = Html('<button type="button" class="plain" data-go="train">Go to Train</button>')
    return notes([said], "good") + acts(go)


def _asking(title: str, photo: SentPhoto, answer: Mapping[str, Any], do: str, text: str) -> Html:
    known = joined(Html('<option value="{}"></option>').format(name) for name in answer["probabilities"])
    field = Html(
        '<label class="option"><span>The right label</span><input type="text" id="predict-label" autocomplete="off" '
        'list="predict-labels"></label><datalist id="predict-labels">{}</datalist>{}'
    )
    says = button(text, do, photo.told() | {"with": "#predict-label"})
    return _folded(title, field.format(known, acts(says)))


def _folded(title: str, body: Html) -> Html:
    return Html('<details class="mend"><summary>{}</summary>{}</details>').format(title, body)


def predictions(rows: Sequence[Mapping[str, Any]], vocab: Sequence[str]) -> Html:
    """A table with a row per photo, to filter and sort, its CSV, and the accuracy if folders give labels."""
    scored = any(row["true"] for row in rows)
    header = joined(map(SORTS.format, ["Photo", "File", "Label", *["Folder"] * scored, "Confidence", "Doubt"]))
    body = joined(_row(row, scored) for row in rows)
    link = Html('<a class="plain" download="predictions.csv" href="{}">Download the table</a>').format(
        _csv(rows, vocab)
    )
    return Html(
        '{}{}<p>{}</p><div class="scroll"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(_scored(rows), _filters(scored, len(rows)), link, header, body)


def _scored(rows: Sequence[Mapping[str, Any]]) -> Html:
    """The accuracy on the photos whose folders give a label that the model knows."""
    known = [row["label"] == row["true"] for row in rows if row["true"] and "label" in row]
    if not known:
        return Html()
    from core.training.metrics import wilson_interval  # imports torch, which takes seconds

    right, share = sum(known), sum(known) / len(known)
    low, high = wilson_interval(share, len(known))
    said = f"{right:,} of {len(known):,} as their folders say; 95 % interval {percent(low)} to {percent(high)}"
    return figures([("Accuracy", percent(share), said)])


def _filters(scored: bool, n: int) -> Html:
    kinds = [("", "all photos"), ("unsure", "doubtful ones"), *[("wrong", "other than their folder")] * scored]
    options = joined(map(Html('<option value="{}">{}</option>').format, *zip(*kinds, strict=True)))
    return Html(
        '<div class="filters" data-filters><label>Find <input type="search"></label>'
        "<label>Show <select>{}</select></label>"
        '<label>Confidence up to <input type="number" min="0" max="100" value="100"> %</label>'
        '<output role="status">{:,} shown</output></div>'
    ).format(options, n)


def _row(row: Mapping[str, Any], scored: bool) -> Html:
    known = "label" in row
    thumb = Html(
        '<button type="button" class="thumb" data-do="open" aria-label="{0}: open"{1}><img src="{2}" alt=""></button>'
    )
    told = joined(Html(' data-{}="{}"').format(name, value) for name, value in row["told"].items())
    wrong = known and row["true"] not in ("", row["label"])
    kinds = ["wrong"] * wrong + ["unsure"] * (not known or bool(row["note"]))
    cells = [
        thumb.format(row["file"], told, row["src"]) if row.get("src") else "",
        Html("<code>{}</code>").format(row["file"]),
        row["label"] if known else Html('<span class="bad">{}</span>').format(row["error"]),
        *[Html('<span class="bad">{}</span>').format(row["true"]) if wrong else row["true"]] * scored,
    ]
    confidence = 100 * row.get("probability", 0)
    return Html(
        '<tr data-kind="{}" data-confidence="{}">{}<td data-value="{}">{}</td><td>{}</td></tr>'
    ).format(
        " ".join(kinds), confidence, joined(map(Html("<td>{}</td>").format, cells)),
        confidence, confident(row["probability"]) if known else "", row.get("note", ""),
    )  # fmt: skip


def _csv(rows: Sequence[Mapping[str, Any]], vocab: Sequence[str]) -> str:
    """The table as a data URL for `href`."""

    def lines() -> Iterator[Sequence[Any]]:
        yield ["file", "label", "probability", "note", "error", *vocab, "folder"]
        for row in rows:
            shares = row.get("probabilities", {})
            cells = [row["file"], *(row.get(key, "") for key in ("label", "probability", "note", "error"))]
            yield [*cells, *(shares.get(name, "") for name in vocab), row["true"]]

    return data_url(as_csv(lines()), "text/csv;charset=utf-8")
