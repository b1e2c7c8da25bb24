"""What changed in the list of photos since the browser got it, so that a label does not send the whole list again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plugins.panels.kit.project.known import Known

Rows = Mapping[str, Any]  # values by name, and columns with a value for each photo
MOST = 0.25  # of a column; if more of it changed, it is sent whole
SENT: Known[Rows] = Known()


def changes(folder: Path, rows: Rows, known: str) -> dict[str, Any]:
    """The rows, as far as a browser lacks them that has those of the token `known`.

    `since` is that token, if it is of rows of the same photos; `changed` are then the numbers and the new values of
    photos by column. Labels are numbers in `vocab`, so the browser first numbers its own by a new vocabulary.
    """
    before = SENT.get(folder, known)
    if before and (before["key"] != rows["key"] or before.keys() != rows.keys()):
        before = None
    token = hashlib.blake2b(json.dumps({**rows, "names": 0}).encode(), digest_size=8).hexdigest()
    SENT.put(folder, token, rows)
    if before is None:
        return {**rows, "token": token}
    if before["vocab"] != rows["vocab"]:
        before = {**before, "labels": renumbered(before["labels"], before["vocab"], rows["vocab"])}
    news: dict[str, Any] = {"key": rows["key"], "token": token, "since": known, "changed": {}}
    for name, column in rows.items():
        if before[name] == column:
            continue
        at = _differ(before[name], column) if name in ("labels", "sets", "flags", "doubt", "hints") else None
        if at is None or len(at) > MOST * len(column):
            news[name] = column
        else:
            news["changed"][name] = [at, [column[i] for i in at]]
    return news


def renumbered(labels: Sequence[int], vocab: Sequence[str], now: Sequence[str]) -> list[int]:
    """The labels as numbers in another vocabulary, -1 for those that it lacks."""
    number = {label: i for i, label in enumerate(now)}
    table = [*(number.get(label, -1) for label in vocab), -1]
    return [table[n] for n in labels]


def _differ(before: Sequence[Any], after: Sequence[Any]) -> list[int]:
    return [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
