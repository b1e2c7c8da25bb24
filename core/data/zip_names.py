"""The encoding of names in a zip that does not say it: programs in Japan and China wrote that of their system."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence

UTF8 = 0x800  # the flag of a name that is in UTF-8
OF_OLD = "cp437"  # in which `zipfile` reads all others
ENCODINGS = ("utf-8", "cp932", "gb18030", "big5", "euc-kr", "cp1251", "cp866")
CYRILLIC = re.compile(r"(?<![A-Za-z])[\u0410-\u044f]{3,}(?![A-Za-z])")  # a word, and no letter with an accent
COMMON = {"cp932": (0x88, 0x97), "gb18030": (0xB0, 0xD7), "big5": (0xA4, 0xC6), "euc-kr": (0xB0, 0xC8)}  # first bytes
SURE = 0.8  # share of letters that are usual in a language


def encoding_of(members: Sequence[zipfile.ZipInfo]) -> str:
    """The encoding in which the names of a zip make sense, cp437 where they are plain or no other fits."""
    raw = {m.filename.encode(OF_OLD) for m in members if not m.flag_bits & UTF8 and not m.filename.isascii()}
    best, most = OF_OLD, SURE
    for encoding in ENCODINGS if raw else ():
        try:
            text = "/".join(name.decode(encoding) for name in raw)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8":  # no text in another encoding is valid by chance
            return encoding
        share = _usual(text, encoding) / sum(not letter.isascii() for letter in text)
        if share > most:
            best, most = encoding, share
    return best


def renamed(members: Sequence[zipfile.ZipInfo], encoding: str) -> None:
    """Give the members the names that their bytes have in an encoding."""
    for member in members:
        if not member.flag_bits & UTF8 and not member.filename.isascii():
            member.filename = member.filename.encode(OF_OLD).decode(encoding, "replace")


def _usual(text: str, encoding: str) -> int:
    """How many letters are such as people write in the language of an encoding, and not rare ones."""
    if encoding in ("cp1251", "cp866"):
        return sum(map(len, CYRILLIC.findall(text)))
    return sum(_is_common(letter, encoding) for letter in text if not letter.isascii())


def _is_common(letter: str, encoding: str) -> bool:
    if encoding == "cp932" and "\u3041" <= letter <= "\u30fe":  # kana
        return True
    try:
        code = letter.encode({"gb18030": "gb2312"}.get(encoding, encoding))
    except UnicodeEncodeError:
        return False
    first, last = COMMON[encoding]
    return len(code) == 2 and first <= code[0] <= last
