"""The one exception whose message users read, and how it quotes their input."""

from __future__ import annotations

import reprlib


class BadInput(Exception):
    """Raised when the user's input cannot be used; the message is one sentence with the value and what to do."""


def quoted(value: object) -> str:
    """The `repr` of a value, shortened in the middle if it is long."""
    return _REPR.repr(value)


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 200
_REPR.maxlong = 40
