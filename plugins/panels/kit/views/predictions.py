"""Predictions of one photo or many: labels with their confidence, how it is computed, and a table."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from plugins.panels.kit.views.html import Html, bars, notes, percent, table

TOP = 10  # classes with a bar


def guess(answer: Mapping[str, Any]) -> Html:
    """The predicted label, its confidence, and the most probable labels."""
    probabilities = answer["probabilities"]
    rows = [(name, p, percent(p)) for name, p in list(probabilities.items())[:TOP]]
    rest = len(probabilities) - len(rows)
    others = percent(sum(list(probabilities.values())[TOP:]))
    more = Html('<p class="note">and {} other labels with {} together</p>').format(rest, others) if rest else ""
    trusted = answer["sure"] and not answer["stranger"]
    doubtful = "" if trusted else Html('<p class="note">Not sure, perhaps</p>')
    doubt = notes([answer["note"]] * bool(answer["note"]))
    return Html('{}<p class="guess">{}</p>{}<p class="note">{} confident · {:.0f} ms</p>{}{}').format(
        doubtful, answer["label"], doubt, percent(answer["probability"]), answer["milliseconds"], bars(rows), more
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


def predictions(rows: Sequence[Mapping[str, Any]], vocab: Sequence[str]) -> Html:
    """A table with a row per photo, and a link that downloads it as CSV."""
    thumb, code = Html('<img class="thumb" src="{}" alt="">').format, Html("<code>{}</code>").format
    bad = Html('<span class="bad">{}</span>').format
    shown = [
        (
            thumb(row["src"]) if row.get("src") else "",
            code(row["file"]),
            row["label"] if "label" in row else bad(row["error"]),
            percent(row["probability"]) if "label" in row else "",
            row.get("note", ""),
        )
        for row in rows
    ]
    link = Html('<p><a class="plain" download="predictions.csv" href="{}">Download the table</a></p>')
    return link.format(_csv(rows, vocab)) + table(["", "File", "Label", "Confidence", "Doubt"], shown)


def _csv(rows: Sequence[Mapping[str, Any]], vocab: Sequence[str]) -> str:
    """The table as a data URL for `href`; cells that a spreadsheet would read as formulas are quoted."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["file", "label", "probability", "note", "error", *map(_cell, vocab)])
    for row in rows:
        shares = row.get("probabilities", {})
        cells = [row["file"], row.get("label", ""), row.get("probability", "")]
        cells += [row.get("note", ""), row.get("error", "")]
        writer.writerow([*map(_cell, cells), *(shares.get(name, "") for name in vocab)])
    return (
        "data:text/csv;charset=utf-8;base64,"
        + base64.b64encode(stream.getvalue().encode("utf-8-sig", "replace")).decode()
    )


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
