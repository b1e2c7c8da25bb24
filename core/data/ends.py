"""Lookup of paths by their last parts: a list may name a photo `cat/1.jpg`, or only `1.jpg`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from os.path import commonprefix

AFTER_SLASH = chr(ord("/") + 1)


class Ends:
    """Paths with `/` between parts, sorted from the end; `order` holds their indices."""

    def __init__(self, names: Iterable[str]) -> None:
        keys = [_key(name) for name in names]
        self.order = sorted(range(len(keys)), key=keys.__getitem__)
        self._keys = [keys[i] for i in self.order]

    def __contains__(self, name: str) -> bool:
        """Whether `name`, as a whole, is one of the names."""
        position = self.having(name).start
        return position < len(self._keys) and self._keys[position] == _key(name)

    def having(self, end: str) -> range:
        """The positions, in `order`, of the names that are `end` or have it as their last parts."""
        key = _key(end)
        return range(bisect_left(self._keys, key), bisect_left(self._keys, key[:-1] + AFTER_SLASH))

    def longest(self, name: str) -> str:
        """The longest end of `name`, in whole parts, that is an end of one of the names; "" if there is none."""
        key = _key(name)
        position = bisect_left(self._keys, key)
        neighbours = self._keys[max(0, position - 1) : position + 1]
        shared = max((_shared(key, other) for other in neighbours), key=len, default="")
        return shared[: max(0, shared.rfind("/"))][::-1]


def _key(name: str) -> str:
    return name[::-1] + "/"  # an end of whole parts becomes a prefix closed by `/`


def _shared(a: str, b: str) -> str:
    return b if a.startswith(b) else commonprefix((a, b))  # noqa: RUF071, of texts, by character; slow
