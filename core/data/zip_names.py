"""The encoding of names in a zip that does not say it."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence

from core.data.encodings import ASIAN, SINGLE, chances

UTF8 = 0x800  # the flag of a name that is in UTF-8
OF_OLD = "cp437"  # in which `zipfile` reads all others
CLOSE = math.log(1000)  # by which another reading may be less likely, and is still named


def encoding_of(members: Sequence[zipfile.ZipInfo]) -> tuple[str, dict[str, str]]:
    """The encoding in which the names make the most sense, and how one reads in each that comes close, if any do."""
    names = (m.filename for m in members if not m.flag_bits & UTF8 and not m.filename.isascii())
    raw = sorted({part.encode(OF_OLD) for name in names for part in name.split("/") if not part.isascii()})
    found = chances(raw, (*SINGLE, "utf-8", *ASIAN)) if raw else {}
    if not found:
        return OF_OLD, {}
    best = max(found, key=lambda encoding: found[encoding])  # the first of equal ones
    close = {e: raw[0].decode(e) for e, chance in found.items() if chance > found[best] - CLOSE}
    others = {e: text for e, text in close.items() if text != close[best]}
    return best, {best: close[best], **others} if others else {}


def renamed(members: Sequence[zipfile.ZipInfo], encoding: str) -> None:
    """Give the members the names that their bytes have in an encoding."""
    for member in members:
        if not member.flag_bits & UTF8 and not member.filename.isascii():
            member.filename = member.filename.encode(OF_OLD).decode(encoding, "replace")
