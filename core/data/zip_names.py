"""Detection of the encoding of the names in a zip that does not state it."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence

from core.data.encodings import ASIAN, SINGLE, log_likelihoods

UTF8 = 0x800  # flag of a name in UTF-8
OF_OLD = "cp437"  # `zipfile` decodes all other names with it
CLOSE = math.log(1000)  # log-likelihood difference up to which another reading is reported


def encoding_of(members: Sequence[zipfile.ZipInfo]) -> tuple[str, dict[str, str]]:
    """The most likely encoding of the names, and one name as read in it and in others almost as likely."""
    names = (m.filename for m in members if not m.flag_bits & UTF8 and not m.filename.isascii())
    raw = sorted({part.encode(OF_OLD) for name in names for part in name.split("/") if not part.isascii()})
    found = log_likelihoods(raw, (*SINGLE, "utf-8", *ASIAN)) if raw else {}
    if not found:
        return OF_OLD, {}
    best = max(found, key=lambda encoding: found[encoding])  # the first on a tie
    close = {e: raw[0].decode(e) for e, chance in found.items() if chance > found[best] - CLOSE}
    others = {e: text for e, text in close.items() if text != close[best]}
    return best, {best: close[best], **others} if others else {}


def renamed(members: Sequence[zipfile.ZipInfo], encoding: str) -> None:
    """Rename the members by decoding their names with `encoding`."""
    for member in members:
        if not member.flag_bits & UTF8 and not member.filename.isascii():
            member.filename = member.filename.encode(OF_OLD).decode(encoding, "replace")
