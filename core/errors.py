"""The one exception that a user is meant to read, and how it quotes what they gave."""

from __future__ import annotations

import reprlib


class BadInput(Exception):
    """What the user gave cannot be used; the message is one sentence that names the value and what to do."""


def quoted(value: object) -> str:
    """The `repr` of a value, with its middle left out where it is long."""
    return _REPR.repr(value)


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 200
_REPR.maxlong = 40
