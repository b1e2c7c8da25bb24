"""Tables as CSV, and files as data URLs, so that no file has to be served."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

Rows = Iterable[Sequence[Any]]


def as_csv(rows: Rows) -> bytes:
    """Rows as CSV that spreadsheets read; cells that they would take for formulas are quoted."""
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(map(_cell, row) for row in rows)
    return stream.getvalue().encode("utf-8-sig", "replace")


def data_url(content: bytes, kind: str) -> str:
    """A file as a data URL for `href`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
